"""What a score means less for, told from the picture alone: a clause each."""

import math

from fakedet.detector.result import Finding
from fakedet.detector.spec import PreprocessSpec

NO_FACE = "no face found"
_ENLARGED = 2.0  # times: what is enlarged so much has lost, or gained, the details that tell a fake
_CUT_OFF = 0.05  # of the face's longer side
_LEAST_SEEN = 0.5  # of the picture


def no_face(spec: PreprocessSpec) -> str:
    """What becomes of a picture in which no face was found."""
    if spec.no_face == "abstain":
        return f"{NO_FACE}, so the detector abstains"
    return f"{NO_FACE}, so the whole picture was scored" if spec.no_face == "whole_image" else NO_FACE


def doubts(finding: Finding, height: int, width: int, spec: PreprocessSpec) -> list[str]:
    """What the score of one region means less for, in a picture of that size."""
    found = []
    side = math.dist(*finding.region[:2])
    if spec.size >= _ENLARGED * side:
        what = "picture" if finding.box is None else "face"
        found.append(f"the {what} is small: {side:.0f} pixels were enlarged {spec.size / side:.1f} times")
    if finding.box is not None:
        left, top, right, bottom = finding.box
        over = max(-left, -top, right - width, bottom - height)
        if over > _CUT_OFF * max(right - left, bottom - top):
            found.append("the face is cut off by the picture's edge")
    elif min(height, width) < _LEAST_SEEN * max(height, width):
        seen = 100 * min(height, width) / max(height, width)
        found.append(f"only the middle {seen:.0f} % of the picture were looked at")
    return found
