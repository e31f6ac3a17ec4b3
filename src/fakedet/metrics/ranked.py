"""The metrics that need no threshold: they ask only which images score above which.

Every function takes the `Counts` of a ranking and returns float64, () or (B,) for B weightings; NaN where
a class has no weight.
"""

import numpy as np

from fakedet.metrics.ranking import Counts, Floats, Indices

MAX_FPR = 0.1


def auc(counts: Counts) -> Floats:
    """Area under the ROC curve: the chance that a fake scores above a real, ties counting half.

    Hanley and McNeil, "The meaning and use of the area under a ROC curve", Radiology 1982.
    """
    # Twice the area, on whole counts: exact below 2**53.
    double = dot(counts.real_weights, _beaten_twice(counts, len(counts.ranking.reals)))
    return ratio(double, 2.0 * counts.all_fakes * counts.all_reals)


def partial_auc(counts: Counts, max_fpr: float = MAX_FPR) -> Floats:
    """Area under the ROC curve up to a false-positive rate, standardised: 0.5 for a guess, 1 for perfection.

    McClish, "Analyzing a portion of the ROC curve", Medical Decision Making 1989, with the curve
    interpolated at the limit, as scikit-learn does. Up to 10 % is what the field reports (Masi et al.,
    "Two-branch recurrent network for isolating deepfakes in videos", ECCV 2020).
    """
    fakes, reals = counts.all_fakes, counts.all_reals
    before = counts.last(lambda _, passed: ratio(passed, reals) <= max_fpr)
    hits, passed = counts.at(before)
    hits_after, passed_after = counts.at(_next(counts, before))
    # Whole steps of the curve, then the part of the next one up to the limit.
    within = counts.ranking.reals_at[before]
    longest = int(within.max(initial=0))
    steps = counts.real_weights[..., :longest] * _beaten_twice(counts, longest)
    double = np.sum(steps, axis=-1, where=np.arange(longest) < within[..., None])
    width = max_fpr * reals - passed
    double += width * (2.0 * hits + (hits_after - hits) * ratio(width, passed_after - passed))
    lowest = max_fpr**2 / 2.0
    return 0.5 * (1.0 + (ratio(double, 2.0 * fakes * reals) - lowest) / (max_fpr - lowest))


def average_precision(counts: Counts) -> Floats:
    """Sum over thresholds of precision times the gain in recall, without interpolation."""
    down_to_fake, reals_down_to_fake = counts.ranking.down_to_fake
    hits = counts.fakes.take(down_to_fake, axis=-1)
    called = counts.reals.take(reals_down_to_fake, axis=-1)
    called += hits
    # Images of weight 0 may head the ranking: nothing is called fake there, and the gain is 0.
    np.maximum(called, np.finfo(np.float64).tiny, out=called)
    gains = dot(counts.fake_weights, np.divide(hits, called, out=hits))
    return np.where(counts.all_reals > 0, ratio(gains, counts.all_fakes), np.nan)


def eer(counts: Counts) -> Floats:
    """Equal error rate: mean of the two error rates where they are nearest to each other.

    This is torchmetrics' definition on the points of the ROC curve; where two points are equally near,
    the one of the higher threshold counts, decided on whole counts and so without rounding.
    """
    fakes, reals = counts.all_fakes, counts.all_reals

    def lead(hits: Floats, passed: Floats) -> Floats:
        # False-positive rate less miss rate, times all pairs: it never falls from one level to the next.
        return passed * fakes + hits * reals - fakes * reals

    before = counts.last(lambda hits, passed: lead(hits, passed) <= 0)
    after = _next(counts, before)
    nearest = np.where(-lead(*counts.at(before)) <= lead(*counts.at(after)), before, after)
    hits, passed = counts.at(nearest)
    return (ratio(passed, reals) + 1.0 - ratio(hits, fakes)) / 2.0


def tpr_at_fpr(counts: Counts, max_fpr: float) -> Floats:
    """Largest true-positive rate of a threshold whose false-positive rate is at most `max_fpr`.

    Nothing is interpolated: it is a rate that a threshold reaches on these images, not one between two.
    """
    fakes, reals = counts.all_fakes, counts.all_reals
    hits, _ = counts.at(counts.last(lambda _, passed: ratio(passed, reals) <= max_fpr))
    return np.where(reals > 0, ratio(hits, fakes), np.nan)


def ratio(top: Floats, bottom: Floats, otherwise: float = np.nan) -> Floats:
    """Top by bottom, and `otherwise` where the bottom is zero."""
    top, bottom = np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64)
    shape = np.broadcast_shapes(top.shape, bottom.shape)
    return np.divide(top, bottom, out=np.full(shape, otherwise), where=bottom > 0)


def dot(weights: Floats, values: Floats) -> Floats:
    """Sum of weights times values along the last dimension, () or (B,)."""
    # Not by BLAS, whose threads cost more than they save here, and whose sums depend on their number.
    return np.asarray(np.einsum("...i,...i->...", weights, values))


def _next(counts: Counts, levels: Indices) -> Indices:
    return np.minimum(levels + 1, len(counts.ranking.levels))


def _beaten_twice(counts: Counts, number: int) -> Floats:
    """Twice the weight of the fakes that beat each of the first reals, ties counting half, (B, number)."""
    beaten = counts.fakes.take(counts.ranking.over_real[:number], axis=-1)
    beaten += counts.fakes.take(counts.ranking.down_to_real[:number], axis=-1)
    return beaten
