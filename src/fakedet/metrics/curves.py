"""The ROC and the precision-recall curve, as arrays."""

import numpy as np
from numpy.typing import ArrayLike

from fakedet.metrics.ranking import Floats, Ranking


def roc_curve(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> tuple[Floats, Floats, Floats]:
    """Receiver operating characteristic, a point for each distinct score that has weight.

    Args:
        labels: 1 = fake, (n,).
        scores: (n,).
        weights: how often each image counts, (n,).

    Returns:
        False-positive rate, true-positive rate and threshold (score at or above it), each
        (levels + 1,), from (0, 0) at an infinite threshold to (1, 1). Empty when a class is missing.
    """
    hits, false_alarms, thresholds = _points(labels, scores, weights)
    if not (hits[-1] > 0 and false_alarms[-1] > 0):
        return _empty()
    return false_alarms / false_alarms[-1], hits / hits[-1], thresholds


def pr_curve(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> tuple[Floats, Floats, Floats]:
    """Precision against recall, a point for each distinct score that has weight.

    Args:
        labels: 1 = fake, (n,).
        scores: (n,).
        weights: how often each image counts, (n,).

    Returns:
        Precision (levels + 1,), recall (levels + 1,) and threshold (levels,), by rising threshold; the
        last point is precision 1 at recall 0. Empty when a class is missing.
    """
    hits, false_alarms, thresholds = (part[::-1] for part in _points(labels, scores, weights))
    if not (hits[0] > 0 and false_alarms[0] > 0):
        return _empty()
    precisions = np.append(hits[:-1] / (hits[:-1] + false_alarms[:-1]), 1.0)
    return precisions, hits / hits[0], thresholds[:-1]


def _points(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    """Weight of fakes and of reals at or above each distinct score that has weight, the highest first."""
    ranking = Ranking(labels, scores)
    counts = ranking.counts(weights)
    hits, false_alarms = counts.fakes[ranking.fakes_at], counts.reals[ranking.reals_at]
    present = np.append(True, np.diff(hits + false_alarms) > 0)
    return hits[present], false_alarms[present], np.append(np.inf, ranking.levels)[present]


def _empty() -> tuple[Floats, Floats, Floats]:
    return np.empty(0), np.empty(0), np.empty(0)
