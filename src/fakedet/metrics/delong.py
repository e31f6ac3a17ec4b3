"""DeLong's test: do two detectors, or more exactly their AUC on the same images, differ?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from fakedet.metrics.ranking import Floats, Ranking

_ROUNDING = 1e-24  # of a variance


@dataclass(frozen=True)
class DeLong:
    """AUC of two detectors on the same images, and their difference.

    Attributes:
        first: AUC of the first.
        second: AUC of the second.
        error: standard error of first − second; NaN where a class lies in fewer than two groups.
        p_value: two-sided, by the normal distribution; NaN where the standard error is 0 or NaN.
    """

    first: float
    second: float
    error: float
    p_value: float


def delong(labels: ArrayLike, first: ArrayLike, second: ArrayLike, groups: ArrayLike | None = None) -> DeLong:
    """Test the difference of two AUC on the same images.

    DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating
    characteristic curves", Biometrics 1988, from sorted scores in O(n log n) (Sun and Xu, "Fast
    implementation of DeLong's algorithm", IEEE Signal Processing Letters 2014). That test takes images for
    independent, which frames of a video are not; with `groups` the variance is summed over groups
    (Obuchowski, "Nonparametric analysis of clustered ROC curve data", Biometrics 1997), which is DeLong's
    where every image is its own group. Both lean on large samples: of a few dozen groups, prefer the bootstrap.

    Args:
        labels: 1 = fake, (n,).
        first: scores of the first detector, (n,).
        second: scores of the second detector for the same images, (n,).
        groups: number of the group that an image belongs to, from 0, (n,); None takes every image alone.

    Raises:
        UserError: for NaN scores, other labels or unequal lengths.
    """
    alone = np.arange(len(np.asarray(labels)))
    codes = alone if groups is None else np.asarray(groups)
    parts = [_by_group(Ranking(labels, scores, codes)) for scores in (first, second)]
    (auc, fake_sums, real_sums), (other, other_fake_sums, other_real_sums) = parts
    is_fake = np.asarray(labels) == 1
    held = [np.bincount(codes[members], minlength=len(fake_sums)) > 0 for members in (is_fake, ~is_fake)]
    fakes, reals, either = (int(groups.sum()) for groups in (*held, held[0] | held[1]))
    if min(fakes, reals) < 2:
        return DeLong(auc, other, float("nan"), float("nan"))
    # Sums over a group of how much each image's share of won pairs lies above the mean, for the difference.
    fake_pull, real_pull = fake_sums - other_fake_sums, real_sums - other_real_sums
    number = int(is_fake.sum()), int((~is_fake).sum())
    variance = (
        fakes / (fakes - 1) * np.sum(fake_pull**2) / number[0] ** 2
        + reals / (reals - 1) * np.sum(real_pull**2) / number[1] ** 2
        + 2 * either / (either - 1) * np.sum(fake_pull * real_pull) / (number[0] * number[1])
    )
    if not variance > _ROUNDING:
        return DeLong(auc, other, 0.0, float("nan"))
    error = float(np.sqrt(variance))
    return DeLong(auc, other, error, float(2 * norm.sf(abs(auc - other) / error)))


def _by_group(ranking: Ranking) -> tuple[float, Floats, Floats]:
    """AUC, and the sums over each group's fakes and reals of their share of won pairs less the AUC, (groups,)."""
    fakes, reals = len(ranking.fakes), len(ranking.reals)
    if not (fakes and reals):
        return float("nan"), np.zeros(ranking.weighted), np.zeros(ranking.weighted)
    over, down_to = ranking.reals_at[ranking.fake_levels], ranking.reals_at[ranking.fake_levels + 1]
    won = 1.0 - (over + down_to) / (2.0 * reals)
    auc = float(won.mean())
    lost = (ranking.over_real + ranking.down_to_real) / (2.0 * fakes)
    fake_sums = np.bincount(ranking.fake_groups, won - auc, ranking.weighted).astype(np.float64)
    real_sums = np.bincount(ranking.real_groups, lost - auc, ranking.weighted).astype(np.float64)
    return auc, fake_sums, real_sums
