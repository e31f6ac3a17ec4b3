"""A picture on its way from a source to its result."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fakedet.detector import reasons, regions
from fakedet.detector.face import FaceFinder
from fakedet.detector.image import ImageError
from fakedet.detector.regions import Cut
from fakedet.detector.result import Finding, Result
from fakedet.detector.sources import Source, pixels
from fakedet.detector.spec import PreprocessSpec


@dataclass(eq=False)
class Picture:
    """What is known of it so far.

    Attributes:
        name: of the file, or `image 3` for what has none.
        spec: the detector's preprocessing.
        cuts: what is scored.
        findings: of the cuts, in their order, as far as they are scored.
        size: height and width; None when unreadable.
        notes: reasons that are known before the score.
        milliseconds: stage -> wall time.
    """

    name: str
    spec: PreprocessSpec
    cuts: list[Cut] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    size: tuple[int, int] | None = None
    notes: list[str] = field(default_factory=list)
    milliseconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def done(self) -> bool:
        """Whether everything is scored."""
        return len(self.findings) == len(self.cuts)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time of a block to a stage's."""
        start = time.perf_counter()
        yield
        self.milliseconds[stage] += 1000 * (time.perf_counter() - start)

    def result(self) -> Result:
        """What is said of it: the most suspicious finding decides."""
        height, width = self.size or (None, None)
        ranked = sorted(self.findings, key=lambda finding: -finding.logit)
        verdict = probability = uncalibrated = None
        found = list(self.notes)
        if ranked and self.size:
            first = ranked[0]
            verdict, probability, uncalibrated = first.verdict, first.probability, first.uncalibrated
            found += reasons.doubts(first, *self.size, self.spec)
        elif self.size and self.spec.no_face == "abstain":
            verdict, probability = "uncertain", 0.5
        return Result(
            name=self.name,
            status="scored" if ranked else "no face" if self.size else "unreadable",
            verdict=verdict,
            probability=probability,
            uncalibrated=uncalibrated,
            findings=tuple(ranked),
            reasons=tuple(found),
            width=width,
            height=height,
            milliseconds=dict(self.milliseconds),
        )


def look(source: Source, name: str, spec: PreprocessSpec, finder: FaceFinder | None) -> Picture:
    """Decode a picture and cut out what is scored.

    Args:
        source: the picture.
        name: for its result.
        spec: the detector's preprocessing.
        finder: what finds the faces; None takes the picture whole.
    """
    picture = Picture(name, spec)
    try:
        with picture.timed("decode"):
            image = pixels(source)
    except ImageError as error:
        picture.notes.append(str(error))
        return picture
    picture.size = (image.shape[0], image.shape[1])
    if finder is None or spec.face is None:
        with picture.timed("cut"):
            picture.cuts = [regions.whole(image, spec)]
        return picture
    with picture.timed("find"):
        faces = finder.find(image)
    with picture.timed("cut"):
        picture.cuts = regions.cut(image, spec, faces)
    if not faces:
        picture.notes.append(reasons.no_face(spec))
    return picture
