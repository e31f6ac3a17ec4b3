"""Frames of a video by their numbers: the true ones, upright, one at a time."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fakedet.detector.container import Video, VideoError, inspect, open_capture
from fakedet.errors import UserError

__all__ = ["Sampling", "Video", "VideoError", "inspect", "read", "read_at", "wanted_frames"]

Picture = NDArray[np.uint8]

# Asked for a frame, OpenCV starts at the key frame that lies 16 frames of the mean rate or more before it.
_BACK = 16
# A key frame is jumped to where it lies so many frames behind the last decoded and before the wanted one.
_RUN_UP = 20


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
    converted, and one is in memory at a time. Where a key frame lies between, decoding goes on from there
    (of 12,000 frames of H.264 with a key frame every 250, 32 take 4.7 instead of 11.7 seconds); a frame's
    time then tells which one it is, and where times do not tell, every frame is decoded. A video that
    breaks off gives the frames before that.

    Raises:
        VideoError: as `inspect` does.
    """
    yield from _Reader(path, inspect(path)).frames(indices)


class _Reader:
    """Goes forward through one video; `position` is the number of the last decoded frame, -1 before the first."""

    def __init__(self, path: Path, video: Video) -> None:
        self._path = path
        self._video = video
        self._jumps = bool((np.diff(video.seconds) > 0).all())
        self._start()

    def frames(self, wanted: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        try:
            for index in wanted:
                if not self._go_to(index):
                    return
                done, frame = self._capture.retrieve()
                if not done:
                    self.position -= 1
                    return
                yield index, np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)
        finally:
            self._capture.release()

    def _start(self) -> None:
        self._capture = open_capture(self._path)
        self.position = -1

    def _go_to(self, index: int) -> bool:
        if self.position < 0 and self._step():
            # Some containers, such as AVI, give packets other times than frames.
            self._jumps = self._jumps and self._time() == self._video.seconds[0]
        if self._jumps and index < self._video.frames:
            before = self._video.keys[: self._video.keys.searchsorted(index - _RUN_UP, side="right")]
            if len(before) and before[-1] > self.position + _RUN_UP:
                self._jump(int(before[-1]), index)
        while self.position < index:
            if not self._step():
                return False
        return True

    def _jump(self, key: int, index: int) -> None:
        # Just behind the key frame: from there OpenCV counts frames as if their rate were constant.
        behind = math.ceil(self._video.seconds[key] * self._video.fps) + _BACK
        self._capture.set(cv2.CAP_PROP_POS_FRAMES, behind)
        done, time = self._capture.grab(), self._time()
        found = int(self._video.seconds.searchsorted(time))
        if done and found <= index and self._video.seconds[found] == time:
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
