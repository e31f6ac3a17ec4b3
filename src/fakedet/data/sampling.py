"""Which image comes when: balanced, seeded for each draw, the same whatever the number of workers."""

import math
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch.utils.data import Sampler

from fakedet.errors import UserError, did_you_mean

Numbers = NDArray[np.int64]
PARTS = 10**6  # what weights are rounded to: whole numbers make shares exact


class Draw(NamedTuple):
    """One image of one epoch: the number of its row, and the seed of everything random that is done to it."""

    row: int
    seed: int


class TrainingSampler(Sampler[Draw]):
    """Draws an epoch of training images, the same share for every value of a level.

    The values of the first level are drawn equally often, those of the second within each value of the
    first, and so on; an epoch has as many draws as there are rows. Shares are exact: where they cannot be
    whole numbers, chance decides which values get one draw more. No image comes twice more than another of
    its innermost value, so balanced data is seen once an epoch. Seeds belong to draws rather than workers:
    results do not depend on the number of workers, and no two epochs or workers repeat each other's
    randomness.

    Args:
        levels: (rows, levels), outermost first; a missing value counts as a value. Without a column, every
            row is drawn once.
        seed: the run's seed.
        batch_size: what `start_at` counts in.
        rank: this process among `world_size`; every rank draws equally often.
        world_size: number of processes.
        weights: level -> value -> how often it is drawn beside others of its level, 1 if it is not named.
    """

    def __init__(
        self,
        levels: pd.DataFrame,
        *,
        seed: int,
        batch_size: int,
        rank: int,
        world_size: int,
        weights: Mapping[str, Mapping[Any, float]] = MappingProxyType({}),
    ) -> None:
        self.length = len(levels) // world_size
        self.seed = seed
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self._start: tuple[int, int] | None = None
        self._floors = []
        parent, count = np.zeros(len(levels), np.int64), 1
        for name in levels:
            values, known = pd.factorize(levels[name], use_na_sentinel=False)
            places, parent = np.unique(parent * len(known) + values, return_inverse=True)
            weight = np.ones(len(known))
            if chosen := weights.get(str(name)):
                weight = np.array([chosen.get(value, 1.0) for value in known])
            self._floors.append(_Floor(*np.divmod(places, len(known)), weight, count))
            count = len(places)
        self.rows = np.argsort(parent, kind="stable")
        self._floors.append(_Floor(parent[self.rows], self.rows * 0, np.ones(1), count))

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before every epoch."""
        self.epoch = epoch

    def start_at(self, epoch: int, batches: int) -> None:
        """Leave out the first batches of one epoch: a resumed run had seen them."""
        self._start = (epoch, batches)

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Draw]:
        rng = np.random.default_rng((self.seed, self.epoch))
        count = self.length * self.world_size
        draws = np.array([count])
        for floor in self._floors:
            draws = floor.deal(draws, rng)
        order = rng.permutation(np.repeat(self.rows, draws))
        seeds = rng.integers(2**63, size=count)
        first = self._start[1] * self.batch_size if self._start and self._start[0] == self.epoch else 0
        mine = slice(self.rank, None, self.world_size)
        for index, seed in zip(order[mine][first:], seeds[mine][first:], strict=True):
            yield Draw(int(index), int(seed))


class _Floor:
    """One level of the tree: `parent` (nodes,) in the level above, ascending, and `value` (nodes,) with a weight."""

    def __init__(self, parent: Numbers, value: Numbers, weight: NDArray[np.float64], parents: int) -> None:
        self.parent = parent
        self.first = np.searchsorted(parent, np.arange(parents))
        parts = np.ones(len(weight)) if np.ptp(weight) == 0 else np.rint(PARTS * weight / weight.sum())
        self.parts = parts.astype(np.int64).clip(1)[value]
        self.total = np.add.reduceat(self.parts, self.first)

    def deal(self, draws: Numbers, rng: np.random.Generator) -> Numbers:
        """Draws (parents,) to draws (nodes,): systematic sampling of the nodes in random order."""
        order = np.lexsort((rng.random(len(self.parent)), self.parent))
        parts = self.parts[order]
        ends = np.cumsum(parts)
        ends -= (ends[self.first] - parts[self.first])[self.parent]
        offset = rng.integers(self.total)[self.parent]
        here, total = draws[self.parent], self.total[self.parent]
        dealt = np.empty_like(parts)
        dealt[order] = (ends * here + offset) // total - ((ends - parts) * here + offset) // total
        return dealt


class RankSampler(Sampler[int]):
    """Every row once over all ranks, without the repeats that even shares would need."""

    def __init__(self, length: int, *, rank: int, world_size: int) -> None:
        self.rows = range(rank, length, world_size)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[int]:
        return iter(self.rows)


def checked_weights(weights: Any, names: Collection[str], called: str, balance: Collection[str]) -> dict[str, float]:
    """The weights of data sets, as they were given.

    Args:
        weights: data set -> how often it is drawn beside others; None is no weight.
        names: of the data sets that there are.
        called: what `names` are, for a sentence.
        balance: the levels that training is balanced by.

    Raises:
        UserError: for a name that there is not, a weight that is no number above 0, or weights that nothing reads.
    """
    if weights is not None and not isinstance(weights, Mapping):
        raise UserError(f"data.weights={weights} names no set: write data.weights={{name: value, …}}.")
    for name, weight in (weights or {}).items():
        if name not in names:
            hint = did_you_mean(name, names)
            raise UserError(f"data.weights: {name}{hint} is not one of {called} ({', '.join(names)}).")
        if not isinstance(weight, int | float) or isinstance(weight, bool) or not 0 < weight < math.inf:
            raise UserError(f"data.weights.{name}={weight} is not a number above 0.")
    if weights and "dataset" not in balance:
        raise UserError("data.weights is read where data.balance names dataset: add it there.")
    return dict(weights or {})
