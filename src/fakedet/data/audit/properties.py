"""What is known of an image without looking at what it shows: its file, its light, and where its face lies."""

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from fakedet.data.audit.progress import in_threads
from fakedet.data.datamodule import DataModule
from fakedet.detector.face import FaceFinder, choose
from fakedet.detector.finders import open_finder
from fakedet.detector.image import ImageError, decode
from fakedet.errors import UserError

Picture = NDArray[np.uint8]
Box = tuple[float, float, float, float]
FINDER = "mtcnn"
_SAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0", -1: "other"}
_YES_NO = {True: "present", False: "absent"}


def percent(share: float, digits: int = 0) -> str:
    """A share as `62 %`."""
    return f"{100 * share:.{digits}f} %"


@dataclass(frozen=True)
class Property:
    """One thing that may give a class away.

    Attributes:
        name: its column.
        title: for tables.
        says: a sentence for `{real}` and `{fake}`; None for kinds such as the file format.
        show: a number with its unit.
    """

    name: str
    title: str
    says: str | None = None
    show: Callable[[float], str] = "{:.0f}".format


_PIXELS = "{:.0f} px".format
_MEAN = "real pictures have a mean {} of {{real}} of 255, fake ones of {{fake}}"
PROPERTIES = (
    Property("format", "file format"),
    Property("bytes", "file size", "real files have {real}, fake ones {fake}", lambda n: f"{n / 1024:.1f} KiB"),
    Property("bits", "bits per pixel", "real files spend {real} bits on a pixel, fake ones {fake}", "{:.2f}".format),
    Property("width", "width", "real pictures are {real} wide, fake ones {fake}", _PIXELS),
    Property("height", "height", "real pictures are {real} high, fake ones {fake}", _PIXELS),
    Property("quality", "JPEG quality", "real files have JPEG quality {real}, fake ones {fake}"),
    Property("tables", "JPEG quantisation tables"),
    Property("sampling", "JPEG chroma sampling"),
    Property("exif", "EXIF data"),
    Property("profile", "colour profile"),
    Property("brightness", "brightness", _MEAN.format("brightness")),
    Property("red", "mean of red", _MEAN.format("red")),
    Property("green", "mean of green", _MEAN.format("green")),
    Property("blue", "mean of blue", _MEAN.format("blue")),
    Property(
        "contrast", "contrast", "the brightness of real pictures deviates by {real} of 255, of fake ones by {fake}"
    ),
    Property("face", "face found"),
    Property("face_width", "face width", "real faces fill {real} of the width, fake ones {fake}", percent),
    Property("face_height", "face height", "real faces fill {real} of the height, fake ones {fake}", percent),
    Property("face_x", "face position across", "real faces lie at {real} of the width, fake ones at {fake}", percent),
    Property("face_y", "face position down", "real faces lie at {real} of the height, fake ones at {fake}", percent),
)


def properties(data: DataModule, rows: pd.DataFrame) -> pd.DataFrame:
    """Measure images.

    Args:
        data: prepared; pictures that cannot be read go to its quarantine.
        rows: of its manifest.

    Returns:
        The readable rows in their order, numbered from 0: `path`, `label`, `group`, and a column for each of
        `PROPERTIES`, missing where an image has no such thing.

    Raises:
        UserError: when too many pictures are unreadable.
    """
    # What `prepare.py` cut out has its face box in pixels of the picture that it was cut from.
    known = [_corners(row) if data.crops is None else None for row in rows.itertuples()]
    paths = rows["path"].tolist()
    finders = threading.local()

    def measure(place: int) -> dict[str, Any] | str:
        if not hasattr(finders, "one"):
            finders.one = open_finder(FINDER)
        return _measure(data.root / paths[place], known[place], finders.one)

    kept = []
    for path, found in zip(paths, in_threads(measure, range(len(paths)), "Measuring images"), strict=True):
        if isinstance(found, str):
            data.quarantine.add(path, found)
        else:
            kept.append({"path": path, **found})
    columns = ["path", *(each.name for each in PROPERTIES)]
    measured = pd.DataFrame(kept, columns=columns)
    return measured.merge(rows[["path", "label", "group"]], on="path")


def _corners(row: Any) -> Box | None:
    """The manifest's own face box.

    Raises:
        UserError: when it is none.
    """
    if pd.isna(row.face_box):
        return None
    try:
        left, top, right, bottom = (float(number) for number in row.face_box.split(","))
    except ValueError as error:
        raise UserError(
            f"The face_box {row.face_box!r} of {row.path} is not left,top,right,bottom in pixels of its picture."
        ) from error
    return left, top, right, bottom


def _measure(file: Path, box: Box | None, finder: FaceFinder) -> dict[str, Any] | str:
    """The properties of one image, or why it cannot be read."""
    try:
        content = file.read_bytes()
        image = decode(content)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except ImageError as error:
        return str(error)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    red, green, blue = image.reshape(-1, 3).mean(axis=0)
    return {
        **_of_file(content, image.shape[0] * image.shape[1]),
        "height": image.shape[0],
        "width": image.shape[1],
        "brightness": grey.mean(),
        "red": red,
        "green": green,
        "blue": blue,
        "contrast": grey.std(),
        **_of_face(image, box, finder),
    }


def _of_file(content: bytes, pixels: int) -> dict[str, Any]:
    found: dict[str, Any] = {"bytes": len(content), "bits": 8 * len(content) / pixels}
    with Image.open(io.BytesIO(content)) as header:
        found["format"] = header.format
        found["exif"] = _YES_NO[len(header.getexif()) > 0]
        found["profile"] = _YES_NO["icc_profile" in header.info]
        if isinstance(header, JpegImagePlugin.JpegImageFile):
            quality, standard = _jpeg_quality(header.quantization)
            found |= {"quality": quality, "tables": "standard" if standard else "of its own"}
            found["sampling"] = _SAMPLING[JpegImagePlugin.get_sampling(header)] if header.mode == "RGB" else "grey"
    return found


def _jpeg_quality(tables: dict[int, Any]) -> tuple[int, bool]:
    """The quality from 1 to 100 whose standard luminance table is nearest, and whether all tables are standard."""
    given = np.asarray(tables[min(tables)], dtype=np.int64)
    distances = np.abs(_standard_tables()[:, 0] - given).sum(axis=1)
    quality = int(distances.argmin())
    standard = all((_standard_tables()[quality] == np.asarray(table)).all(axis=1).any() for table in tables.values())
    return quality + 1, standard


@cache
def _standard_tables() -> NDArray[np.int64]:
    """Luminance and chrominance tables of each quality from 1 to 100, as libjpeg scales them: (100, 2, 64)."""
    tables = []
    for quality in range(1, 101):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8)).save(buffer, "JPEG", quality=quality)
        with Image.open(buffer) as picture:
            assert isinstance(picture, JpegImagePlugin.JpegImageFile)
            tables.append([picture.quantization[0], picture.quantization[1]])
    return np.asarray(tables, dtype=np.int64)


def _of_face(image: Picture, box: Box | None, finder: FaceFinder) -> dict[str, Any]:
    height, width = image.shape[:2]
    # A box that does not lie in the picture is one of another picture, such as the frame of a crop.
    if box is None or not (0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height):
        face = choose(finder.find(image), "largest", height, width)
        if face is None:
            return {"face": "absent"}
        box = face.box
    left, top, right, bottom = box
    return {
        "face": "present",
        "face_width": (right - left) / width,
        "face_height": (bottom - top) / height,
        "face_x": (left + right) / 2 / width,
        "face_y": (top + bottom) / 2 / height,
    }
