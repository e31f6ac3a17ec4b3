"""Images sorted by score once: what every metric of two classes can be read from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fakedet.errors import UserError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """Fakes and reals scored at or above each distinct score, from the highest score down.

    Weights count an image that many times. The first column stands for a threshold above all scores.

    Attributes:
        fakes: weight of fakes (true positives), float64, (levels + 1,) or (B, levels + 1).
        reals: weight of reals (false positives), of the same shape.
    """

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


class Ranking:
    """Checked labels and scores of one set of images, sorted once for any number of weightings.

    Attributes:
        levels: the distinct scores, falling, float64, (levels,).
    """

    def __init__(self, labels: ArrayLike, scores: ArrayLike) -> None:
        """Sort.

        Args:
            labels: 1 = fake, 0 = real, (n,).
            scores: the higher, the more likely fake, (n,).

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
        self._order = np.argsort(-values, kind="stable")
        self._is_fake = truth[self._order].astype(np.float64)
        falling = values[self._order]
        # Tied images enter together: only the last of each run of equal scores is a threshold.
        self._ends = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1) if len(falling) else self._order
        self.levels: Floats = falling[self._ends]

    def __len__(self) -> int:
        return len(self._order)

    def counts(self, weights: ArrayLike | None = None) -> Counts:
        """Cumulated counts at every distinct score.

        Args:
            weights: how often each image counts, in the order of the labels: (n,), or (B, n) for B
                weightings at once (bootstrap resamples); None counts each once.

        Raises:
            UserError: for weights of another length, or negative or not numbers.
        """
        if weights is None:
            sorted_weights = np.ones(len(self))
        else:
            given = np.asarray(weights, dtype=np.float64)
            if given.ndim not in (1, 2) or given.shape[-1] != len(self):
                raise UserError(f"Weights of shape {given.shape} do not fit {len(self)} images.")
            if given.size and not given.min() >= 0:
                raise UserError("Weights are below zero or not numbers; they must count images.")
            sorted_weights = given[..., self._order]
        return Counts(
            fakes=self._cumulate(sorted_weights * self._is_fake),
            reals=self._cumulate(sorted_weights * (1.0 - self._is_fake)),
        )

    def above(self, threshold: float) -> int:
        """Column of `Counts` that holds the images with a score above `threshold`."""
        return int(np.searchsorted(-self.levels, -threshold, side="left"))

    def _cumulate(self, values: Floats) -> Floats:
        sums = np.zeros((*values.shape[:-1], len(self.levels) + 1))
        if len(self.levels) == len(self):
            np.cumsum(values, axis=-1, out=sums[..., 1:])
        else:
            sums[..., 1:] = np.cumsum(values, axis=-1)[..., self._ends]
        return sums
