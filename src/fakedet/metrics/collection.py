"""The same metrics while training: one torchmetrics collection, fed probabilities, summed over processes."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import (
    BinaryAccuracy,
    BinaryAUROC,
    BinaryAveragePrecision,
    BinaryConfusionMatrix,
    BinaryF1Score,
    BinaryPrecision,
    BinaryPrecisionRecallCurve,
    BinaryRecall,
    BinaryROC,
    BinaryStatScores,
)
from torchmetrics.utilities.data import dim_zero_cat

from fakedet.metrics import ranked, scores
from fakedet.metrics.ranking import Ranking


class BinaryEqualErrorRate(BinaryROC):
    """EER of `fakedet.metrics.ranked`: torchmetrics' definition, with equally near points told apart exactly.

    torchmetrics' own class compares rates in float32, so that the number of a small split could differ
    between the training log and the report.
    """

    def compute(self) -> Tensor:  # type: ignore[override]
        """EER, float64 on the CPU, ()."""
        labels, preds = (dim_zero_cat(state).cpu() for state in (self.target, self.preds))
        return torch.tensor(
            float(ranked.eer(Ranking(labels.numpy(), preds.double().numpy()).counts())), dtype=torch.float64
        )


class BinaryBalancedAccuracy(BinaryStatScores):
    """Mean of the accuracies on reals and on fakes, from the counts that accuracy keeps anyway."""

    def compute(self) -> Tensor:
        """Balanced accuracy, float64 on the CPU, (); NaN when a class is missing."""
        tp, fp, tn, fn = (count.cpu().double() for count in self._final_state())
        return (tp / (tp + fn) + tn / (tn + fp)) / 2


# What is computed after every epoch, and a checkpoint may be chosen by; reports have all of `scores.TITLES`.
WATCHED = ("auc", "ap", "eer", "accuracy", "balanced_accuracy", "precision", "recall", "f1")


@dataclass(frozen=True)
class Results:
    """What a collection knows about one split.

    Attributes:
        scalars: metric name with the collection's prefix -> value; NaN where the split cannot give it.
        curves: `roc` (false-positive rate, true-positive rate, threshold) and `pr` (precision, recall,
            threshold), where they were collected and the split has both classes.
        confusion: counts [[true reals, false fakes], [missed fakes, true fakes]], int64, (2, 2).
        gap: one line on the class that the split lacks, or None.
    """

    scalars: dict[str, float]
    curves: dict[str, tuple[NDArray[np.float64], ...]]
    confusion: NDArray[np.int64]
    gap: str | None


def training_metrics(prefix: str = "train/") -> MetricCollection:
    """AUC and accuracy alone: what an epoch of training is watched by."""
    metrics: dict[str, Metric | MetricCollection] = {
        "auc": BinaryAUROC(thresholds=None),
        "accuracy": BinaryAccuracy(threshold=scores.THRESHOLD),
        "confusion": BinaryConfusionMatrix(threshold=scores.THRESHOLD),
    }
    return MetricCollection(metrics, prefix=prefix, compute_groups=[[name] for name in metrics])


def detection_metrics(prefix: str) -> MetricCollection:
    """All metrics and curves of a split, on CPU or GPU, summed over processes when computed.

    Update it with probabilities in [0, 1], float32 (n,), never logits (torchmetrics would guess which of
    the two a batch holds), and integer labels, 1 = fake, (n,). Read it with `results`.

    Args:
        prefix: put before every name, such as `val/`; `clone(prefix="test/")` gives another split's.
    """
    ranked: dict[str, Metric] = {
        "auc": BinaryAUROC(thresholds=None),
        "ap": BinaryAveragePrecision(thresholds=None),
        "eer": BinaryEqualErrorRate(thresholds=None),
        "roc": BinaryROC(thresholds=None),
        "pr": BinaryPrecisionRecallCurve(thresholds=None),
    }
    counted: dict[str, Metric] = {
        "accuracy": BinaryAccuracy(threshold=scores.THRESHOLD),
        "balanced_accuracy": BinaryBalancedAccuracy(threshold=scores.THRESHOLD),
        "precision": BinaryPrecision(threshold=scores.THRESHOLD),
        "recall": BinaryRecall(threshold=scores.THRESHOLD),
        "f1": BinaryF1Score(threshold=scores.THRESHOLD),
    }
    matrix: dict[str, Metric] = {"confusion": BinaryConfusionMatrix(threshold=scores.THRESHOLD)}
    metrics: dict[str, Metric | MetricCollection] = {**ranked, **counted, **matrix}
    # Each group keeps one copy of the scores or counts.
    return MetricCollection(metrics, prefix=prefix, compute_groups=[list(ranked), list(counted), list(matrix)])


def results(collection: MetricCollection) -> Results:
    """Compute a collection of this module; in distributed runs every process calls it.

    A number that the split cannot give is NaN, where torchmetrics would say 0 and warn.
    """
    prefix = collection.prefix or ""
    split = prefix.rstrip("/") or "the split"
    if not any(metric.update_called for metric in collection.values(copy_state=False)) and not _distributed():
        nothing = {f"{prefix}{name}": float("nan") for name in scores.TITLES if name in collection.keys(keep_base=True)}
        return Results(nothing, {}, np.zeros((2, 2), np.int64), scores.gap(split, 0, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torchmetrics on a missing class: `gap` says it
        computed: dict[str, Any] = {name.removeprefix(prefix): value for name, value in collection.compute().items()}
    confusion = computed["confusion"].cpu().numpy().astype(np.int64)
    real, fake = (int(count) for count in confusion.sum(axis=1))
    defined = _defined(real, fake)
    scalars = {
        f"{prefix}{name}": float(computed[name]) if name in defined else float("nan")
        for name in scores.TITLES
        if name in computed
    }
    curves: dict[str, tuple[NDArray[np.float64], ...]] = {
        name: tuple(part.cpu().double().numpy() for part in computed[name])
        for name in ("roc", "pr")
        if name in computed and real and fake
    }
    return Results(scalars, curves, confusion, scores.gap(split, real, fake))


def _defined(real: int, fake: int) -> set[str]:
    if real and fake:
        return set(scores.TITLES)
    return {"accuracy"} if real else {"accuracy", "recall"} if fake else set()


def _distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
