"""Which image comes when: balanced, seeded for each draw, the same whatever the number of workers."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler


class Draw(NamedTuple):
    """One image of one epoch: the number of its row, and the seed of everything random that is done to it."""

    row: int
    seed: int


class TrainingSampler(Sampler[Draw]):
    """Draws an epoch of training images, the same share from every stratum.

    Each class gets the same number of draws, and within a class each method does. An image comes back
    only after all others of its stratum had their turn, so balanced data is seen once an epoch.
    Seeds belong to draws rather than workers: results do not depend on the number of workers, and no
    two epochs or workers repeat each other's randomness.

    Args:
        strata: for each class, the row numbers of each of its methods.
        length: draws of an epoch over all ranks.
        seed: the run's seed.
        batch_size: what `start_at` counts in.
        rank: this process among `world_size`; every rank draws equally often.
        world_size: number of processes.
    """

    def __init__(
        self,
        strata: list[list[NDArray[np.int64]]],
        length: int,
        *,
        seed: int,
        batch_size: int,
        rank: int,
        world_size: int,
    ) -> None:
        self.strata = strata
        self.length = length // world_size
        self.seed = seed
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self._start: tuple[int, int] | None = None

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
        parts = [
            _cycle(rows, amount, rng)
            for methods, share in zip(self.strata, _shares(count, len(self.strata), rng), strict=True)
            for rows, amount in zip(methods, _shares(share, len(methods), rng), strict=True)
        ]
        order = rng.permutation(np.concatenate(parts))
        seeds = rng.integers(2**63, size=count)
        first = self._start[1] * self.batch_size if self._start and self._start[0] == self.epoch else 0
        mine = slice(self.rank, None, self.world_size)
        for index, seed in zip(order[mine][first:], seeds[mine][first:], strict=True):
            yield Draw(int(index), int(seed))


def _shares(count: int, parts: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Whole numbers that differ by one at most and add up to `count`; chance decides who gets more."""
    return np.bincount(rng.permutation(parts)[np.arange(count) % parts], minlength=parts).astype(np.int64)


def _cycle(rows: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    rounds = -(-count // len(rows))
    return np.concatenate([rng.permutation(rows) for _ in range(rounds)] or [rows[:0]])[:count]


class RankSampler(Sampler[int]):
    """Every row once over all ranks, without the repeats that even shares would need."""

    def __init__(self, length: int, *, rank: int, world_size: int) -> None:
        self.rows = range(rank, length, world_size)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[int]:
        return iter(self.rows)
