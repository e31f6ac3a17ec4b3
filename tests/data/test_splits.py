from typing import Any

import numpy as np
import pandas as pd
import pytest

from fakedet.data.splits import (
    check_classes,
    complete_splits,
    limit_by_group,
    order_by_hash,
    share_out,
    split_by_group,
)
from fakedet.errors import UserError

SHARES = {"val": 0.1, "test": 0.2}


def _rows(pairs: int = 0, reals: int = 0, fakes: int = 0) -> pd.DataFrame:
    """Groups of a real and two fakes, of a real alone, of a fake alone."""
    rows = [
        *[(f"p{number}", label) for number in range(pairs) for label in (0, 1, 1)],
        *[(f"r{number}", 0) for number in range(reals)],
        *[(f"f{number}", 1) for number in range(fakes)],
    ]
    return pd.DataFrame(rows, columns=["group", "label"]).assign(path=[f"{row}.jpg" for row in range(len(rows))])


def _groups(rows: pd.DataFrame, splits: pd.Series) -> dict[str, str]:
    found = set(zip(rows["group"], splits, strict=True))
    assert len(found) == rows["group"].nunique()
    return dict(found)


def test_no_group_crosses_and_the_shares_are_met() -> None:
    rows = _rows(pairs=100)
    counts = pd.Series(_groups(rows, split_by_group(rows, SHARES, 0))).value_counts()
    assert counts.to_dict() == {"train": 70, "val": 10, "test": 20}


def test_each_stratum_is_cut_for_itself() -> None:
    rows = _rows(pairs=10, reals=30, fakes=100)
    split_of = pd.Series(_groups(rows, split_by_group(rows, SHARES, 0)))
    for kind, wanted in {"p": (7, 1, 2), "r": (21, 3, 6), "f": (70, 10, 20)}.items():
        counts = split_of[split_of.index.str.startswith(kind)].value_counts()
        assert (counts["train"], counts["val"], counts["test"]) == wanted


def test_neither_the_order_of_rows_nor_their_index_matters() -> None:
    rows = _rows(pairs=20, reals=20, fakes=20)
    shuffled = rows.sample(frac=1, random_state=3)
    assert _groups(rows, split_by_group(rows, SHARES, 0)) == _groups(shuffled, split_by_group(shuffled, SHARES, 0))
    assert split_by_group(shuffled, SHARES, 0).index.equals(shuffled.index)


def test_other_groups_move_few() -> None:
    rows, more = _rows(pairs=100), _rows(pairs=104)
    before, after = (_groups(table, split_by_group(table, SHARES, 0)) for table in (rows, more))
    assert sum(before[group] != after[group] for group in before) <= 6


def test_the_split_is_the_same_on_every_machine() -> None:
    # Written down once: a change would silently train on what others tested on.
    order = ["d", "a", "c", "b", "e"]
    assert order_by_hash(["a", "b", "c", "d", "e"], 0) == order
    assert order_by_hash(["e", "d", "c", "b", "a"], 0) == order
    assert order_by_hash(["a", "b", "c", "d", "e"], 1) != order


def test_another_seed_gives_another_split() -> None:
    rows = _rows(pairs=50)
    assert not split_by_group(rows, SHARES, 0).equals(split_by_group(rows, SHARES, 1))


def test_every_split_gets_a_group_of_few() -> None:
    rows = _rows(pairs=3)
    assert sorted(_groups(rows, split_by_group(rows, SHARES, 0)).values()) == ["test", "train", "val"]
    rows = _rows(pairs=4)
    large = {"val": 0.49, "test": 0.49}
    assert sorted(set(_groups(rows, split_by_group(rows, large, 0)).values())) == ["test", "train", "val"]


