"""One file or address judged: its record, its heatmaps, and what a chart of it shows."""

import io
import stat
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fakedet.detector import overlay
from fakedet.detector.detector import Detector
from fakedet.detector.download import DownloadError, download
from fakedet.detector.image import ImageError, decode
from fakedet.detector.inputs import Item
from fakedet.detector.records import Stamp
from fakedet.detector.result import Finding, Result
from fakedet.detector.terminal import percent
from fakedet.detector.video import Sampling, inspect, read_at
from fakedet.detector.video_result import VideoResult, VideoTrack
from fakedet.errors import UserError

MAX_BYTES = 256 << 20  # of a picture's file; what holds 50 million pixels is smaller
# Bytes and seconds that a download may take.
_PICTURE = (64 << 20, 60.0)
_VIDEO = (2 << 30, 900.0)


@dataclass(frozen=True)
class Curve:
    """One face of a video over time.

    Attributes:
        title: what it is.
        seconds: of the frames in which it was judged, rising.
        probabilities: of a fake, there.
        end: of the video, in seconds.
    """

    title: str
    seconds: Sequence[float]
    probabilities: Sequence[float]
    end: float


@dataclass(frozen=True)
class Judged:
    """What is said of an item.

    Attributes:
        item: which one.
        row: its record.
        curves: of a video's faces.
    """

    item: Item
    row: Mapping[str, Any]
    curves: Sequence[Curve] = ()


