"""One video or picture of a download to its crops, in a process of its own."""

import hashlib
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fakedet.detector import video
from fakedet.detector.face import Face, FaceFinder, choose, crop, crop_mask
from fakedet.detector.finders import open_finder
from fakedet.detector.follow import follow
from fakedet.detector.image import ImageError, decode
from fakedet.detector.spec import FaceSpec
from fakedet.errors import UserError

Picture = NDArray[np.uint8]
CROPS, MASKS = "crops", "masks"
NO_FACE, OTHER_FACE = "no face found", "the main face is not in it"
NO_MASK = "no mask, because"
FORMATS = {"png": [cv2.IMWRITE_PNG_COMPRESSION, 3], "webp": [cv2.IMWRITE_WEBP_QUALITY, 101]}  # above 100: lossless
WHOLE = ("never", "without_face", "always")
_IN_MEMORY = 64 << 20  # bytes of crops of one video; more lie in a temporary file


@dataclass(frozen=True)
class Job:
    """One file of the download.

    Attributes:
        path: relative to the download.
        medium: `video` or `image`.
        mask: its mask's path, where it has one.
        size: of the file, in bytes; another size later means another file.
        cropped: whether it is a face crop already, and is kept as it is.
        mask_size: of the mask's file, in bytes, where it is there.
    """

    path: str
    medium: str
    mask: str | None
    size: int
    cropped: bool = False
    mask_size: int | None = None


@dataclass(frozen=True)
class Extraction:
    """What is done to every file.

    Attributes:
        raw: the download.
        root: where crops go.
        sampling: which frames of a video.
        face: how faces are cut out; None keeps whole pictures.
        finder_file: the finder's network, where it needs one.
        picture_format: of crops and frames; pictures that stay whole keep their file.
        whole: whether pictures are kept whole beside their face, one of `WHOLE`.
    """

    raw: Path
    root: Path
    sampling: video.Sampling
    face: FaceSpec | None
    finder_file: Path | None
    picture_format: str
    whole: str = "never"


Record = dict[str, Any]
_extraction: Extraction
_finder: FaceFinder | None = None


def start_worker(extraction: Extraction) -> None:
    """Set a process up: one thread, its own finder, and an end when the command that started it is gone."""
    global _extraction, _finder
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _extraction = extraction
    if extraction.face is not None:
        _finder = open_finder(extraction.face.finder, extraction.finder_file)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()


def _die_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def extract(job: Job) -> Record:
    """Write the crops of one file.

    Returns:
        Plain values: `path`, `size`, `mask`, `error` (why it cannot be read, else None), `frames` (wanted), `decoded`,
        `crops` (one dict a crop, in the manifest's terms) and `lost` (frame and reason of those without).

    Raises:
        OSError: when a crop cannot be written.
    """
    record: Record = {"path": job.path, "size": job.size, "mask": job.mask, "error": None, "frames": 0, "decoded": 0}
    record |= {"crops": [], "lost": [], "mask_size": job.mask_size}
    try:
        _extract_video(job, record) if job.medium == "video" else _extract_image(job, record)
    except (ImageError, video.VideoError) as error:
        record |= {"error": str(error), "crops": []}
    return record


def _extract_image(job: Job, record: Record) -> None:
    file = _extraction.raw / job.path
    record["frames"] = 1
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot be read ({error.strerror})") from error
    image = decode(data)
    record["decoded"] = 1
    mask = _mask(job, record, image)
    spec = None if job.cropped else _extraction.face
    face = None
    if spec is not None:
        assert _finder is not None
        face = choose(_finder.find(image), spec.choice, *image.shape[:2])
        if face is None:
            record["lost"].append([None, NO_FACE])
    if spec is None or _extraction.whole == "always" or (face is None and _extraction.whole == "without_face"):
        record["crops"].append(_keep(job, image, data, mask))
    if spec is not None and face is not None:
        record["crops"].append(_write(job, None, crop(image, face, spec), face, mask))


def _mask(job: Job, record: Record, image: Picture) -> Picture | None:
    if job.mask is None:
        return None
    try:
        mask = decode(_extraction.raw / job.mask)
    except ImageError as error:
        record["lost"].append([None, f"{NO_MASK} {job.mask} {error}"])
        return None
    if mask.shape[:2] != image.shape[:2]:
        record["lost"].append([None, _other_size(job, mask, image)])
        return None
    return mask


def _other_size(job: Job, mask: Picture, image: Picture) -> str:
    (height, width), (own_height, own_width) = mask.shape[:2], image.shape[:2]
    return f"{NO_MASK} {job.mask} has {width} × {height} pixels and not {own_width} × {own_height}"