def test_a_share_of_nothing_gives_no_split() -> None:
    splits = split_by_group(_rows(pairs=3), {"val": 0.2, "test": 0.0}, 0)
    assert set(splits) == {"train", "val"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (_rows(pairs=2), "2 groups of real and fake images cannot fill 3 splits .train, val, test."),
        (_rows(reals=10, fakes=1), "1 group of fake images cannot fill 3 splits"),
        (_rows(reals=2, fakes=10), "2 groups of real images"),
    ],
)
def test_fewer_groups_than_splits_are_refused(rows: pd.DataFrame, message: str) -> None:
    with pytest.raises(UserError, match=message):
        split_by_group(rows, SHARES, 0)


def test_a_few_odd_groups_train_where_others_fill_the_splits() -> None:
    rows = _rows(pairs=20, reals=1, fakes=2)
    split_of = _groups(rows, split_by_group(rows, SHARES, 0))
    assert {split_of["r0"], split_of["f0"], split_of["f1"]} == {"train"}
    assert {split_of[f"p{number}"] for number in range(20)} == {"train", "val", "test"}


def _shared_out(weights: dict[str, int], seed: int = 0, **options: Any) -> dict[str, int]:
    """The weight of each split."""
    split_of = share_out(weights, SHARES, seed, **options)
    assert set(split_of) == set(weights)
    return {
        split: sum(weight for name, weight in weights.items() if split_of[name] == split)
        for split in ("train", "val", "test")
    }


def test_units_meet_the_shares_in_any_order() -> None:
    weights = {f"u{number}": 1 for number in range(100)}
    assert _shared_out(weights) == {"train": 70, "val": 10, "test": 20}
    assert share_out(dict(reversed(weights.items())), SHARES, 0) == share_out(weights, SHARES, 0)
    assert share_out(weights, SHARES, 1) != share_out(weights, SHARES, 0)


@pytest.mark.parametrize("seed", range(5))
def test_uneven_units_come_close_to_the_shares(seed: int) -> None:
    weights = {
        f"u{number}": int(weight) for number, weight in enumerate(np.random.default_rng(seed).integers(1, 20, 60))
    }
    total, found = sum(weights.values()), _shared_out(weights, seed)
    assert all(abs(found[split] - share * total) <= 10 for split, share in SHARES.items())


@pytest.mark.parametrize("seed", range(5))
def test_a_giant_trains(seed: int) -> None:
    found = _shared_out({"giant": 60} | {f"u{number}": 1 for number in range(40)}, seed)
    assert found == {"train": 70, "val": 10, "test": 20}


@pytest.mark.parametrize("seed", range(5))
def test_no_split_stays_empty_where_units_are_enough(seed: int) -> None:
    assert min(_shared_out({"a": 90, "b": 1, "c": 1}, seed).values()) == 1
    assert min(_shared_out({"a": 1, "b": 1, "c": 1, "d": 1}, seed).values()) == 1
    assert _shared_out({"a": 1, "b": 1}, seed)["train"] >= 1


def test_tied_units_stay_together() -> None:
    weights = {f"u{number}": 1 for number in range(100)}
    ties = {f"u{number}": {f"u{number ^ 1}": 1} for number in range(100)}
    split_of = share_out(weights, SHARES, 0, ties)
    # By chance 23 of the 50 pairs would be cut.
    assert sum(split_of[f"u{number}"] != split_of[f"u{number + 1}"] for number in range(0, 100, 2)) <= 4
    assert _shared_out(weights, ties=ties) == {"train": 70, "val": 10, "test": 20}


def test_ties_lead_to_units_that_were_placed_before() -> None:
    weights = {f"u{number}": 1 for number in range(100)}
    ties = {name: {"before": 3} for name in ("u3", "u4")}
    split_of = share_out(weights, SHARES, 0, ties, {"before": "val"})
    assert split_of["u3"] == split_of["u4"] == "val"
    assert "before" not in split_of


def test_splits_of_few_tied_units_hold_two() -> None:
    ring = {f"u{number}": {f"u{(number + step) % 9}": 1 for step in (1, 8)} for number in range(9)}
    weights = dict.fromkeys(ring, 1)
    assert _shared_out(weights)["val"] == 1
    assert _shared_out(weights, ties=ring)["val"] == 2


