"""What a detector says of a picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fakedet.detector.face import Point

Status = Literal["scored", "no face", "unreadable"]
Corners = tuple[Point, Point, Point, Point]


@dataclass(frozen=True, eq=False)
class Finding:
    """One face that was scored, or the whole picture.

    Attributes:
        box: left, top, right and bottom of the face in pixels of the upright picture; None for a whole picture.
        face_score: the finder's confidence, 0 to 1; None for a whole picture.
        region: corners of the square that the network saw, clockwise from its upper left one, in pixels of the
            upright picture; may reach over the picture's edge.
        logit: what the network gave.
        uncalibrated: the network's own claim, 0 to 1.
        probability: calibrated probability of a fake, 0 to 1.
        verdict: `real`, `uncertain` or `fake`.
        heatmap: where the evidence for a fake lies in the region, (size, size) float32 from 0 to 1, all zero
            where there is none; None when it was not asked for, or the network has none.
    """

    box: tuple[float, float, float, float] | None
    face_score: float | None
    region: Corners
    logit: float
    uncalibrated: float
    probability: float
    verdict: str
    heatmap: NDArray[np.float32] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, without the heatmap."""
        return {
            "box": None if self.box is None else [round(value, 1) for value in self.box],
            "face_score": self.face_score,
            "region": [[round(x, 1), round(y, 1)] for x, y in self.region],
            "probability": self.probability,
            "uncalibrated": self.uncalibrated,
            "verdict": self.verdict,
        }


@dataclass(frozen=True, eq=False)
class Result:
    """A picture and what is said of it: the verdict on its most suspicious face, or on the picture as a whole.

    Attributes:
        name: of the file, or `image 3` for what has none.
        status: `scored`; `no face`, where the detector judges faces and found none; `unreadable`.
        verdict: `real`, `uncertain` or `fake`; None unless scored, but `uncertain` where the detector abstains.
        probability: calibrated probability of a fake, 0 to 1, the highest of the findings; None without any.
        uncalibrated: the network's own claim of that finding.
        findings: what was scored, the most suspicious first.
        reasons: why there is no verdict, or what it means less for; a clause each, such as `no face found`.
        width: of the upright picture in pixels; None when unreadable.
        height: likewise.
        milliseconds: stage (`decode`, `find`, `cut`, `network`, `map`) -> wall time.
    """

    name: str
    status: Status
    verdict: str | None
    probability: float | None
    uncalibrated: float | None
    findings: tuple[Finding, ...]
    reasons: tuple[str, ...]
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
            "findings": [finding.to_json() for finding in self.findings],
            "reasons": list(self.reasons),
            "width": self.width,
            "height": self.height,
            "milliseconds": {stage: round(value, 2) for stage, value in self.milliseconds.items()},
        }
