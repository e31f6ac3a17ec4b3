from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fakedet.data.sampling import Draw, RankSampler, TrainingSampler


def _levels(*counts: tuple[int, str]) -> pd.DataFrame:
    """So many rows for each path of values, one letter a level; `-` is missing."""
    values = [[None if letter == "-" else letter for letter in path] for count, path in counts for _ in range(count)]
    return pd.DataFrame(values, columns=["label", "dataset", "method", "video"][: len(counts[0][1])])


# Rows 0–89: reals. 90–98: fakes of one method. 99: the only fake of another.
UNEVEN = _levels((90, "rr"), (9, "fa"), (1, "fb"))
EVEN = _levels((12, "rr"), (6, "fa"), (6, "fb"))


def _sampler(levels: pd.DataFrame, **options: Any) -> TrainingSampler:
    return TrainingSampler(levels, **{"seed": 0, "batch_size": 4, "rank": 0, "world_size": 1, **options})


def _epoch(sampler: TrainingSampler, epoch: int = 0) -> list[Draw]:
    sampler.set_epoch(epoch)
    return list(sampler)


def _rows(draws: list[Draw]) -> list[int]:
    return [draw.row for draw in draws]


def _drawn(levels: pd.DataFrame, depth: int, **options: Any) -> dict[str, int]:
    """Draws of an epoch for each path of values down to a level."""
    paths = levels.fillna("-").astype(str).iloc[:, :depth].agg("".join, axis=1)
    drawn = paths.iloc[_rows(_epoch(_sampler(levels, **options)))]
    return {str(path): int(count) for path, count in drawn.value_counts().items()}


def test_classes_and_methods_get_the_same_share() -> None:
    counts = Counter(_rows(_epoch(_sampler(UNEVEN))))
    assert sum(counts.values()) == 100
    assert sum(counts[row] for row in range(90)) == 50
    assert sum(counts[row] for row in range(90, 99)) == 25
    assert counts[99] == 25
    # Nothing comes back before all others of its method had their turn.
    assert max(counts[row] for row in range(90)) == 1
    assert {counts[row] for row in range(90, 99)} <= {2, 3}


NESTED = _levels(
    (50, "rxrp"), (10, "rxrq"), (60, "ryrp"),
    (7, "fxap"), (40, "fxaq"), (1, "fxbp"), (30, "fya-"), (2, "fy-p"), (40, "fzap"),
)  # fmt: skip


def test_every_level_is_even_within_the_one_above() -> None:
    assert len(NESTED) == 240
    assert _drawn(NESTED, 1) == {"r": 120, "f": 120}
    assert _drawn(NESTED, 2) == {"rx": 60, "ry": 60, "fx": 40, "fy": 40, "fz": 40}
    methods = _drawn(NESTED, 3)
    assert {path: methods[path] for path in ("fxa", "fxb", "fya", "fy-")} == dict.fromkeys(
        ("fxa", "fxb", "fya", "fy-"), 20
    )
    videos = _drawn(NESTED, 4)
    assert (videos["fxap"], videos["fxaq"], videos["rxrp"], videos["rxrq"]) == (10, 10, 30, 30)


def test_fewer_levels_are_a_part_of_it() -> None:
    assert _drawn(NESTED[["label"]], 1) == {"r": 120, "f": 120}
    assert set(Counter(_rows(_epoch(_sampler(NESTED[["label"]])))).values()) == {1}
    by_video = _drawn(NESTED[["video"]], 1)
    assert by_video == dict.fromkeys("pq-", 80)


def test_without_levels_every_row_is_drawn_once() -> None:
    rows = _rows(_epoch(_sampler(pd.DataFrame(index=range(50)))))
    assert sorted(rows) == list(range(50)) != rows


def test_weights_are_shares_within_the_level_above() -> None:
    drawn = _drawn(NESTED, 2, weights={"dataset": {"x": 2, "z": 0.5}})
    assert (drawn["rx"], drawn["ry"]) == (80, 40)
    assert [drawn[path] for path in ("fx", "fy", "fz")] == pytest.approx(
        [120 * part / 3.5 for part in (2, 1, 0.5)], abs=1
    )
    same = _sampler(NESTED, weights={"dataset": {"x": 3, "y": 3, "z": 3}})
    assert _epoch(same) == _epoch(_sampler(NESTED))


def test_a_tiny_weight_is_not_nothing() -> None:
    levels = _levels((500, "rx"), (500, "ry"))
    drawn = [_drawn(levels, 2, seed=seed, weights={"dataset": {"x": 5e-4}})["ry"] for seed in range(20)]
    assert set(drawn) == {999, 1000}


