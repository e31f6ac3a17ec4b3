from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fakedet.data.manifest import FAKE, REAL
from fakedet.data.protocols import APART, NO_SPLIT, PROTOCOLS, Division, identity_disjoint, official
from fakedet.errors import UserError

SHARES = {"val": 0.1, "test": 0.2}
SPLITS = {"train", "val", "test"}
NAMES = ("target_identity", "source_identity", "source_clip", "video", "group")


def _row(path: str, label: int, **known: Any) -> dict[str, Any]:
    return {"path": path, "label": label, "dataset": "set", "video": path.split(":")[0], **known}


def _swapped(people: int, clips: int = 3, partners: int = 4, nameless: int = 20, seed: int = 0) -> pd.DataFrame:
    """As Celeb-DF: clips of people, of whom each is swapped with a few, and clips of nobody in particular."""
    rng = np.random.default_rng(seed)
    rows = [_row(f"n{number}", REAL, source_clip=f"n{number}") for number in range(nameless)]
    for person in range(people):
        sources = rng.choice([other for other in range(people) if other != person], partners, replace=False)
        for take in range(clips):
            at = {"source_clip": f"p{person}_{take}", "target_identity": f"p{person}"}
            rows.append(_row(f"r{person}_{take}", REAL, **at))
            rows += [_row(f"f{person}_{source}_{take}", FAKE, **at, source_identity=f"p{source}") for source in sources]
    return pd.DataFrame(rows).sample(frac=1, random_state=seed)


def _pairs(pairs: int, methods: int = 2) -> pd.DataFrame:
    """As FaceForensics++: every clip a person, and both orders of each pair swapped."""
    rows = [
        _row(f"r{number}", REAL, target_identity=f"p{number}", source_clip=f"p{number}") for number in range(2 * pairs)
    ]
    for method in range(methods):
        for number in range(2 * pairs):
            at = {"target_identity": f"p{number}", "source_identity": f"p{number ^ 1}", "source_clip": f"p{number}"}
            rows.append(_row(f"{method}_{number}", FAKE, **at))
    return pd.DataFrame(rows)


def _originals(count: int, absent: Iterable[int] = ()) -> pd.DataFrame:
    """As DFDC: nobody is named, and fakes name their original, which may lie in a part that is not there."""
    gone = set(absent)
    reals = [_row(f"o{number}", REAL, source_clip=f"o{number}") for number in range(count) if number not in gone]
    fakes = [_row(f"f{number}_{copy}", FAKE, source_clip=f"o{number}") for number in range(count) for copy in range(3)]
    return pd.DataFrame([*reals, *fakes])


