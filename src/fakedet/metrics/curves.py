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
    ranking = Ranking(labels, scores)
    counts = ranking.counts(weights)
    if not (counts.all_fakes > 0 and counts.all_reals > 0):
        return _empty()
    present = np.flatnonzero(np.diff(counts.reals + counts.fakes))
    points = np.concatenate([[0], present + 1])
    thresholds = np.concatenate([[np.inf], ranking.levels[present]])
    return counts.reals[points] / counts.all_reals, counts.fakes[points] / counts.all_fakes, thresholds


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
    ranking = Ranking(labels, scores)
    counts = ranking.counts(weights)
    if not (counts.all_fakes > 0 and counts.all_reals > 0):
        return _empty()
    present = np.flatnonzero(np.diff(counts.reals + counts.fakes))[::-1]
    hits, false_alarms = counts.fakes[present + 1], counts.reals[present + 1]
    precisions = np.concatenate([hits / (hits + false_alarms), [1.0]])
    recalls = np.concatenate([hits / counts.all_fakes, [0.0]])
    return precisions, recalls, ranking.levels[present]


def _empty() -> tuple[Floats, Floats, Floats]:
    return np.empty(0), np.empty(0), np.empty(0)
