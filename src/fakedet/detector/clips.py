"""A video judged by some of its frames: each face followed through them, the most suspicious one decides.

A face's probability is the mean over its frames, as the field scores videos. A face that is seen in less than a
tenth of the frames is listed but does not decide, unless all are so brief: over many frames even a careful
finder takes something for a face once.
"""

import math
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fakedet.detector import reasons, regions
from fakedet.detector.detector import BATCH, Detector
from fakedet.detector.face import Face
from fakedet.detector.follow import tracks
from fakedet.detector.heatmap import enlarge
from fakedet.detector.result import Finding
from fakedet.detector.video import Sampling, Video, VideoError, inspect, read
from fakedet.detector.video_result import VideoResult, VideoTrack

_BRIEF = 0.1  # of the frames: what is seen less does not decide
_RARE = 0.5  # of the frames: what is seen less rests on few, and a reason says so
Picture = NDArray[np.uint8]
Scored = tuple[Finding, NDArray[np.float32] | None]  # and the network's own small map


def judge(
    detector: Detector, path: Path, sampling: Sampling, explain: bool, stop: threading.Event | None = None
) -> VideoResult:
    """What `Detector.predict_video` gives."""
    try:
        video = inspect(path)
        seen = _Frames(detector, explain)
        for index, image in seen.timed_frames(path, sampling):
            seen.look(index, image)
            if stop is not None and stop.is_set():
                raise VideoError("was not looked at to its end, because the run was stopped")
        seen.advance()
    except VideoError as error:
        return VideoResult(
            name=path.name,
            status="unreadable",
            verdict=None,
            probability=None,
            uncalibrated=None,
            frames=(),
            tracks=(),
            reasons=(str(error),),
            seconds=None,
            width=None,
            height=None,
            milliseconds={},
        )
    return _result(seen, path.name, video, sampling)


class _Frames:
    """The frames that were looked at; their pictures are gone as soon as they are scored.

    Attributes:
        numbers: of the frames.
        faces: found in each.
        scored: of each, in the order of its faces; or of the whole frame.
        milliseconds: stage -> wall time.
    """

    def __init__(self, detector: Detector, explain: bool) -> None:
        self.detector = detector
        self.explain = explain
        self.numbers: list[int] = []
        self.faces: list[list[Face]] = []
        self.scored: list[list[Scored]] = []
        self.milliseconds: defaultdict[str, float] = defaultdict(float)
        self._waiting: list[tuple[int, regions.Cut]] = []

    def timed_frames(self, path: Path, sampling: Sampling) -> Iterator[tuple[int, Picture]]:
        """The wanted frames, the time for decoding them counted."""
        frames = read(path, sampling)
        while True:
            with self._timed("decode"):
                frame = next(frames, None)
            if frame is None:
                return
            yield frame

    def look(self, index: int, image: Picture) -> None:
        """Find the faces of a frame; score what waits when it is a batch."""
        spec, finder = self.detector.card.preprocess, self.detector.finder
        faces: list[Face] = []
        if finder is not None:
            with self._timed("find"):
                faces = finder.find(image)
        with self._timed("cut"):
            cuts = regions.cut(image, spec, faces)
        self._waiting += [(len(self.numbers), region) for region in cuts]
        self.numbers.append(index)
        self.faces.append(faces)
        self.scored.append([])
        while len(self._waiting) >= BATCH:
            self.advance()

    def advance(self) -> None:
        """Score the next cuts, at most a batch of them."""
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        if not batch:
            return
        with self._timed("network"):
            logits, maps = self.detector.score([region.pixels for _, region in batch], maps=self.explain)
        for place, (frame, region) in enumerate(batch):
            finding = self.detector.finding(region, float(logits[place]))
            self.scored[frame].append((finding, None if maps is None else maps[place]))

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.milliseconds[stage] += 1000 * (time.perf_counter() - start)


def _result(seen: _Frames, name: str, video: Video, sampling: Sampling) -> VideoResult:
    spec = seen.detector.card.preprocess
    every = _tracks(seen, video)
    deciding = [track for track in every if track.decides]
    best = deciding[0] if deciding else None
    highest: dict[float, float] = {}
    for track in deciding:
        for second, probability in track.frames:
            highest[second] = max(probability, highest.get(second, 0.0))
    moments = [float(video.seconds[number]) for number in seen.numbers]
    found = []
    if seen.numbers != sampling.indices(video.frames):
        found.append(f"only a part of the video can be decoded: {len(moments)} frames were looked at")
    if spec.face is not None and not any(seen.faces):
        found.append(reasons.no_face(spec))
    elif best is not None and len(best.frames) < _RARE * len(moments):
        found.append(f"the face is seen in {len(best.frames)} of {len(moments)} frames only")
    if len(deciding) < len(every):
        found.append(f"faces that are seen too briefly to decide: {len(every) - len(deciding)}")
    if best is not None:
        found += reasons.doubts(best.peak, video.height, video.width, spec)
    abstains = best is None and spec.no_face == "abstain"
    return VideoResult(
        name=name,
        status="no face" if best is None else "scored",
        verdict=best.verdict if best else "uncertain" if abstains else None,
        probability=best.probability if best else 0.5 if abstains else None,
        uncalibrated=best.uncalibrated if best else None,
        frames=tuple((second, highest.get(second)) for second in moments),
        tracks=tuple(every),
        reasons=tuple(found),
        seconds=float(video.seconds[-1]),
        width=video.width,
        height=video.height,
        milliseconds=dict(seen.milliseconds),
    )


def _tracks(seen: _Frames, video: Video) -> list[VideoTrack]:
    """Each face, or the whole frames where no frame has one; the deciding ones first, then the most suspicious."""
    linked: list[dict[int, Scored]] = [
        {frame: seen.scored[frame][seen.faces[frame].index(face)] for frame, face in track.faces.items()}
        for track in tracks(seen.faces)
    ]
    if not linked:
        whole = {frame: scored[0] for frame, scored in enumerate(seen.scored) if scored}
        linked = [whole] if whole else []
    least = math.ceil(_BRIEF * len(seen.numbers))
    least = least if any(len(track) >= least for track in linked) else 1
    described = [
        _describe(
            number,
            [(float(video.seconds[seen.numbers[frame]]), *scored) for frame, scored in track.items()],
            seen,
            least,
        )
        for number, track in enumerate(linked, start=1)
    ]
    return sorted(described, key=lambda track: (not track.decides, -track.probability, -track.uncalibrated))


def _describe(
    number: int, scored: Sequence[tuple[float, Finding, NDArray[np.float32] | None]], seen: _Frames, least: int
) -> VideoTrack:
    decision, size = seen.detector.card.decision, seen.detector.card.preprocess.size
    probability = float(np.mean([finding.probability for _, finding, _ in scored]))
    second, peak, small_map = max(scored, key=lambda entry: entry[1].logit)
    if small_map is not None:
        start = time.perf_counter()
        peak = replace(peak, heatmap=enlarge(small_map, size))
        seen.milliseconds["map"] += 1000 * (time.perf_counter() - start)
    return VideoTrack(
        track=number,
        decides=len(scored) >= least,
        first=scored[0][0],
        last=scored[-1][0],
        verdict=str(decision.verdict(probability)),
        probability=probability,
        uncalibrated=float(np.mean([finding.uncalibrated for _, finding, _ in scored])),
        frames=tuple((second, finding.probability) for second, finding, _ in scored),
        peak=peak,
        peak_second=second,
    )
