from collections import Counter
from typing import Any

import numpy as np
import pytest

from fakedet.data.sampling import Draw, RankSampler, TrainingSampler

# Rows 0–89: reals. 90–98: fakes of one method. 99: the only fake of another.
UNEVEN = [[np.arange(90)], [np.arange(90, 99), np.array([99])]]
EVEN = [[np.arange(0, 12)], [np.arange(12, 18), np.arange(18, 24)]]


def _sampler(strata: list[list[Any]], length: int, **options: Any) -> TrainingSampler:
    return TrainingSampler(strata, length, **{"seed": 0, "batch_size": 4, "rank": 0, "world_size": 1, **options})


def _epoch(sampler: TrainingSampler, epoch: int = 0) -> list[Draw]:
    sampler.set_epoch(epoch)
    return list(sampler)


def _rows(draws: list[Draw]) -> list[int]:
    return [draw.row for draw in draws]


def test_classes_and_methods_get_the_same_share() -> None:
    counts = Counter(_rows(_epoch(_sampler(UNEVEN, 100))))
    assert sum(counts.values()) == 100
    assert sum(counts[row] for row in range(90)) == 50
    assert sum(counts[row] for row in range(90, 99)) == 25
    assert counts[99] == 25
    # Nothing comes back before all others of its stratum had their turn.
    assert max(counts[row] for row in range(90)) == 1
    assert {counts[row] for row in range(90, 99)} <= {2, 3}


def test_odd_draws_go_to_either_class_by_chance() -> None:
    sampler = _sampler(EVEN, 23)
    more = {sum(row < 12 for row in _rows(_epoch(sampler, epoch))) for epoch in range(20)}
    assert more == {11, 12}


def test_balanced_data_is_seen_once_an_epoch() -> None:
    sampler = _sampler(EVEN, 24)
    epochs = [_rows(_epoch(sampler, epoch)) for epoch in range(3)]
    assert all(sorted(rows) == list(range(24)) for rows in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != sorted(epochs[0])


def test_one_stratum_of_all_rows_is_a_permutation() -> None:
    assert sorted(_rows(_epoch(_sampler([[np.arange(50)]], 50)))) == list(range(50))


def test_draws_repeat_with_the_seed_and_epoch_alone() -> None:
    first = _epoch(_sampler(UNEVEN, 100), 3)
    assert _epoch(_sampler(UNEVEN, 100), 3) == first
    assert _epoch(_sampler(UNEVEN, 100, seed=1), 3) != first


def test_no_two_draws_share_their_randomness() -> None:
    ranks = [_sampler(UNEVEN, 100, rank=rank, world_size=2) for rank in range(2)]
    seeds = [draw.seed for sampler in ranks for epoch in range(3) for draw in _epoch(sampler, epoch)]
    assert len(set(seeds)) == len(seeds) == 300
    assert min(seeds) >= 0


@pytest.mark.parametrize("length", [24, 23, 22])
def test_ranks_share_the_draws_of_one_process(length: int) -> None:
    each = length // 3
    alone = _epoch(_sampler(EVEN, each * 3))
    ranks = [_epoch(_sampler(EVEN, length, rank=rank, world_size=3)) for rank in range(3)]
    assert [len(draws) for draws in ranks] == [each] * 3
    assert len(_sampler(EVEN, length, rank=0, world_size=3)) == each
    assert sorted(draw for draws in ranks for draw in draws) == sorted(alone)


@pytest.mark.parametrize("world_size", [1, 2])
def test_start_at_leaves_out_the_batches_that_were_seen(world_size: int) -> None:
    whole = [_sampler(EVEN, 24, rank=rank, world_size=world_size) for rank in range(world_size)]
    for rank, sampler in enumerate(whole):
        resumed = _sampler(EVEN, 24, rank=rank, world_size=world_size)
        resumed.start_at(1, 2)
        assert _epoch(resumed, 1) == _epoch(sampler, 1)[8:]
        assert _epoch(resumed, 2) == _epoch(sampler, 2)


@pytest.mark.parametrize(("length", "world_size"), [(10, 1), (10, 3), (2, 4), (0, 2)])
def test_rank_sampler_gives_every_row_once(length: int, world_size: int) -> None:
    samplers = [RankSampler(length, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert sorted(row for sampler in samplers for row in sampler) == list(range(length))
    assert [len(sampler) for sampler in samplers] == [len(list(sampler)) for sampler in samplers]
