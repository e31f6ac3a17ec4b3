"""What a detector says of a video."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fakedet.detector.result import Finding, Status

Moment = tuple[float, float | None]


@dataclass(frozen=True, eq=False)
class VideoTrack:
    """One face through a video, or the frames as a whole.

    Attributes:
        track: its number, from 1 for the face that is seen largest and longest.
        decides: whether it is seen long enough to decide.
        first: when it is seen first, in seconds.
        last: when it is seen last.
        verdict: `real`, `uncertain` or `fake`.
        probability: mean of the calibrated probabilities of its frames, 0 to 1.
        uncalibrated: the same of the network's own claims.
        frames: seconds and probability of each frame in which it was scored.
        peak: its most suspicious frame: box and region there; with a heatmap where it was asked for.
        peak_second: when that is.
    """

    track: int
    decides: bool
    first: float
    last: float
    verdict: str
    probability: float
    uncalibrated: float
    frames: tuple[tuple[float, float], ...]
    peak: Finding
    peak_second: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, without the heatmap."""
        return {
            "track": self.track,
            "decides": self.decides,
            "first": round(self.first, 3),
            "last": round(self.last, 3),
            "verdict": self.verdict,
            "probability": self.probability,
            "uncalibrated": self.uncalibrated,
            "frames": [[round(second, 3), probability] for second, probability in self.frames],
            "peak": {"second": round(self.peak_second, 3), **self.peak.to_json()},
        }


@dataclass(frozen=True, eq=False)
class VideoResult:
    """A video and what is said of it: the verdict on its most suspicious face among those that decide.

    Attributes:
        name: of the file.
        status: `scored`; `no face`, where the detector judges faces and found none; `unreadable`.
        verdict: `real`, `uncertain` or `fake`; None unless scored, but `uncertain` where the detector abstains.
        probability: of that face, 0 to 1; None without any.
        uncalibrated: the network's own claim of that face.
        frames: seconds of each frame that was looked at, rising, and the highest probability of the faces in it
            that decide; None where there is none.
        tracks: those that decide first, then the most suspicious first.
        reasons: why there is no verdict, or what it means less for; a clause each.
        seconds: when the last frame is shown; None when unreadable.
        width: of an upright frame in pixels; None when unreadable.
        height: likewise.
        milliseconds: stage (`decode`, `find`, `cut`, `network`, `map`) -> wall time over all frames.
    """

    name: str
    status: Status
    verdict: str | None
    probability: float | None
    uncalibrated: float | None
    frames: tuple[Moment, ...]
    tracks: tuple[VideoTrack, ...]
    reasons: tuple[str, ...]
    seconds: float | None
    width: int | None
    height: int | None
    milliseconds: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, without heatmaps."""
        return {
            "name": self.name,
            "status": self.status,
            "verdict": self.verdict,
            "probability": self.probability,
            "uncalibrated": self.uncalibrated,
            "frames": [[round(second, 3), probability] for second, probability in self.frames],
            "tracks": [track.to_json() for track in self.tracks],
            "reasons": list(self.reasons),
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "width": self.width,
            "height": self.height,
            "milliseconds": {stage: round(value, 2) for stage, value in self.milliseconds.items()},
        }
