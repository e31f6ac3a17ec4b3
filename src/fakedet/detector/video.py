"""Frames of a video by their numbers: the true ones, upright, one at a time."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# FFmpeg reports each damaged packet on its own; what matters of it is in a VideoError.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2
import numpy as np
from numpy.typing import NDArray

from fakedet.detector.image import MAX_PIXELS
from fakedet.errors import UserError

Picture = NDArray[np.uint8]

# OpenCV starts at a key frame at least 16 frames before the one that is asked for, and is asked for one
# some frames early, since it counts in steps of the mean frame rate.
_RUN_UP, _EARLY = 18, 2


class VideoError(UserError):
    """The file is no video that can be judged; the text says why."""


@dataclass(frozen=True)
class Sampling:
    """Which frames of a video are looked at.

    Attributes:
        count: so many, evenly spaced: the middles of equal parts of the video; all of a shorter one.
        every: without a count, each so-manieth from the first on.
    """

    count: int | None = None
    every: int = 1

    @classmethod
    def parse(cls, text: str | int) -> "Sampling":
        """Understand `32`, `all` or `every-10`.

        Raises:
            UserError: for anything else.
        """
        match = re.fullmatch(r"all|0*([1-9]\d*)|every-0*([1-9]\d*)", str(text))
        if match is None:
            raise UserError(f"frames={text} is not a number of frames (32), all, or every-k (every-10).")
        return cls(count=int(match[1]) if match[1] else None, every=int(match[2] or 1))

    def indices(self, frames: int) -> list[int]:
        """Numbers of the wanted frames of a video of so many, rising: floor((i + 1/2) · frames / count)."""
        if self.count is None or self.count >= frames:
            return list(range(0, frames, self.every))
        return [(2 * part + 1) * frames // (2 * self.count) for part in range(self.count)]


@dataclass(frozen=True)
class Video:
    """What a video file holds.

    Attributes:
        frames: their true number, counted.
        fps: mean frames a second, as the file says.
        width: of an upright frame, in pixels.
        height: of an upright frame, in pixels.
        seconds: when each frame is shown, from the start of the file, float64 (frames,).
        keys: numbers of the frames that decoding can start at, int64.
    """

    frames: int
    fps: float
    width: int
    height: int
    seconds: NDArray[np.float64]
    keys: NDArray[np.int64]


def inspect(path: Path) -> Video:
    """Count a video's frames without decoding them: what files say of it may be an estimate.

    Raises:
        VideoError: for a missing, empty, unknown or truncated file, or one without a frame.
    """
    capture = _open(path)
    try:
        fps = float(capture.get(cv2.CAP_PROP_FPS))
        width, height = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        capture.set(cv2.CAP_PROP_FORMAT, -1)  # from here on packets are read, and not decoded
        times, keys = [], []
        while capture.grab():
            times.append(capture.get(cv2.CAP_PROP_POS_MSEC))
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
        seconds=np.asarray(times, np.float64)[order] / 1000,
        keys=np.flatnonzero(np.asarray(keys)[order]).astype(np.int64),
    )


def wanted_frames(path: Path, sampling: Sampling) -> list[int]:
    """Numbers of the frames to look at, by the counted number of frames.

    Raises:
        VideoError: as `inspect` does.
    """
    return sampling.indices(inspect(path).frames)


def read(path: Path, sampling: Sampling) -> Iterator[tuple[int, Picture]]:
    """The wanted frames one after another, as `read_at` gives them.

    Where fewer frames can be decoded than the file has, the rest of the sampling is taken over those.

    Raises:
        VideoError: as `inspect` does, and when no frame can be decoded.
    """
    video = inspect(path)
    wanted, last = sampling.indices(video.frames), -1
    while wanted:
        reader = _Reader(path, video)
        for index, image in reader.frames(wanted):
            yield index, image
            last = index
        if last == wanted[-1]:
            return
        if reader.position < 0:
            raise VideoError("holds no frame that can be decoded")
        wanted = [index for index in sampling.indices(reader.position + 1) if index > last]


def read_at(path: Path, indices: Sequence[int]) -> Iterator[tuple[int, Picture]]:
    """Frames by their numbers, rising: number and RGB picture (height, width, 3), uint8, upright.

    Frames are counted as they are decoded, so a variable rate changes nothing; only wanted ones are
    converted, and one is in memory at a time. Where wanted frames lie further apart than key frames,
    decoding starts anew at a key frame, and the frame's time tells which one it is; where times do not
    tell, every frame is decoded. A video that breaks off gives the frames before that.

    Raises:
        VideoError: as `inspect` does.
    """
    yield from _Reader(path, inspect(path)).frames(indices)


class _Reader:
    """Goes forward through one video; `position` is the number of the last decoded frame, -1 before the first."""

    def __init__(self, path: Path, video: Video) -> None:
        self._path = path
        self._video = video
        self._start()
        self._jumps = bool((np.diff(video.seconds) > 0).all())

    def frames(self, wanted: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        try:
            for index in wanted:
                if not self._go_to(index):
                    return
                done, frame = self._capture.retrieve()
                if not done:
                    return
                yield index, np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)
        finally:
            self._capture.release()

    def _start(self) -> None:
        self._capture = _open(self._path)
        self.position = -1

    def _go_to(self, index: int) -> bool:
        if self.position < 0 and self._step():
            # Some containers, such as AVI, give packets other times than frames.
            self._jumps = self._jumps and self._time() == self._video.seconds[0]
        key = self._video.keys.searchsorted(index - _RUN_UP, side="right") - 1
        if self._jumps and key >= 0 and self._video.keys[key] > self.position + _RUN_UP and index < self._video.frames:
            self._jump(index)
        while self.position < index:
            if not self._step():
                return False
        return True

    def _jump(self, index: int) -> None:
        self._capture.set(cv2.CAP_PROP_POS_FRAMES, int(self._video.seconds[index] * self._video.fps) - _EARLY)
        done = self._capture.grab()
        found = int(self._video.seconds.searchsorted(self._time()))
        if done and found <= index and self._video.seconds[found] == self._time():
            self.position = found
        else:
            self._jumps = False
            self._capture.release()
            self._start()

    def _step(self) -> bool:
        done = bool(self._capture.grab())
        self.position += done
        return done

    def _time(self) -> float:
        return float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000


def _open(path: Path) -> cv2.VideoCapture:
    if not path.exists():
        raise VideoError("does not exist")
    if not path.is_file():
        raise VideoError("is no file")
    if path.stat().st_size == 0:
        raise VideoError("is empty")
    # One thread: processes are the parallelism. No acceleration: its pixels depend on the machine.
    options = [cv2.CAP_PROP_N_THREADS, 1, cv2.CAP_PROP_HW_ACCELERATION, cv2.VIDEO_ACCELERATION_NONE]
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, options)
    if not capture.isOpened():
        raise VideoError("cannot be opened as a video: it is damaged, incomplete or of an unknown kind")
    return capture
