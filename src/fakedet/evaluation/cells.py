"""Evaluations as cells of a table: one detector on one data set, with a number or the reason why there is none."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakedet.evaluation.runs import Run
from fakedet.figures import canvas
from fakedet.metrics.scores import REALS_WANTED, TITLES, gap

Column = tuple[str, str, str]  # data set, split, and the variant of the evaluation
NAN = float("nan")
_OLD = "was written by an earlier version, which did not record what a detector was trained on: evaluate again"
_NAME = 48  # letters of a checkpoint's path, where nothing else names a detector


@dataclass(frozen=True)
class Detector:
    """A checkpoint that was evaluated.

    Attributes:
        key: the path of its checkpoint.
        name: what it is called; two may be called the same.
        trained_on: names of data sets; None where nobody knows.
        protocol: how its data were split, in words.
        preprocess: how it cuts and scales pictures, fields of `PreprocessSpec` as plain JSON.
    """

    key: str
    name: str
    trained_on: tuple[str, ...] | None = None
    protocol: str = ""
    preprocess: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """One detector on one data set.

    Attributes:
        detector: which.
        dataset: its name.
        split: of the data set; empty where it is not known.
        run: the folder that the numbers are from.
        value: the metric, NaN where there is none.
        low: lower bound of its 95 % interval, NaN where none is known.
        high: upper bound.
        real: number of real images, or videos.
        fake: number of fake ones.
        groups: number of their groups; None where it is not recorded.
        threshold: an image is called fake above it.
        own: whether the detector was trained on images of this data set; None where nobody knows.
        leak: a sentence on what of these very images it was trained on; empty where it was not.
        coverage: share of the images that have a score, NaN where it is not recorded.
        part: whether the images are a part of those that the run evaluated.
        pooling: how the scores of a video's frames become the video's, see `levels.to_videos`; empty for frames.
        no_face: what became of pictures without a face; empty where it is not recorded.
        images: hash over the images with their labels and groups; empty where it is not recorded.
        protocol: how the data were split, in words.
        variant: what tells it from other evaluations of that data set and split; empty where all are alike.
        reason: why there is no value, a clause; empty where there is one.
    """

    detector: Detector
    dataset: str
    split: str
    run: Path
    value: float = NAN
    low: float = NAN
    high: float = NAN
    real: int = 0
    fake: int = 0
    groups: int | None = None
    threshold: float = NAN
    own: bool | None = None
    leak: str = ""
    coverage: float = NAN
    part: bool = False
    pooling: str = ""
    no_face: str = ""
    images: str = ""
    protocol: str = ""
    variant: str = ""
    reason: str = ""

    @property
    def column(self) -> Column:
        """What it is scored on."""
        return self.dataset, self.split, self.variant


def detector_of(metrics: Mapping[str, Any]) -> Detector:
    """The detector that a run measured; what an earlier version did not record stays unknown."""
    checkpoint = str(metrics.get("checkpoint", ""))
    key = str(Path(checkpoint).resolve())
    stated = metrics.get("detector")
    if not isinstance(stated, Mapping) or not isinstance(stated.get("trained_on"), list):
        return Detector(key, _short(checkpoint))
    return Detector(
        key,
        canvas.printable(str(stated.get("name", _short(checkpoint))), _NAME),
        tuple(map(str, stated["trained_on"])),
        str(stated.get("protocol", "")),
        stated.get("preprocess") or {},
    )


def _short(path: str) -> str:
    return canvas.printable(path.removesuffix("/checkpoints/best.ckpt").removesuffix("/"), _NAME)


def measured(run: Run, metrics: Mapping[str, Any], metric: str, level: str) -> Iterator[Cell]:
    """The cells of a run that ended: one for each split, or for each data set of a split that has several."""
    detector = detector_of(metrics)
    for split, entry in metrics["splits"].items():
        parts = entry.get("parts", {}).get("dataset", {})
        for name in parts or [str(metrics.get("dataset", ""))]:
            chosen, reason = _entry(entry, parts.get(name), metric, level)
            values = (chosen.get("metrics") or {}).get(metric) or {}
            value, low, high = (_number(values.get(bound)) for bound in ("value", "low", "high"))
            if detector.trained_on is None:
                value, low, high, reason = NAN, NAN, NAN, _OLD
            elif math.isnan(value):
                reason = reason or _why(metric, split, chosen)
            yield Cell(
                detector, name, split, run.folder, value, low, high,
                real=int(chosen.get("real", 0)), fake=int(chosen.get("fake", 0)), groups=chosen.get("groups"),
                threshold=_number(entry.get("threshold")), own=_is_own(name, detector),
                leak=" ".join(map(str, metrics.get("leaks") or ())),
                coverage=_number((entry.get("coverage") or {}).get("share")),
                part=bool(parts), pooling=str(metrics.get("pooling", "mean")) if level == "video" else "",
                no_face=str(metrics.get("no_face", "")), images="" if parts else str(entry.get("images_hash", "")),
                protocol=str(metrics.get("protocol_name", "")), reason=reason,
            )  # fmt: skip


def _entry(
    entry: Mapping[str, Any], part: Mapping[str, Any] | None, metric: str, level: str
) -> tuple[Mapping[str, Any], str]:
    """What `metrics.json` says of a split or a part of it, and why that may lack the metric."""
    if part is not None:
        if level == "frame" and metric in part["metrics"]:
            return part, ""
        return {"real": part["real"], "fake": part["fake"]}, (
            f"{TITLES[metric]} at {level} level is not measured for each data set of a mix: evaluate it by itself"
        )
    if level == "video" and "video" not in entry:
        return {}, "its images are not frames of videos"
    return (entry["video"] if level == "video" else entry), ""


def _why(metric: str, split: str, entry: Mapping[str, Any]) -> str:
    real, fake = int(entry.get("real", 0)), int(entry.get("fake", 0))
    sentence = gap(split or "it", real, fake)
    if sentence is not None:
        return sentence.partition(":")[0].removesuffix(".")
    if metric in REALS_WANTED and real < REALS_WANTED[metric]:
        return f"{TITLES[metric]} wants {REALS_WANTED[metric]:,} real ones, and there are {real:,}"
    return f"its metrics.json has no {TITLES[metric]} that is a number"


def _is_own(dataset: str, detector: Detector) -> bool | None:
    if detector.trained_on is None:
        return None
    return bool(set(dataset.split(", ")) & set(detector.trained_on))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else NAN


def failed(run: Run, evaluations: Iterable[Run]) -> Iterator[Cell]:
    """Where the numbers of a run that did not end would stand, told by runs of the same command line that did."""
    ended = [(other, other.metrics) for other in evaluations if other.metrics is not None]
    alike = [metrics for other, metrics in ended if other.chosen("ckpt") == run.chosen("ckpt") != ()]
    detector = detector_of(alike[0]) if alike else _named(run)
    on_same = [
        (other, metrics)
        for other, metrics in ended
        if _data(other) == _data(run) and (run.chosen("data") or detector_of(metrics).key == detector.key)
    ]
    alike_cells = list(measured(*on_same[0], "auc", "frame")) if on_same else []
    columns = [(cell.dataset, cell.split) for cell in alike_cells] or [_asked(run, detector)]
    for dataset, split in columns:
        yield Cell(detector, dataset, split, run.folder, own=_is_own(dataset, detector), reason=run.reason)


def _data(run: Run) -> tuple[str, ...]:
    return run.chosen("data") + run.chosen("split")


def _value(texts: Iterable[str], name: str) -> str:
    values = [text.partition("=")[2] for text in texts if text.partition("=")[0].lstrip("+") == name]
    return values[-1] if values else ""


def _named(run: Run) -> Detector:
    checkpoint = _value(run.overrides, "ckpt")
    return Detector(str(Path(checkpoint).resolve()), _short(checkpoint) or canvas.printable(str(run.folder), _NAME))


def _asked(run: Run, detector: Detector) -> tuple[str, str]:
    """Data set and split by the command line alone."""
    root = _value(run.overrides, "data.root")
    name = Path(root).name if root else _value(run.overrides, "data")
    own = ", ".join(detector.trained_on or ()) or "its own data"
    return canvas.printable(name or own, _NAME), _value(run.overrides, "split")
