import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fakedet.data.identities import Ties, tie

REAL, FAKE = 0, 1


def _rows(*rows: dict[str, Any]) -> pd.DataFrame:
    """Rows with a path of their own, unless they have one."""
    return pd.DataFrame([{"path": f"{number}.png", **row} for number, row in enumerate(rows)])


def _real(**known: str) -> dict[str, Any]:
    return {"label": REAL, **known}


def _fake(
    target: str | None = None, source: str | None = None, clip: str | None = None, **known: str
) -> dict[str, Any]:
    return {"label": FAKE, "target_identity": target, "source_identity": source, "source_clip": clip, **known}


def _needs(ties: Ties, row: int) -> set[str]:
    """Names of the components that a row's video needs."""
    return set(ties.names[ties.needs[ties.needs[:, 0] == ties.video[row], 1]])


def test_people_of_one_clip_are_tied() -> None:
    rows = _rows(
        _real(target_identity="b", source_identity="a", source_clip="two"),
        _real(target_identity="c", source_clip="one"),
        _real(target_identity="d", source_clip="one"),
        _real(target_identity="e", source_clip="own"),
    )
    assert list(tie(rows).group()) == ["person a", "person c", "person c", "person e"]


def test_people_in_frames_of_one_video_are_tied() -> None:
    rows = _rows(
        _real(target_identity="b", video="v", source_clip="x"), _real(target_identity="a", video="v", source_clip="y")
    )
    assert list(tie(rows).group()) == ["person a", "person a"]


def test_a_fake_ties_nobody_and_needs_all() -> None:
    rows = _rows(
        _real(target_identity="a", source_clip="a0"),
        _real(target_identity="b", source_clip="b0"),
        _fake("b", "a", "b0"),
        _fake("b", None, "a0"),
    )
    ties = tie(rows)
    assert list(ties.group()) == ["person a", "person b", "person b", "person b"]
    assert [_needs(ties, row) for row in range(4)] == [
        {"person a"}, {"person b"}, {"person a", "person b"}, {"person a", "person b"}
    ]  # fmt: skip


def test_all_frames_of_a_fake_video_need_the_same() -> None:
    rows = _rows(_fake("a", "b", video="v"), _fake("a", "c", video="v"), _fake("a", "d", video="w"))
    ties = tie(rows)
    assert _needs(ties, 0) == _needs(ties, 1) == {"person a", "person b", "person c"}
    assert _needs(ties, 2) == {"person a", "person d"}


def test_a_clip_that_is_not_there_shows_the_targets_of_its_fakes() -> None:
    ties = tie(_rows(_fake("b", "x", "c"), _fake("a", "y", "c"), _fake("z", "x", "d")))
    assert list(ties.group()) == ["person a", "person a", "person z"]
    assert _needs(ties, 0) == {"person a", "person x"}


def test_real_rows_say_better_than_fakes_who_a_clip_shows() -> None:
    rows = _rows(_real(target_identity="a", source_clip="c"), _fake("b", "x", "c"))
    assert list(tie(rows).group()) == ["person a", "person b"]
    nameless = _rows(_real(source_clip="c"), _fake("b", "x", "c"))
    assert list(tie(nameless).group()) == ["person b", "person b"]


def test_who_names_nobody_stands_for_clip_video_or_itself() -> None:
    rows = _rows(
        _real(source_clip="c", video="v0"), _fake(clip="c", video="v1"), _fake(clip="not there", video="v2"),
        _real(video="v3"), _fake(video="v4"), _fake(video="v4"), _real(), _fake(), _fake(clip="v3"),
    )  # fmt: skip
    assert list(tie(rows).group()) == [
        "clip c", "clip c", "clip not there", "clip v3", "clip v4", "clip v4", "clip 6.png", "clip 7.png", "clip v3",
    ]  # fmt: skip


def test_a_group_that_came_with_the_data_ties_its_rows() -> None:
    rows = _rows(
        _real(target_identity="a", group="g"), _fake("b", "a", group="g"), _fake(group="g"), _fake("c", "b", group="h")
    )
    ties = tie(rows)
    assert list(ties.group()) == ["person a", "person a", "person a", "person c"]
    assert _needs(ties, 1) == {"person a"}


def test_a_person_is_no_clip_of_the_same_name() -> None:
    rows = _rows(_real(target_identity="071", source_clip="a"), _real(target_identity="054", source_clip="071"))
    assert list(tie(rows).group()) == ["person 071", "person 054"]


