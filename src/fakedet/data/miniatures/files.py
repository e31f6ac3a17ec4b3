"""Frames and pictures onto the disk."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from fakedet.data.miniatures.actors import Picture
from fakedet.errors import UserError

RATE = 25.0  # frames a second


def write_video(path: Path, frames: Sequence[Picture]) -> None:
    """Encode a clip as MPEG-4 Part 2 in an MP4 file: the one codec that every build of OpenCV brings.

    The same frames give the same bytes.

    Args:
        path: where to; its folder is made.
        frames: RGB (height, width, 3) or grey (height, width), uint8, all of one size.

    Raises:
        UserError: when the file cannot be written.
    """
    _make_folder(path.parent)
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), RATE, (width, height))
    if not writer.isOpened():
        raise UserError(f"{path} cannot be written: OpenCV has no MPEG-4 encoder here, or the folder is read-only.")
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR if frame.ndim == 3 else cv2.COLOR_GRAY2BGR))
    writer.release()


def write_picture(path: Path, image: Picture, quality: int = 90) -> None:
    """Encode a picture, as PNG or JPEG by its suffix.

    Args:
        path: where to; its folder is made.
        image: RGB (height, width, 3) uint8.
        quality: of a JPEG file.
    """
    suffix = ".png" if path.suffix.lower() == ".png" else ".jpg"
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else []
    _, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    write_bytes(path, data.tobytes())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file and the folders above it.

    Raises:
        UserError: when the folder cannot be written to.
    """
    _make_folder(path.parent)
    path.write_bytes(data)


def compressed(frames: Sequence[Picture], quality: int) -> list[Picture]:
    """Frames as they come back from JPEG of that quality: what strong video compression leaves of them."""
    coded = (cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for frame in frames)
    return [np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8) for data in coded]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}); name a folder that can be written to.") from error
