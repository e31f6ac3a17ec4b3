"""What a video file holds: its frames counted and timed, without decoding them."""

import os
from dataclasses import dataclass
from pathlib import Path

# FFmpeg reports each damaged packet on its own; what matters of it is in a VideoError.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2
import numpy as np
from numpy.typing import NDArray

from fakedet.detector.image import MAX_PIXELS, UNREAD
from fakedet.errors import UserError


class VideoError(UserError):
    """The file is no video that can be judged; the text says why."""


@dataclass(frozen=True)
class Video:
    """What a video file holds.

    Attributes:
        frames: their true number, counted.
        fps: mean frames a second, as the file says.
        width: of an upright frame, in pixels.
        height: of an upright frame, in pixels.
        seconds: when each frame is shown, from the first on, float64 (frames,).
        keys: numbers of the frames that decoding can start at, int64, rising.
    """

    frames: int
    fps: float
    width: int
    height: int
    seconds: NDArray[np.float64]
    keys: NDArray[np.int64]


def inspect(path: Path) -> Video:
    """Read a video's index and count its packets: what files say of their length may be an estimate.

    Raises:
        VideoError: for a missing, empty, unknown or truncated file, or one without a frame.
    """
    capture = open_capture(path)
    try:
        fps = float(capture.get(cv2.CAP_PROP_FPS))
        width, height = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        capture.set(cv2.CAP_PROP_FORMAT, -1)  # from here on packets are read, and not decoded
        times, keys = [], []
        while capture.grab():
            times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
            keys.append(capture.get(cv2.CAP_PROP_LRF_HAS_KEY_FRAME) > 0)
    finally:
        capture.release()
    if not times:
        raise VideoError("holds no frame")
    if width * height > MAX_PIXELS:
        raise VideoError(f"has frames of {width} × {height} pixels, more than {MAX_PIXELS // 1_000_000} million")
    order = np.argsort(times, kind="stable")  # packets come in the order of decoding
    return Video(
        frames=len(times),
        fps=fps,
        width=width,
        height=height,
        seconds=np.asarray(times, np.float64)[order],
        keys=np.flatnonzero(np.asarray(keys)[order]).astype(np.int64),
    )


def open_capture(path: Path) -> cv2.VideoCapture:
    """Open a video for reading with one thread of the processor.

    Raises:
        VideoError: for a missing, empty, unknown or truncated file.
    """
    try:
        _check_file(path)
    except OSError as error:
        raise VideoError(f"{UNREAD} ({error.strerror})") from error
    # One thread: processes are the parallelism. No acceleration: its pixels depend on the machine.
    options = [cv2.CAP_PROP_N_THREADS, 1, cv2.CAP_PROP_HW_ACCELERATION, cv2.VIDEO_ACCELERATION_NONE]
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # the error below says it better
    try:
        # Absolute: FFmpeg would take a name with a colon in it for an address, and ask it.
        capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG, options)
    finally:
        cv2.utils.logging.setLogLevel(level)
    if not capture.isOpened():
        raise VideoError("cannot be opened as a video: it is damaged, incomplete or of an unknown kind")
    return capture


def _check_file(path: Path) -> None:
    if not path.exists():
        raise VideoError("does not exist")
    if not path.is_file():
        raise VideoError("is no file")
    if path.stat().st_size == 0:
        raise VideoError("is empty")
    if _is_playlist(path):
        raise VideoError("is a list of other files, which are not looked at")
    if _ends_early(path):
        raise VideoError("is truncated: it ends before its index says")


def _is_playlist(path: Path) -> bool:
    """Whether FFmpeg would play files that it names."""
    with path.open("rb") as stream:
        return stream.read(64).lstrip(b"\xef\xbb\xbf \r\n\t").startswith((b"ffconcat", b"#EXTM3U"))


def _ends_early(path: Path) -> bool:
    """Whether an MP4 or MOV file ends inside one of its boxes (ISO 14496-12, 4.2), as a broken download does."""
    size, place = path.stat().st_size, 0
    with path.open("rb") as stream:
        while place + 16 <= size:
            stream.seek(place)
            head = stream.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if place == 0 and kind != b"ftyp":
                return False
            if length == 1:
                length = int.from_bytes(head[8:], "big")
            if length < 8:  # 0: the last box, as long as the file
                return False
            place += length
            if place > size:
                return kind in (b"mdat", b"moov", b"moof")
    return False
