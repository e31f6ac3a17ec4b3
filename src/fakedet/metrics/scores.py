"""The metrics of two classes, float64, for one or many weightings of the same images at once.

Every function takes labels (n,) with 1 = fake, scores (n,), and optionally weights, (n,) or (B, n), that
say how often each image counts; it returns float64 of shape (), or (B,) for B weightings.

Conventions, which scikit-learn and torchmetrics share: tied scores enter together; an image is called
fake when its score is *above* the threshold; with both classes present a ratio of 0/0 is 0 (precision
when nothing is called fake, and F1 then).

A number that its images cannot give is NaN, never 0 or 1: AUC, average precision, EER, balanced accuracy,
precision and F1 want both classes, recall wants a fake, accuracy wants an image.
"""

import numpy as np
from numpy.typing import ArrayLike

from fakedet.metrics.ranking import Counts, Floats, Ranking

TITLES = {
    "auc": "AUC",
    "ap": "Average precision",
    "eer": "EER",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
}
THRESHOLD = 0.5


def measure(ranking: Ranking, weights: ArrayLike | None = None, threshold: float = THRESHOLD) -> dict[str, Floats]:
    """Every metric of `TITLES` by name, from one sorting and one pass over the counts."""
    counts = ranking.counts(weights)
    return {
        "auc": _auc(counts),
        "ap": _average_precision(counts),
        "eer": _eer(counts),
        **_at_threshold(_confusion(counts, ranking.above(threshold))),
    }


def auc(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Area under the ROC curve: the chance that a fake scores above a real, ties counting half.

    Hanley and McNeil, "The meaning and use of the area under a ROC curve", Radiology 1982.
    """
    return _auc(Ranking(labels, scores).counts(weights))


def average_precision(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Sum over thresholds of precision times the gain in recall, without interpolation."""
    return _average_precision(Ranking(labels, scores).counts(weights))


def eer(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Equal error rate: mean of the two error rates where they are nearest to each other.

    This is torchmetrics' definition on the points of the ROC curve; where two points are equally near,
    the one of the higher threshold counts, decided on whole counts and so without rounding.
    """
    return _eer(Ranking(labels, scores).counts(weights))


def confusion(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, threshold: float = THRESHOLD
) -> Floats:
    """Counts [[true reals, false fakes], [missed fakes, true fakes]], (2, 2) or (B, 2, 2)."""
    ranking = Ranking(labels, scores)
    return _confusion(ranking.counts(weights), ranking.above(threshold))


def accuracy(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, threshold: float = THRESHOLD
) -> Floats:
    """Share of images on the right side of the threshold."""
    return _at_threshold(confusion(labels, scores, weights, threshold))["accuracy"]


def balanced_accuracy(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, threshold: float = THRESHOLD
) -> Floats:
    """Mean of the accuracies on reals and on fakes: 0.5 for a constant answer."""
    return _at_threshold(confusion(labels, scores, weights, threshold))["balanced_accuracy"]


def precision(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, threshold: float = THRESHOLD
) -> Floats:
    """Share of fakes among the images that are called fake; 0 when none is."""
    return _at_threshold(confusion(labels, scores, weights, threshold))["precision"]


def recall(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, threshold: float = THRESHOLD
) -> Floats:
    """Share of the fakes that are called fake."""
    return _at_threshold(confusion(labels, scores, weights, threshold))["recall"]


def f1(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, threshold: float = THRESHOLD) -> Floats:
    """Harmonic mean of precision and recall."""
    return _at_threshold(confusion(labels, scores, weights, threshold))["f1"]


def gap(split: str, real: int, fake: int) -> str | None:
    """One line that says which class a split lacks and what follows; None when it has both."""
    if real and fake:
        return None
    if not real and not fake:
        return f"{split} has no scored image, so it has no metrics."
    lacking, remaining = ("fake", "accuracy") if real else ("real", "accuracy and recall")
    return f"{split} has no {lacking} image: only {remaining} can be given; the other metrics want both classes."


def _auc(counts: Counts) -> Floats:
    fakes, reals = counts.fakes, counts.reals
    # Twice the area under the trapezoids, on whole counts: exact below 2**53.
    double = np.einsum("...i,...i->...", np.diff(reals), fakes[..., 1:] + fakes[..., :-1])
    return _divide(double, 2.0 * counts.all_fakes * counts.all_reals)


def _average_precision(counts: Counts) -> Floats:
    hits, called = counts.fakes[..., 1:], counts.fakes[..., 1:] + counts.reals[..., 1:]
    # An image of weight 0 may head the ranking: nothing is called fake there, and its recall gain is 0.
    precisions = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
    gains = np.einsum("...i,...i->...", np.diff(counts.fakes), precisions)
    return np.where(counts.all_reals > 0, _divide(gains, counts.all_fakes), np.nan)


def _eer(counts: Counts) -> Floats:
    fakes, reals = counts.all_fakes[..., None], counts.all_reals[..., None]
    distance = np.abs(counts.reals * fakes + counts.fakes * reals - fakes * reals)
    nearest = np.argmin(distance, axis=-1, keepdims=True)
    false_alarms = _divide(np.take_along_axis(counts.reals, nearest, axis=-1), reals)
    misses = 1.0 - _divide(np.take_along_axis(counts.fakes, nearest, axis=-1), fakes)
    return ((false_alarms + misses) / 2.0)[..., 0]


def _confusion(counts: Counts, above: int) -> Floats:
    false_fakes, true_fakes = counts.reals[..., above], counts.fakes[..., above]
    cells = [counts.all_reals - false_fakes, false_fakes, counts.all_fakes - true_fakes, true_fakes]
    return np.stack(cells, axis=-1).reshape(*np.shape(true_fakes), 2, 2)


def _at_threshold(cells: Floats) -> dict[str, Floats]:
    true_reals, false_fakes = cells[..., 0, 0], cells[..., 0, 1]
    missed_fakes, true_fakes = cells[..., 1, 0], cells[..., 1, 1]
    reals, fakes, called = true_reals + false_fakes, true_fakes + missed_fakes, true_fakes + false_fakes
    both = (reals > 0) & (fakes > 0)
    hit_rate = _divide(true_fakes, fakes)
    return {
        "accuracy": _divide(true_reals + true_fakes, reals + fakes),
        "balanced_accuracy": (_divide(true_reals, reals) + hit_rate) / 2.0,
        "precision": np.where(both, _divide(true_fakes, called, otherwise=0.0), np.nan),
        "recall": hit_rate,
        "f1": np.where(both, _divide(2.0 * true_fakes, called + fakes), np.nan),
    }


def _divide(top: Floats, bottom: Floats, otherwise: float = np.nan) -> Floats:
    """The ratio, and `otherwise` where the denominator is zero."""
    top, bottom = np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64)
    return np.divide(
        top, bottom, out=np.full(np.broadcast_shapes(top.shape, bottom.shape), otherwise), where=bottom > 0
    )
