"""95 % bands around ROC and precision-recall curves, from the bootstrap that the intervals come from."""

import numpy as np
from numpy.typing import ArrayLike

from fakedet.evaluation.bootstrap import Floats, Groups, Resampled, resample
from fakedet.figures.curves import Band
from fakedet.metrics.ranking import Ranking

# Where the bands are measured: closer where false positives are few, which is where detectors are used.
FALSE_POSITIVE_RATES = np.append(np.linspace(0.0, 0.1, 21), np.linspace(0.11, 1.0, 90))
RECALLS = np.linspace(0.01, 1.0, 100)
# Fewer than the intervals have: a band is looked at, not quoted.
RESAMPLES = 300
_ROUNDING = 1e-12  # a share of a weight that is a whole number may come out a hair below it


def curve_bands(
    labels: ArrayLike, scores: ArrayLike, groups: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Band, Band] | None:
    """Pointwise bands of the two curves: each holds the curve at any one place in 95 % of data sets, not as a whole.

    Whole groups are drawn again and every resample's curve is read at fixed false-positive rates, upwards as in
    "vertical averaging" (Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 2006), and at
    fixed recalls; the bounds there are those of `bootstrap.Resampled.bounds`. A bound on the curve's wrong side,
    as a skewed sample may give, is put on the curve.

    Args:
        labels: 1 = fake, (n,).
        scores: the higher, the more likely fake, (n,).
        groups: what an image shares with others, (n,).
        resamples: number of resamples.
        seed: of the draws.

    Returns:
        True-positive rate at `FALSE_POSITIVE_RATES` and precision at `RECALLS`; NaN where resamples do not differ.
        None where a class is missing or lies in too few groups for an interval.

    Raises:
        UserError: for NaN scores, other labels, unequal lengths or an image without a group.
    """
    clusters = Groups(labels, groups)
    ranking = Ranking(labels, scores, clusters.codes)
    if not clusters.enough or not len(ranking.fakes) or not len(ranking.reals):
        return None

    def measured(drawn: Floats) -> dict[str, Floats]:
        counts = ranking.counts(drawn)
        hits, passed = counts.fakes[:, ranking.fakes_at], counts.reals[:, ranking.reals_at]
        read = np.array([_read(*row) for row in zip(hits, passed, strict=True)])
        read = read.reshape(-1, len(places))  # also where none was drawn that has both classes
        return {str(place): values for place, values in enumerate(read.T)}

    split = len(FALSE_POSITIVE_RATES)
    places = range(split + len(RECALLS))
    found = resample(clusters, measured, resamples, seed)
    return _band(FALSE_POSITIVE_RATES, found, places[:split]), _band(RECALLS, found, places[split:])


def _read(hits: Floats, passed: Floats) -> Floats:
    """True-positive rates, then precisions, of one weighting: weight of fakes and of reals from each level up."""
    rates = np.interp((FALSE_POSITIVE_RATES + _ROUNDING) * passed[-1], passed, hits) / hits[-1]
    first = np.searchsorted(hits, (RECALLS - _ROUNDING) * hits[-1])
    return np.append(rates, hits[first] / (hits[first] + passed[first]))


def _band(x: Floats, found: Resampled, places: range) -> Band:
    bounds = np.array([found.bounds(str(place)) for place in places])
    curve = np.array([found.points[str(place)] for place in places])
    return Band(x, np.minimum(bounds[:, 0], curve), np.maximum(bounds[:, 1], curve))