def _keep(job: Job, image: Picture, data: bytes, mask: Picture | None) -> dict[str, Any]:
    """The original bytes: a second name for the file where the file system allows, else a copy."""
    file, place = _extraction.raw / job.path, _extraction.root / CROPS / job.path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    try:
        place.hardlink_to(file.resolve())  # of a link, the file that it leads to
    except OSError:
        place.write_bytes(data)
    described = _describe(f"{CROPS}/{job.path}", image, data, None, None)
    if mask is not None:
        described["mask"] = _write_mask(f"{job.path}.whole", np.ascontiguousarray(mask[..., 0]))
    return described


def _extract_video(job: Job, record: Record) -> None:
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
        file = _extraction.raw / job.path
        wanted = video.wanted_frames(file, _extraction.sampling)
        frames, found, places = [], [], []
        for index, image in video.read_at(file, wanted):
            frames.append(index)
            last = image
            cuts: list[tuple[int, tuple[int, ...]]] = []
            faces = _finder.find(image) if _finder is not None else []
            for picture in _cuts(image, faces):
                cuts.append((spool.tell(), picture.shape))
                spool.write(picture.tobytes())
            found.append(faces)
            places.append(cuts)
        if not frames:
            raise video.VideoError("holds no frame that can be decoded")
        record |= {"frames": len(wanted), "decoded": len(frames)}
        record["lost"] += [[index, "the video breaks off before"] for index in wanted[len(frames) :]]
        main = follow(found) if _extraction.face is not None else [None] * len(frames)
        masks = _masks(job, frames, record, last)
        for index, faces, cuts, face in zip(frames, found, places, main, strict=True):
            mask = next(masks)
            if _extraction.face is not None and face is None:
                record["lost"].append([index, OTHER_FACE if faces else NO_FACE])
                continue
            start, shape = cuts[faces.index(face) if face is not None else 0]
            spool.seek(start)
            picture = np.frombuffer(spool.read(int(np.prod(shape))), np.uint8).reshape(shape)
            record["crops"].append(_write(job, index, picture, face, mask))


def _cuts(image: Picture, faces: list[Face]) -> Iterator[Picture]:
    """What a frame may be kept as: each of its faces, since the main one is known only at the end; or the whole."""
    if _extraction.face is None:
        yield image
        return
    for face in faces:
        yield crop(image, face, _extraction.face)


def _masks(job: Job, frames: list[int], record: Record, image: Picture) -> Iterator[Picture | None]:
    """The mask of each frame in turn, or None where there is none; `image` is one of the frames."""
    if job.mask is not None:
        given = 0
        try:
            for _, mask in video.read_at(_extraction.raw / job.mask, frames):
                if mask.shape != image.shape:
                    record["lost"].append([None, _other_size(job, mask, image)])
                    break
                yield mask
                given += 1
            else:
                if given < len(frames):
                    record["lost"].append([None, f"{NO_MASK} {job.mask} ends after {given} of {len(frames)} frames"])
        except video.VideoError as error:
            record["lost"].append([None, f"{NO_MASK} {job.mask} {error}"])
    while True:
        yield None


def _write(job: Job, frame: int | None, picture: Picture, face: Face | None, mask: Picture | None) -> dict[str, Any]:
    """Put one crop on disk, and its mask beside it; both are described in the manifest's terms."""
    name = f"{job.path}.{_extraction.picture_format}"
    if frame is not None:
        name = f"{job.path}/{frame:06d}.{_extraction.picture_format}"
    data = _encode(picture, _extraction.picture_format)
    _save(_extraction.root / CROPS / name, data)
    described = _describe(f"{CROPS}/{name}", picture, data, frame, face)
    if mask is not None:
        grey = np.ascontiguousarray(mask[..., 0])
        cut = grey if face is None or _extraction.face is None else crop_mask(grey, face, _extraction.face)
        described["mask"] = _write_mask(name.removesuffix(f".{_extraction.picture_format}"), cut)
    return described


def _write_mask(name: str, mask: Picture) -> str:
    """Put a mask on disk; returns its path as the manifest gives it."""
    place = f"{MASKS}/{name}.png"
    _save(_extraction.root / place, _encode(mask, "png"))
    return place


def _encode(picture: Picture, picture_format: str) -> bytes:
    ordered = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
    done, data = cv2.imencode(f".{picture_format}", ordered, FORMATS[picture_format])
    if not done:
        raise UserError(f"A crop of {picture.shape} cannot be written as {picture_format}.")
    return data.tobytes()


def _save(place: Path, data: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)


def _describe(path: str, picture: Picture, data: bytes, frame: int | None, face: Face | None) -> dict[str, Any]:
    height, width = picture.shape[:2]
    return {
        "path": path,
        "frame": frame,
        "width": width,
        "height": height,
        "face_box": None if face is None else ",".join(f"{value:.1f}" for value in face.box),
        "face_score": None if face is None else round(float(face.score), 4),
        "sha256": hashlib.sha256(data).hexdigest(),
        "phash": str(imagehash.phash(Image.fromarray(picture))),
    }