def test_given_splits_are_honoured() -> None:
    rows = _rows(pairs=12)
    given = rows["group"].map(lambda name: ["train", "val", "test"][int(name[1:]) % 3])
    assert complete_splits(rows.assign(split=given), SHARES, 0)["split"].equals(given)


@pytest.mark.parametrize("lacking", ["val", "test"])
def test_a_missing_split_is_cut_from_the_training_part(lacking: str) -> None:
    rows = _rows(pairs=40)
    other = "test" if lacking == "val" else "val"
    given = rows["group"].map(lambda name: other if int(name[1:]) < 10 else "train")
    splits = complete_splits(rows.assign(split=given), SHARES, 0)["split"]
    assert (splits[given == other] == other).all()
    assert set(splits[given == "train"]) == {"train", lacking}
    _groups(rows, splits)


def test_a_test_set_alone_stays_one() -> None:
    rows = _rows(pairs=5).assign(split="test")
    assert set(complete_splits(rows, SHARES, 0)["split"]) == {"test"}


def test_given_splits_that_cut_a_group_are_refused() -> None:
    rows = _rows(pairs=6).assign(split="train")
    rows.loc[rows["group"] == "p4", "split"] = ["train", "test", "train"]
    with pytest.raises(UserError, match="1 groups stand in more than one of the given splits; the first is p4"):
        complete_splits(rows, SHARES, 0)


def test_splits_for_some_rows_only_are_refused() -> None:
    rows = _rows(pairs=6).assign(split="train")
    rows.loc[3:5, "split"] = None
    with pytest.raises(UserError, match="3 rows have no split while others have one"):
        complete_splits(rows, SHARES, 0)


def _split(rows: pd.DataFrame) -> pd.DataFrame:
    return complete_splits(rows, SHARES, 0)


@pytest.mark.parametrize("limit", [20, 60, 150])
def test_limit_is_balanced_and_in_proportion(limit: int) -> None:
    rows = _split(_rows(pairs=100))
    few = limit_by_group(rows, limit, 0)
    assert abs(len(few) - limit) <= 3
    for split, share in {"train": 0.7, "val": 0.1, "test": 0.2}.items():
        part = few[few["split"] == split]
        assert abs(len(part) - share * limit) <= 1
        assert (part["label"] == 0).sum() == (part["label"] == 1).sum()
        # A fake comes with the real of its group.
        assert set(part[part["label"] == 0]["group"]) == set(part[part["label"] == 1]["group"])


def test_limit_shows_many_groups_of_large_ones() -> None:
    rows = pd.DataFrame({"group": np.repeat(["a", "b", "c"], 200), "label": np.tile([0, 1], 300), "split": "train"})
    few = limit_by_group(rows, 12, 0)
    assert few.groupby(["group", "label"]).size().to_list() == [2] * 6


def test_limit_above_the_size_keeps_all() -> None:
    rows = _split(_rows(reals=10, fakes=10))
    assert limit_by_group(rows, 1000, 0).equals(rows)


def test_the_smallest_limit_keeps_both_classes_of_every_split() -> None:
    few = limit_by_group(_split(_rows(reals=10, fakes=90)), 1, 0)
    assert few.groupby(["split", "label"]).size().to_list() == [1] * 6


def test_limit_depends_on_the_seed_alone() -> None:
    rows = _split(_rows(reals=50, fakes=50))
    few = limit_by_group(rows, 20, 0)
    shuffled = limit_by_group(rows.sample(frac=1, random_state=1), 20, 0)
    assert set(few["group"]) == set(shuffled["group"])
    assert set(few["group"]) != set(limit_by_group(rows, 20, 1)["group"])


@pytest.mark.parametrize(("label", "name"), [(0, "fake"), (1, "real")])
def test_a_missing_class_is_named(label: int, name: str) -> None:
    check_classes(pd.Series([0, 1]), "val")
    with pytest.raises(UserError, match=f"The val split holds no {name} image .3 in all."):
        check_classes(pd.Series([label] * 3), "val")
