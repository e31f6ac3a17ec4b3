"""Images sorted by score once: what every metric of two classes can be read from."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fakedet.errors import UserError

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class Ranking:
    """Checked labels and scores of one set of images, sorted once for any number of weightings.

    Attributes:
        weighted: how many things have a weight of their own: images, or groups.
        levels: the distinct scores, falling, float64, (levels,).
        fakes: scores of the fakes, falling, float64, (f,).
        reals: scores of the reals, falling, float64, (r,).
        fake_groups: number of each fake's group, or of the image itself where there are no groups, (f,).
        real_groups: the same of the reals, (r,).
        fakes_at: how many fakes score at or above the first k levels, k = 0 … levels, (levels + 1,).
        reals_at: the same of the reals.
        fake_levels: how many levels lie above each fake's score, (f,).
        real_levels: the same of the reals, (r,).
        over_real: how many fakes score above each real, (r,).
        down_to_real: how many fakes score at or above each real, (r,).
        down_to_fake: how many fakes, and how many reals, score at or above each fake, two of (f,).
    """

    def __init__(self, labels: ArrayLike, scores: ArrayLike, groups: ArrayLike | None = None) -> None:
        """Sort.

        Args:
            labels: 1 = fake, 0 = real, (n,).
            scores: the higher, the more likely fake, (n,).
            groups: number of the group that an image belongs to, from 0, (n,): weights are then those of
                groups. None lets every image have its own weight.

        Raises:
            UserError: for a score that is not a number, a label other than 0 and 1, or unequal shapes.
        """
        truth, values = np.asarray(labels), np.asarray(scores, dtype=np.float64)
        if truth.ndim != 1 or truth.shape != values.shape:
            raise UserError(f"Labels of shape {truth.shape} and scores of shape {values.shape} are not one pair each.")
        if np.isnan(values).any():
            count = int(np.isnan(values).sum())
            raise UserError(
                f"{count} of {len(values)} scores are not numbers (NaN): leave out what could not be scored; "
                "if the network gave them, its training diverged, so lower the learning rate."
            )
        if not np.isin(truth, (0, 1)).all():
            raise UserError("Labels are other than 0 (real) and 1 (fake); convert them first.")
        members = np.arange(len(truth)) if groups is None else np.asarray(groups, dtype=np.intp)
        if members.shape != truth.shape:
            raise UserError(f"{len(members)} groups do not fit {len(truth)} images.")
        self.weighted = int(members.max()) + 1 if len(members) else 0
        order = np.argsort(-values, kind="stable")
        falling, fake = values[order], truth[order] == 1
        self.fakes, self.reals = falling[fake], falling[~fake]
        self.fake_groups, self.real_groups = members[order[fake]], members[order[~fake]]
        # Tied images enter together: only the first of each run of equal scores is a new level.
        starts = np.append(True, falling[1:] != falling[:-1])[: len(falling)]
        self.levels: Floats = falling[starts]
        level = np.cumsum(starts) - 1
        self.fake_levels, self.real_levels = level[fake], level[~fake]
        self.fakes_at, self.reals_at = (
            np.append(0, np.cumsum(np.bincount(levels, minlength=len(self.levels))))
            for levels in (self.fake_levels, self.real_levels)
        )
        self.over_real, self.down_to_real = self.fakes_at[self.real_levels], self.fakes_at[self.real_levels + 1]
        self.down_to_fake = self.fakes_at[self.fake_levels + 1], self.reals_at[self.fake_levels + 1]

    @cached_property
    def are_probabilities(self) -> bool:
        """Whether all scores lie in [0, 1]."""
        return not len(self) or bool(self.levels[0] <= 1 and self.levels[-1] >= 0)

    @cached_property
    def squares(self) -> tuple[Floats, Floats]:
        """Squared distance of each fake's score from 1, and of each real's from 0, (f,) and (r,)."""
        return (1.0 - self.fakes) ** 2, self.reals**2

    @cached_property
    def logarithms(self) -> tuple[Floats, Floats]:
        """Negative logarithm of the probability that each label was given, clipped by ε, (f,) and (r,)."""
        least = np.finfo(np.float64).eps
        fakes, reals = (np.clip(given, least, 1.0 - least) for given in (self.fakes, 1.0 - self.reals))
        return -np.log(fakes), -np.log(reals)

    def __len__(self) -> int:
        return len(self.fakes) + len(self.reals)

    def counts(self, weights: ArrayLike | None = None) -> "Counts":
        """The images with their weights, summed from the highest score down.

        Args:
            weights: how often each image counts, in the order of the labels: (n,), or (B, n) for B
                weightings at once (bootstrap resamples). Of a ranking with groups, how often each group
                counts: (groups,) or (B, groups). None counts each once.

        Raises:
            UserError: for weights of another length, or negative or not numbers.
        """
        given = np.ones(self.weighted) if weights is None else np.asarray(weights, dtype=np.float64)
        if given.ndim not in (1, 2) or given.shape[-1] != self.weighted:
            raise UserError(f"Weights of shape {given.shape} do not fit {self.weighted} images or groups.")
        if given.size and not given.min() >= 0:
            raise UserError("Weights are below zero or not numbers; they must count images.")
        fake_weights, real_weights = (given.take(where, axis=-1) for where in (self.fake_groups, self.real_groups))
        return Counts(self, fake_weights, real_weights, _cumulate(fake_weights), _cumulate(real_weights))

    def above(self, threshold: float) -> int:
        """How many levels lie above `threshold`."""
        return int(np.searchsorted(-self.levels, -threshold, side="left"))


@dataclass(frozen=True)
class Counts:
    """A ranking with weights that count an image so many times; the leading dimension B may be absent.

    Attributes:
        ranking: what is weighted.
        fake_weights: of each fake by falling score, float64, (B, f).
        real_weights: of each real by falling score, float64, (B, r).
        fakes: weight of the first k fakes, k = 0 … f, float64, (B, f + 1).
        reals: weight of the first k reals, float64, (B, r + 1).
    """

    ranking: Ranking
    fake_weights: Floats
    real_weights: Floats
    fakes: Floats
    reals: Floats

    @property
    def all_fakes(self) -> Floats:
        """Total weight of the fakes, () or (B,)."""
        return np.asarray(self.fakes[..., -1])

    @property
    def all_reals(self) -> Floats:
        """Total weight of the reals, () or (B,)."""
        return np.asarray(self.reals[..., -1])

    def at(self, levels: Any) -> tuple[Floats, Floats]:
        """Weight of fakes and of reals that score at or above the first `levels` levels.

        Args:
            levels: 0 … number of levels; one number, or one for each of the B weightings, (B,).
        """
        return _pick(self.fakes, self.ranking.fakes_at[levels]), _pick(self.reals, self.ranking.reals_at[levels])

    def last(self, test: Callable[[Floats, Floats], NDArray[np.bool_]]) -> Indices:
        """Largest number of levels whose weights of fakes and of reals pass a test, or 0, () or (B,).

        Args:
            test: true up to some number of levels, and false from there on.
        """
        low = np.zeros(self.all_fakes.shape, dtype=np.intp)
        high = low + len(self.ranking.levels)
        for _ in range(len(self.ranking.levels).bit_length()):
            middle = (low + high + 1) // 2
            passed = test(*self.at(middle))
            low, high = np.where(passed, middle, low), np.where(passed, high, np.maximum(middle - 1, low))
        return low


def _cumulate(weights: Floats) -> Floats:
    sums = np.zeros((*weights.shape[:-1], weights.shape[-1] + 1))
    np.cumsum(weights, axis=-1, out=sums[..., 1:])
    return sums


def _pick(sums: Floats, where: Any) -> Floats:
    if np.ndim(where) == 0:
        return np.asarray(sums[..., where])
    return np.take_along_axis(sums, where[..., None], axis=-1)[..., 0]