def test_only_path_and_label_are_needed() -> None:
    ties = tie(pd.DataFrame({"path": ["b", "a"], "label": [0, 1]}))
    assert (list(ties.group()), ties.people) == (["clip b", "clip a"], 0)
    assert ties.swaps() == {}


def test_common_place_of_a_video() -> None:
    ties = tie(
        _rows(_real(target_identity="a"), _fake("a", "b", video="v"), _fake("c", "b", video="v"), _fake("c", "b"))
    )
    place = np.zeros(len(ties.names), np.int64)
    assert list(ties.common(place)) == [0, 0, 0, 0]
    place[list(ties.names).index("person a")] = 2
    assert list(ties.common(place)) == [2, -1, -1, 0]


def test_swaps_count_videos_both_ways() -> None:
    frames = [
        _fake("a", "b", video="v"),
        _fake("a", "b", video="v"),
        _fake("b", "a", video="w"),
        _fake("c", "c", video="x"),
    ]
    swaps = tie(_rows(*frames, _fake("c", "b", video="y"))).swaps()
    assert swaps == {
        "person a": {"person b": 2}, "person b": {"person a": 2, "person c": 1}, "person c": {"person b": 1}
    }  # fmt: skip


def _random(rng: np.random.Generator, count: int = 60) -> pd.DataFrame:
    """People in clips, clips in videos, fakes of anybody; much of it unknown, and some contradictory."""

    def maybe(kind: str, names: int, known: float) -> list[str | None]:
        return [f"{kind}{rng.integers(names)}" if rng.random() < known else None for _ in range(count)]

    rows = pd.DataFrame(
        {
            "path": [f"{number}.png" for number in rng.permutation(count)],
            "label": rng.integers(2, size=count),
            "target_identity": maybe("p", 25, 0.6),
            "source_identity": maybe("p", 25, 0.3),
            "source_clip": maybe("c", 30, 0.6),
            "video": maybe("v", 40, 0.7),
        }
    )
    alone = (rows["label"] == REAL) & (rng.random(count) < 0.8)
    rows.loc[alone, "source_identity"] = None
    return rows


def _slowly(rows: pd.DataFrame) -> list[set[str]]:
    """The components as sets of names, by joining sets until nothing changes."""
    sets: list[set[str]] = []
    records: list[dict[Any, Any]] = rows.to_dict("records")
    named = [row for row in records if row["target_identity"] or row["source_identity"]]
    told = {row["source_clip"] for row in named if row["label"] == REAL}
    for row in records:
        people = {f"person {row[column]}" for column in ("target_identity", "source_identity") if row[column]}
        unit = row["video"] or row["path"]
        clip = row["source_clip"] or (unit if row["label"] == REAL or not people else None)
        clips = {f"clip {clip}"} if clip else set()
        sets += [{name} for name in people | clips]
        if row["label"] == REAL:
            sets.append(people | clips | {f"clip {unit}"})
        elif row["target_identity"] and clip not in told:
            sets.append({f"person {row['target_identity']}"} | clips)
    while pair := next(((one, two) for one, two in itertools.combinations(sets, 2) if one & two), None):
        sets = [members for members in sets if members not in pair] + [pair[0] | pair[1]]
    return sets


@pytest.mark.parametrize("seed", range(15))
def test_components_are_those_that_joining_sets_gives(seed: int) -> None:
    rows = _random(np.random.default_rng(seed)).astype(object).where(lambda table: table.notna(), None)
    ties = tie(rows)
    found: dict[str, set[str]] = {}
    for name, component in zip(ties.names, ties.names[ties.component], strict=True):
        found.setdefault(component, set()).add(name)
    wanted = _slowly(rows)
    used = {name for members in wanted for name in members}
    assert sorted(sorted(members & used) for members in found.values() if members & used) == sorted(map(sorted, wanted))
    nameless = rows["target_identity"].isna() & rows["source_identity"].isna()
    own = rows["source_clip"].isna() & rows["video"].isna() & ((rows["label"] == REAL) | nameless)
    # A picture's path says who is who only where nothing else does.
    late = {f"clip {path}" for path in rows["path"][~own]}
    for component, members in found.items():
        assert component == min(members, key=lambda name: (name.startswith("clip"), name in late, name))


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    rows = _random(np.random.default_rng(seed))
    other = rows.sample(frac=1, random_state=seed)
    one, two = (dict(zip(table["path"], tie(table).group(), strict=True)) for table in (rows, other))
    assert one == two
    assert tie(rows).swaps() == tie(other).swaps()
