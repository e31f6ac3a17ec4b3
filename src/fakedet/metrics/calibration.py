"""How far scores can be taken for probabilities: Brier score, log loss and calibration error.

Every function takes the `Counts` of a ranking and returns float64, () or (B,) for B weightings; NaN where
nothing has weight, or where a score lies outside [0, 1] and so is no probability.
"""

import numpy as np

from fakedet.metrics.ranked import dot, ratio
from fakedet.metrics.ranking import Counts, Floats

BINS = 15


def brier(counts: Counts) -> Floats:
    """Mean squared distance of P(fake) from the label: 0 is perfect, 0.25 what a constant 0.5 gets.

    Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 1950; of
    the two classes' equal terms one is counted, as scikit-learn does.
    """
    fakes, reals = counts.ranking.squares
    return _share(counts, dot(counts.fake_weights, fakes) + dot(counts.real_weights, reals))


def log_loss(counts: Counts) -> Floats:
    """Mean negative natural logarithm of the probability given to the label: 0.693 for a constant 0.5.

    Probabilities are clipped to [ε, 1 − ε] with float64's ε = 2.2e-16, as scikit-learn does: an image that is
    wrong with certainty costs 36.
    """
    fakes, reals = counts.ranking.logarithms
    return _share(counts, dot(counts.fake_weights, fakes) + dot(counts.real_weights, reals))


def ece(counts: Counts) -> Floats:
    """Expected calibration error: how far P(fake) lies from the share of fakes, as a mean over bins.

    Guo et al., "On calibration of modern neural networks", ICML 2017, with their fifteen bins of equal
    width. What is binned is P(fake), which is held against the share of fakes in its bin (Guo et al. bin
    the probability of the class that is called). A bin holds its lower bound, and the last one 1 as well.
    """
    fakes, reals = counts.ranking.fakes, counts.ranking.reals
    missing = _binned(counts.fake_weights * (1.0 - fakes), fakes)
    excess = _binned(counts.real_weights * reals, reals)
    return _share(counts, np.abs(missing - excess).sum(axis=-1))


def _binned(values: Floats, falling: Floats) -> Floats:
    """Sum of the values of each bin, (B, BINS): the scores fall, so that a bin is a slice."""
    ends = len(falling) - np.searchsorted(falling[::-1], np.arange(BINS) / BINS)
    sums = [values[..., start:end].sum(axis=-1) for start, end in zip([*ends[1:], 0], ends, strict=True)]
    return np.stack(sums, axis=-1)


def _share(counts: Counts, total: Floats) -> Floats:
    if not counts.ranking.are_probabilities:
        return np.full(counts.all_fakes.shape, np.nan)
    return ratio(total, counts.all_fakes + counts.all_reals)
