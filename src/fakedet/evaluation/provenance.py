"""What a score means less for: other crops than the detector's own, faces lost unevenly, rows left out."""

from fakedet.data import coverage
from fakedet.data.datamodule import DataModule
from fakedet.detector.spec import FaceSpec


def doubts(wanted: FaceSpec | None, data: DataModule) -> list[str]:
    """Sentences for the top of a report, the most serious first.

    Args:
        wanted: how the detector cuts faces out.
        data: prepared, so that it knows its crops and what its protocol dropped.
    """
    found = []
    difference = crop_difference(wanted, data.crops)
    if difference:
        found.append(f"CROPS: {difference}, so the score is not what the detector reaches on crops of its own.")
    covered = coverage.read(data.root)
    if covered is not None:
        found.extend(coverage.warnings(covered))
    found.extend(f"Left out by the protocol: {count:,} images, {reason}." for reason, count in data.dropped.items())
    return found


def crop_difference(wanted: FaceSpec | None, given: FaceSpec | None) -> str | None:
    """How images were cut out otherwise than a detector wants them; None where they were not, or nobody asks."""
    if wanted == given:
        return None
    if wanted is None:
        return "the detector was trained on pictures as they are, and these are faces cut out of larger ones"
    if given is None:
        return f"the detector wants faces cut out with {describe(wanted)}, and nobody knows how these images were cut"
    return f"the detector wants faces cut out with {describe(wanted)}, and these were cut out with {describe(given)}"


def describe(face: FaceSpec | None) -> str:
    """How faces are cut out, in words."""
    if face is None:
        return "pictures as they are"
    return f"margin {face.margin:g} around the {face.align} by {face.finder} ({face.version}), the {face.choice} face"