def _random(seed: int) -> pd.DataFrame:
    """Everything at once: clips of two people, fakes of anybody, frames of videos, much of it unknown."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(400):
        label = int(rng.random() < 0.6)
        known: dict[str, Any] = {}
        if rng.random() < 0.8:
            known["target_identity"] = f"p{rng.integers(60)}"
            if rng.random() < (0.9 if label else 0.05):
                known["source_identity"] = f"p{rng.integers(60)}"
        if rng.random() < 0.7:
            known["source_clip"] = f"c{rng.integers(150)}" if rng.random() < 0.1 else f"c{number}"
        rows += [_row(f"v{number}:{frame}", label, **known) for frame in range(rng.integers(1, 4))]
    return pd.DataFrame(rows)


def _check(rows: pd.DataFrame, division: Division, splits: set[str] = SPLITS) -> pd.DataFrame:
    """Nothing is lost silently, and no person, clip, video or group stands in two splits."""
    kept = division.rows
    assert len(kept) + sum(division.dropped.values()) == len(rows)
    assert set(kept["path"]) <= set(rows["path"])
    assert (rows.loc[kept.index, "path"] == kept["path"]).all()
    people = pd.concat(
        [kept.set_index("split").get(name, pd.Series()) for name in ("target_identity", "source_identity")]
    )
    for names in (people, *(kept.set_index("split").get(name, pd.Series()) for name in NAMES[2:])):
        found = names.dropna().reset_index().drop_duplicates()
        assert not found[found.columns[1]].duplicated().any()
    assert kept["group"].notna().all()
    counts = kept.groupby(["split", "label"]).size()
    assert set(counts.index) == {(split, label) for split in splits for label in (REAL, FAKE)}
    return kept


@pytest.mark.parametrize("seed", range(12))
def test_nobody_and_no_clip_crosses_and_only_fakes_are_dropped(seed: int) -> None:
    rows = _random(seed)
    division = identity_disjoint(rows, SHARES, seed)
    kept = _check(rows, division)
    assert (kept["label"] == REAL).sum() == (rows["label"] == REAL).sum()
    assert set(division.dropped) <= {APART}
    assert division.name == f"identity_disjoint (seed {seed})"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_neither_the_order_of_rows_nor_their_index_matters(protocol: str, seed: int) -> None:
    rows = _random(seed)
    other = rows.sample(frac=1, random_state=seed).reset_index(drop=True)
    one, two = (
        PROTOCOLS[protocol](table, SHARES, 0).rows.set_index("path")[["split", "group"]].sort_index()
        for table in (rows, other)
    )
    pd.testing.assert_frame_equal(one, two)


def test_the_split_is_the_same_on_every_machine() -> None:
    # Written down once: a change would silently train on what others tested on.
    rows = identity_disjoint(_swapped(12, clips=1, nameless=6), SHARES, 0).rows
    split_of = rows[rows["label"] == REAL].set_index("path")["split"]
    assert sorted(split_of.index[split_of == "test"]) == ["n5", "r0_0", "r1_0", "r9_0"]
    assert sorted(split_of.index[split_of == "val"]) == ["n2", "r2_0", "r8_0"]


def test_another_seed_gives_another_split() -> None:
    one, two = (identity_disjoint(_swapped(30), SHARES, seed).rows.set_index("path")["split"] for seed in (0, 1))
    reals = one.index[one.index.str.startswith("r")]
    assert not one[reals].equals(two[reals])


@pytest.mark.parametrize("seed", range(4))
def test_reals_meet_the_shares_with_and_without_a_name(seed: int) -> None:
    rows = _swapped(50, nameless=100, seed=seed)
    kept = _check(rows, identity_disjoint(rows, SHARES, seed))
    for start, count in {"r": 150, "n": 100}.items():
        part = kept[kept["path"].str.startswith(start)]["split"].value_counts()
        assert abs(part["val"] - 0.1 * count) <= 3
        assert abs(part["test"] - 0.2 * count) <= 3


def test_people_with_many_videos_weigh_more() -> None:
    rows = pd.concat(
        [_swapped(40, clips=1, nameless=0), _swapped(20, clips=15, nameless=0).replace("^(.)", r"\1x", regex=True)]
    )
    rows = rows.assign(dataset="set").reset_index(drop=True)
    kept = identity_disjoint(rows, SHARES, 0).rows
    reals = kept[kept["label"] == REAL]["split"].value_counts(normalize=True)
    assert abs(reals["val"] - 0.1) < 0.05
    assert abs(reals["test"] - 0.2) < 0.05


def test_pairs_that_are_swapped_with_each_other_lose_next_to_nothing() -> None:
    rows = _pairs(100)
    division = identity_disjoint(rows, SHARES, 0)
    _check(rows, division)
    assert sum(division.dropped.values()) <= 8  # a pair that the last place of a split cuts, at most two


def test_fakes_stay_where_people_are_swapped_among_many() -> None:
    rows = _swapped(40, seed=1)
    division = identity_disjoint(rows, SHARES, 0)
    fakes = (_check(rows, division)["label"] == FAKE).sum()
    # By chance alone, both people of a fake lie in one split with 0.7² + 0.1² + 0.2² = 0.54.
    assert fakes > 0.6 * (rows["label"] == FAKE).sum()


@pytest.mark.parametrize("seed", range(3))
def test_few_people_reach_every_split(seed: int) -> None:
    rows = _swapped(9, clips=2, partners=3, nameless=3)
    kept = _check(rows, identity_disjoint(rows, SHARES, seed))
    for start in "rn":
        assert set(kept[kept["path"].str.startswith(start)]["split"]) == SPLITS


def test_clips_take_the_place_of_people_where_nobody_is_named() -> None:
    rows = _originals(60, absent=range(10, 20))
    division = identity_disjoint(rows, SHARES, 3)
    kept = _check(rows, division)
    assert (division.name, division.dropped) == ("clip_disjoint (seed 3)", {})
    assert set(kept["group"]) == {f"clip o{number}" for number in range(60)}
    counts = kept[kept["label"] == REAL]["split"].value_counts()
    assert counts.to_dict() == {"train": 35, "val": 5, "test": 10}


def test_images_of_nobody_are_split_one_by_one() -> None:
    rows = pd.DataFrame({"path": [f"{number}.png" for number in range(100)], "label": [0, 1] * 50, "dataset": "set"})
    kept = identity_disjoint(rows, SHARES, 0).rows
    assert kept.groupby(["split", "label"]).size().to_dict() == {
        ("train", 0): 35, ("train", 1): 35, ("val", 0): 5, ("val", 1): 5, ("test", 0): 10, ("test", 1): 10
    }  # fmt: skip


def test_each_data_set_reaches_every_split() -> None:
    small = _swapped(12, clips=1, nameless=0).assign(dataset="small")
    small = small.assign(**{name: "s" + small[name] for name in ("path", *NAMES[:4])})
    rows = pd.concat([_pairs(100).assign(dataset="large"), small], ignore_index=True)
    kept = _check(rows, identity_disjoint(rows, SHARES, 0))
    reals = kept[kept["label"] == REAL].groupby(["dataset", "split"]).size()
    assert {split for dataset, split in reals.index if dataset == "small"} == SPLITS


def test_the_official_split_is_not_looked_at() -> None:
    rows = _swapped(20)
    one = identity_disjoint(rows, SHARES, 0).rows
    two = identity_disjoint(rows.assign(split="test"), SHARES, 0).rows
    assert one["split"].equals(two["split"])


def test_no_share_is_no_split_and_drops_nothing() -> None:
    rows = _swapped(5, nameless=0)
    division = identity_disjoint(rows, {"val": 0.0, "test": 0.0}, 0)
    assert (division.name, division.dropped, set(division.rows["split"])) == ("identity_disjoint", {}, {"train"})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            _swapped(5, partners=2, nameless=0),
            r"5 people and clips cannot fill 3 splits \(train, val, test\): .* no fake",
        ),
        (_originals(2), "2 people and clips cannot fill 3 splits .*: val would get no real image"),
    ],
)
def test_too_few_people_are_refused(rows: pd.DataFrame, message: str) -> None:
    with pytest.raises(UserError, match=message):
        identity_disjoint(rows, SHARES, 0)


def test_the_official_split_is_honoured_and_leaks_in_it_are_not_its_to_mend() -> None:
    rows = _swapped(12)
    given = ["train", "val", "test"] * (len(rows) // 3 + 1)
    rows = rows.assign(split=given[: len(rows)])
    division = official(rows, SHARES, 0)
    assert (division.name, division.dropped) == ("official", {})
    assert division.rows["split"].equals(rows["split"])
    # A face and its swaps are one group, so that an interval counts them once.
    assert list(division.rows["group"]) == list(rows["source_clip"])


def test_the_group_is_what_is_known_of_group_video_clip_and_path() -> None:
    rows = pd.DataFrame(
        {
            "path": ["a", "b", "c", "d"], "label": [0, 1, 0, 1], "split": "test",
            "group": ["g", None, None, None], "video": ["v", "v", None, None], "source_clip": ["c", "c", "c", None],
        }
    )  # fmt: skip
    assert list(official(rows, SHARES, 0).rows["group"]) == ["g", "c", "c", "d"]
    assert list(official(rows.drop(columns=["group", "video"]), SHARES, 0).rows["group"]) == ["c", "c", "c", "d"]


def test_test_data_alone_stays_so() -> None:
    rows = _swapped(5).assign(split="test")
    division = official(rows, SHARES, 0)
    assert (division.name, set(division.rows["split"]), len(division.rows)) == ("official", {"test"}, len(rows))


@pytest.mark.parametrize("seed", range(3))
def test_a_lacking_validation_split_is_cut_from_training_by_identity(seed: int) -> None:
    rows = _swapped(40, seed=seed)
    listed = rows["path"].str.contains(r"_0$")
    rows = rows.assign(split=np.where(listed, "test", "train"))
    division = official(rows, SHARES, seed)
    assert division.name == f"official, validation cut by identity (seed {seed})"
    assert set(division.dropped) == {APART}
    kept = division.rows
    assert set(kept.index[kept["split"] == "test"]) == set(rows.index[listed])
    inside = kept["split"] != "test"
    _check(rows[~listed], Division("", kept[inside], division.dropped), {"train", "val"})
    assert list(kept["group"]) == list(kept["source_clip"])
    reals = kept[inside & (kept["label"] == REAL)]["split"].value_counts(normalize=True)
    assert abs(reals["val"] - 0.1) < 0.03


def test_it_is_cut_by_clip_where_nobody_is_named_and_not_at_all_without_a_share() -> None:
    rows = _originals(30)
    rows = rows.assign(split=np.where(rows["source_clip"].str.len() == 2, "test", "train"))
    division = official(rows, SHARES, 5)
    assert division.name == "official, validation cut by clip (seed 5)"
    _check(rows, division)
    assert official(rows, {"val": 0.0, "test": 0.0}, 5).name == "official"
    training = official(rows[rows["split"] == "train"], SHARES, 5)
    assert training.name == "official, validation and test cut by clip (seed 5)"
    _check(rows[rows["split"] == "train"], training)


@pytest.mark.parametrize("column", [True, False])
def test_without_an_official_split_all_is_cut(column: bool) -> None:
    rows = _swapped(30)
    division = official(rows.assign(split=None) if column else rows, SHARES, 0)
    assert division.name == "no official split, identity_disjoint (seed 0)"
    assert division.rows["split"].equals(identity_disjoint(rows, SHARES, 0).rows["split"])


def test_rows_that_the_official_split_does_not_name_are_counted() -> None:
    rows = _swapped(12).assign(split=pd.array(["train", "val", "test", None, "test"] * 40, dtype="string"))
    division = official(rows, SHARES, 0)
    assert division.dropped == {NO_SPLIT: 40}
    assert list(division.rows.index) == list(rows.index[rows["split"].notna()])