class Judge:
    """Judges one item after another, in several threads.

    Args:
        detector: is asked.
        sampling: which frames of a video are looked at.
        crops: pictures are face crops already.
        heatmaps: folder for heatmaps, by its real name.
        places: item -> where its heatmap lies below that.
        allow_private: whether addresses on this machine and its network are asked.

    Raises:
        UserError: when heatmaps are wanted of a detector that has none.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        sampling: Sampling,
        crops: bool,
        heatmaps: Path | None,
        places: Mapping[Item, PurePosixPath],
        allow_private: bool,
    ) -> None:
        if heatmaps is not None and not _has_heatmaps(detector):
            raise UserError("This detector has no heatmaps: its network does not say where the evidence lies.")
        self._detector = detector
        self._sampling = sampling
        self._crops = crops
        self._heatmaps = heatmaps
        self._places = places
        self._allow_private = allow_private
        self._stop = threading.Event()

    def __call__(self, item: Item) -> Judged:
        """Judge it; what cannot be read or fetched gets a record that says so.

        Raises:
            UserError: when a heatmap cannot be written, or the network is broken.
        """
        before = Stamp(None, None) if item.is_url else stamp_of(item)
        try:
            with self._source(item) as source:
                size = len(source) if isinstance(source, bytes) else source.stat().st_size
                if item.is_url:
                    before = Stamp(size, None)
                if isinstance(source, Path) and item.is_video:
                    return self._video(item, source, before)
                return self._picture(item, source, before)
        except (ImageError, DownloadError) as error:
            return Judged(item, _row(item, _unreadable(str(error)), before))

    def give_up(self) -> None:
        """Break off what is being downloaded; nothing can be downloaded after it."""
        self._stop.set()

    @contextmanager
    def _source(self, item: Item) -> Iterator[Path | bytes]:
        """The item's file, or what its address gives: a picture's bytes, a video in a file of its own."""
        if not item.is_url:
            yield _checked(item)
        elif not item.is_video:
            content = io.BytesIO()
            download(item.source, content, *_PICTURE, allow_private=self._allow_private, stop=self._stop)
            yield content.getvalue()
        else:
            with tempfile.TemporaryDirectory(prefix="fakedet-") as folder:
                file = Path(folder) / "video"
                with file.open("wb") as stream:
                    download(item.source, stream, *_VIDEO, allow_private=self._allow_private, stop=self._stop)
                yield file

    def _picture(self, item: Item, source: Path | bytes, stamp: Stamp) -> Judged:
        result = self._detector.predict(source, explain=self._heatmaps is not None, cropped=self._crops)
        heatmap = None
        if self._heatmaps is not None and result.findings:
            heatmap, more = self._draw(item, decode(source), result.findings)
            result = replace(result, reasons=(*result.reasons, *more))
        searched = result.status != "unreadable" and self._detector.card.preprocess.face is not None and not self._crops
        faces = sum(finding.box is not None for finding in result.findings) if searched else None
        return Judged(item, _row(item, result, stamp, faces, heatmap))

    def _draw(
        self, item: Item, image: NDArray[np.uint8], findings: Sequence[Finding]
    ) -> tuple[PurePosixPath | None, tuple[str, ...]]:
        """Where the heatmap was put; without a place for it, why."""
        assert self._heatmaps is not None
        try:
            drawn = overlay.overlay(image, findings)
            return overlay.write(self._heatmaps, self._places[item], drawn, item.name), ()
        except overlay.PlaceTaken as taken:
            return None, (f"no heatmap, because {taken}",)

    def _video(self, item: Item, file: Path, stamp: Stamp) -> Judged:
        explain = self._heatmaps is not None
        result = self._detector.predict_video(file, sampling=self._sampling, explain=explain, stop=self._stop)
        heatmap = None
        if self._heatmaps is not None and result.tracks:
            first = result.tracks[0]
            number = int(np.searchsorted(inspect(file).seconds, first.peak_second))
            for _, frame in read_at(file, [number]):
                heatmap, more = self._draw(item, frame, [first.peak])
                result = replace(result, reasons=(*result.reasons, *more))
        found = len(result.tracks) if any(track.peak.box is not None for track in result.tracks) else 0
        searched = result.status != "unreadable" and self._detector.card.preprocess.face is not None
        curves = [_curve(track, result) for track in result.tracks]
        return Judged(item, _row(item, result, stamp, found if searched else None, heatmap), curves)


def _curve(track: VideoTrack, result: VideoResult) -> Curve:
    what = "whole frames" if track.peak.box is None else f"face {track.track}"
    brief = "" if track.decides else ", too briefly to decide"
    return Curve(
        title=f"{what}: {track.verdict}, P(fake) {percent(track.probability)}, "
        f"in {len(track.frames)} of {len(result.frames)} frames{brief}",
        seconds=[second for second, _ in track.frames],
        probabilities=[probability for _, probability in track.frames],
        end=result.seconds or 0.0,
    )


def _has_heatmaps(detector: Detector) -> bool:
    grey = np.full((detector.card.preprocess.size,) * 2 + (3,), 128, np.uint8)
    return detector.predict(grey, explain=True, cropped=True).findings[0].heatmap is not None


def stamp_of(item: Item) -> Stamp:
    """Which content a file has now, as far as its size and time tell."""
    try:
        found = Path(item.source).stat()
    except (OSError, ValueError):
        return Stamp(None, None)
    return Stamp(found.st_size, datetime.fromtimestamp(found.st_mtime, UTC).isoformat(timespec="microseconds"))


def _checked(item: Item) -> Path:
    path = Path(item.source)
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise ImageError(f"cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if stat.S_ISDIR(found.st_mode):
        raise ImageError("is a folder that cannot be opened")
    if not stat.S_ISREG(found.st_mode):
        raise ImageError("is no file")
    if item.is_video and not item.source.isascii():
        _check_name(item.source)
    if not item.is_video and found.st_size > MAX_BYTES:
        raise ImageError(f"has {found.st_size >> 20:,} MiB, more than a picture of {MAX_BYTES >> 20}")
    return path


def _check_name(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise ImageError("has a name that is no text in UTF-8; rename it") from error


def _unreadable(reason: str) -> Result:
    return Result("", "unreadable", None, None, None, (), (reason,), None, None, {})


def _row(
    item: Item,
    result: Result | VideoResult,
    stamp: Stamp,
    faces: int | None = None,
    heatmap: PurePosixPath | None = None,
) -> dict[str, Any]:
    plain = result.to_json()
    del plain["name"]
    return {
        "file": item.name,
        **plain,
        "faces": faces,
        "heatmap": None if heatmap is None else str(heatmap),
        "bytes": stamp.bytes,
        "modified": stamp.modified,
    }
