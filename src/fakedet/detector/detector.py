"""One file in, verdicts out."""

import threading
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from fakedet.detector import shipped
from fakedet.detector.card import DetectorCard
from fakedet.detector.face import FaceFinder
from fakedet.detector.finders import open_finder
from fakedet.detector.heatmap import enlarge
from fakedet.detector.image import normalise
from fakedet.detector.onnx import OnnxScorer
from fakedet.detector.picture import Picture, look
from fakedet.detector.regions import Cut
from fakedet.detector.result import Finding, Result
from fakedet.detector.scorer import Scorer, checked_scores
from fakedet.detector.sources import Source, check, name_of
from fakedet.detector.video import Sampling
from fakedet.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from fakedet.detector.video_result import VideoResult

ENGINES = ("onnxruntime", "openvino")
EVENLY = Sampling(count=32)  # frames of a video, as the field does
BATCH = 8  # crops that go through the network together


class Detector:
    """A preprocessing, a network and a decision: pictures in, verdicts out.

    Made by `Detector.load` from a shipped file, or by `fakedet.models.load_detector` from a checkpoint. May be
    used from several threads at once; what it answers does not depend on them.

    Attributes:
        card: what it knows of itself.
        sha256: of its file, in hexadecimal; None where it is not known.
        engine: what runs its network.
        finder: what finds its faces; None for a detector of whole pictures.
    """

    def __init__(
        self,
        card: DetectorCard,
        scorer: Scorer,
        *,
        sha256: str | None = None,
        engine: str,
        finder_file: Path | None = None,
    ) -> None:
        """Put a detector together.

        Args:
            card: preprocessing, decision and the rest.
            scorer: its network.
            sha256: of its file.
            engine: what runs the network, for the record.
            finder_file: the face finder's own network, for a finder that brings none (`yunet`).

        Raises:
            UserError: when its face finder cannot be opened.
        """
        self.card = card
        self.sha256 = sha256
        self.engine = engine
        self._scorer = scorer
        self.finder: FaceFinder | None = None
        face = card.preprocess.face
        if face is not None:
            self.finder = open_finder(face.finder, finder_file)
            if face.version not in (None, self.finder.version):
                warnings.warn(
                    f"The detector was made with faces found by {face.version}; here they are found by "
                    f"{self.finder.version}, so scores may differ.",
                    stacklevel=2,
                )

    @classmethod
    def load(
        cls,
        file: str | Path,
        *,
        engine: str = "onnxruntime",
        threads: int | None = None,
        sha256: str | None = None,
        finder_file: Path | None = None,
    ) -> "Detector":
        """Load a shipped file.

        Args:
            file: the `.onnx` that `src/export.py` wrote.
            engine: what runs it: `onnxruntime`, or `openvino` (an extra).
            threads: that the network takes for one call; None is all cores. Serve many at once with 1.
            sha256: what the file's digest has to be, in hexadecimal; None takes any.
            finder_file: the face finder's own network, for a finder that brings none (`yunet`).

        Raises:
            UserError: when the file is not a detector that can be used, or the engine is not there.
        """
        if engine not in ENGINES:
            raise UserError(f"engine={engine!r}{did_you_mean(engine, ENGINES)} is not one of {', '.join(ENGINES)}.")
        if threads is not None and (type(threads) is not int or threads < 1):
            raise UserError(f"threads={threads!r} is not a number of at least 1; leave it out for all cores.")
        found = shipped.read(Path(file), sha256)
        try:
            scorer = _open(engine, found, threads)
            return cls(found.card, scorer, sha256=found.sha256, engine=engine, finder_file=finder_file)
        except UserError as error:
            raise UserError(f"{file} cannot be used: {error}") from error

    @overload
    def predict(  # type: ignore[overload-overlap]
        self, image: Source, *, explain: bool = ..., cropped: bool = ...
    ) -> Result:
        """Judge a picture."""

    @overload
    def predict(self, image: Sequence[Source], *, explain: bool = ..., cropped: bool = ...) -> list[Result]:
        """Judge each picture of a list."""

    def predict(
        self, image: Source | Sequence[Source], *, explain: bool = False, cropped: bool = False
    ) -> Result | list[Result]:
        """Judge a picture, or each of a list.

        Every face is scored, and a picture is as suspicious as the most suspicious of its faces. What cannot
        be read gets a result that says so.

        Args:
            image: path, bytes of a file, PIL image or RGB array (height, width, 3) uint8; or a list of these.
            explain: also give each finding its heatmap.
            cropped: pictures are face crops already, cut as the detector wants them: none is searched. Nothing
                changes for a detector of whole pictures.

        Returns:
            One result, or as many as pictures, in their order.

        Raises:
            UserError: for what is no picture by its kind, such as an array of floats.
            ModelError: when the network gives what is no score; there is no verdict then.
        """
        if isinstance(image, list | tuple):
            return list(self.stream(image, explain=explain, cropped=cropped))
        return next(self.stream([image], explain=explain, cropped=cropped))  # type: ignore[list-item]

    def stream(self, images: Iterable[Source], *, explain: bool = False, cropped: bool = False) -> Iterator[Result]:
        """The same one after another, for more pictures than fit in memory.

        The crops of several pictures go through the network together; results come up to a batch later.
        """
        if isinstance(images, Sequence):
            for number, source in enumerate(images, start=1):
                check(source, number)
        seen: deque[Picture] = deque()
        waiting: deque[tuple[Picture, Cut]] = deque()
        for number, source in enumerate(images, start=1):
            check(source, number)
            finder = None if cropped else self.finder
            picture = look(source, name_of(source, number), self.card.preprocess, finder)
            seen.append(picture)
            waiting.extend((picture, region) for region in picture.cuts)
            # The second: nothing waits for long behind pictures that have nothing to score.
            while len(waiting) >= BATCH or (waiting and len(seen) >= BATCH):
                self._advance(waiting, explain)
            while seen and seen[0].done:
                yield seen.popleft().result()
        while waiting:
            self._advance(waiting, explain)
        yield from (picture.result() for picture in seen)

    def predict_video(
        self,
        path: str | Path,
        *,
        sampling: Sampling = EVENLY,
        explain: bool = False,
        stop: threading.Event | None = None,
    ) -> "VideoResult":
        """Judge a video by some of its frames, each face followed through them; `VideoResult` says how.

        Args:
            path: the file.
            sampling: which frames; 32 evenly spaced ones by default.
            explain: also give each face the heatmap of its most suspicious frame.
            stop: set by another thread, ends it after the frame that is looked at; the result then says so.

        Raises:
            ModelError: as `predict`. A video that cannot be read gets a result that says so.
        """
        from fakedet.detector.clips import judge

        return judge(self, Path(path), sampling, explain, stop)

    def score(
        self, crops: Sequence[NDArray[np.uint8]], *, maps: bool = False
    ) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
        """Run the network on a batch.

        Args:
            crops: squares at its size, RGB (size, size, 3) uint8, as `regions.cut` gives them.
            maps: whether maps are wanted.

        Returns:
            Logits (n,), and the network's own maps (n, h, w) where they are wanted and it has any.

        Raises:
            ModelError: when they are not finite numbers.
        """
        return checked_scores(self._scorer, np.stack([normalise(crop, self.card.preprocess) for crop in crops]), maps)

    def finding(self, region: Cut, logit: float, small_map: NDArray[np.float32] | None = None) -> Finding:
        """What a logit, and the network's own map (h, w), say of a region."""
        probability = self.card.decision.probability(logit)
        return Finding(
            box=None if region.face is None else region.face.box,
            face_score=None if region.face is None else region.face.score,
            region=region.region,
            logit=logit,
            uncalibrated=float(np.exp(-np.logaddexp(0.0, -logit))),
            probability=float(probability),
            verdict=str(self.card.decision.verdict(probability)),
            heatmap=None if small_map is None else enlarge(small_map, self.card.preprocess.size),
        )

    def _advance(self, waiting: deque[tuple[Picture, Cut]], explain: bool) -> None:
        """Score the next cuts, at most a batch of them."""
        batch = [waiting.popleft() for _ in range(min(BATCH, len(waiting)))]
        start = time.perf_counter()
        logits, maps = self.score([region.pixels for _, region in batch], maps=explain)
        share = 1000 * (time.perf_counter() - start) / len(batch)
        for place, (picture, region) in enumerate(batch):
            picture.milliseconds["network"] += share
            if maps is None:
                picture.findings.append(self.finding(region, float(logits[place])))
                continue
            with picture.timed("map"):
                picture.findings.append(self.finding(region, float(logits[place]), maps[place]))


def _open(engine: str, found: shipped.Shipped, threads: int | None) -> Scorer:
    size = found.card.preprocess.size
    if engine == "openvino":
        from fakedet.detector.openvino import OpenVinoScorer

        return OpenVinoScorer(found.data, size, threads)
    return OnnxScorer(found.data, size, threads)