def test_where_shares_are_no_whole_numbers_chance_decides() -> None:
    levels = _levels((12, "r"), (11, "f"))
    sampler = _sampler(levels)
    more = {sum(row < 12 for row in _rows(_epoch(sampler, epoch))) for epoch in range(20)}
    assert more == {11, 12}


def test_more_videos_than_draws_take_turns_by_chance() -> None:
    levels = pd.DataFrame({"label": ["r"] * 10 + ["f"] * 90, "video": [str(number) for number in range(100)]})
    sampler = _sampler(levels)
    seen: Counter[int] = Counter()
    for epoch in range(40):
        counts = Counter(row for row in _rows(_epoch(sampler, epoch)) if row >= 10)
        assert max(counts.values()) == 1
        seen.update(counts)
    assert len(seen) == 90
    # 40 epochs with 50 draws: each video 22 times, give or take.
    assert 10 < min(seen.values()) < max(seen.values()) < 35


def test_balanced_data_is_seen_once_an_epoch() -> None:
    sampler = _sampler(EVEN)
    epochs = [_rows(_epoch(sampler, epoch)) for epoch in range(3)]
    assert all(sorted(rows) == list(range(24)) for rows in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != sorted(epochs[0])


@pytest.mark.parametrize("seed", range(6))
def test_shares_differ_by_one_at_most_at_every_level(seed: int) -> None:
    rng = np.random.default_rng(seed)
    levels = pd.DataFrame({name: rng.integers(rng.integers(1, 9), size=300) for name in ("label", "method", "video")})
    levels = levels.astype("Int64").mask(rng.random(levels.shape) < 0.1)
    counts = pd.Series(_rows(_epoch(_sampler(levels), seed))).value_counts().reindex(range(300), fill_value=0)
    paths = levels.astype("string").fillna("-")
    above: list[pd.Series] = [pd.Series("", index=range(300))]
    for name in paths:
        above.append(above[-1] + "/" + paths[name])
    for parent, child in zip(above, [*above[1:], pd.Series(range(300))], strict=True):
        for _, part in counts.groupby(parent):
            drawn = part.groupby(child).sum()
            assert drawn.max() - drawn.min() <= 1


def test_draws_repeat_with_the_seed_and_epoch_alone() -> None:
    first = _epoch(_sampler(UNEVEN), 3)
    assert _epoch(_sampler(UNEVEN), 3) == first
    assert _epoch(_sampler(UNEVEN, seed=1), 3) != first


def test_no_two_draws_share_their_randomness() -> None:
    ranks = [_sampler(UNEVEN, rank=rank, world_size=2) for rank in range(2)]
    seeds = [draw.seed for sampler in ranks for epoch in range(3) for draw in _epoch(sampler, epoch)]
    assert len(set(seeds)) == len(seeds) == 300
    assert min(seeds) >= 0


@pytest.mark.parametrize("rows", [24, 23, 22])
def test_ranks_share_the_draws_of_one_process(rows: int) -> None:
    levels, each = EVEN[:rows], rows // 3
    ranks = [_epoch(_sampler(levels, rank=rank, world_size=3)) for rank in range(3)]
    assert [len(draws) for draws in ranks] == [each] * 3
    assert len(_sampler(levels, rank=0, world_size=3)) == each
    together = [draw for draws in zip(*ranks, strict=True) for draw in draws]
    counts = Counter(_rows(together))
    assert abs(sum(counts[row] for row in range(12)) - each * 1.5) <= 0.5
    if rows == 24:
        assert together == _epoch(_sampler(levels))


@pytest.mark.parametrize("world_size", [1, 2])
def test_start_at_leaves_out_the_batches_that_were_seen(world_size: int) -> None:
    weights = {"dataset": {"a": 2.0}}
    whole = [_sampler(EVEN, rank=rank, world_size=world_size, weights=weights) for rank in range(world_size)]
    for rank, sampler in enumerate(whole):
        resumed = _sampler(EVEN, rank=rank, world_size=world_size, weights=weights)
        resumed.start_at(1, 2)
        assert _epoch(resumed, 1) == _epoch(sampler, 1)[8:]
        assert _epoch(resumed, 2) == _epoch(sampler, 2)


@pytest.mark.parametrize(("length", "world_size"), [(10, 1), (10, 3), (2, 4), (0, 2)])
def test_rank_sampler_gives_every_row_once(length: int, world_size: int) -> None:
    samplers = [RankSampler(length, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert sorted(row for sampler in samplers for row in sampler) == list(range(length))
    assert [len(sampler) for sampler in samplers] == [len(list(sampler)) for sampler in samplers]
