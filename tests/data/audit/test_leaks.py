import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from fakedet.data.audit.fingerprints import fingerprints
from fakedet.data.audit.leaks import Leak, Leaks, find_leaks
from fakedet.data.benchmarks.folder import Folder
from fakedet.detector.image import decode

MakeSet = Callable[..., pd.DataFrame]
Find = Callable[[pd.DataFrame], Leaks]
TRAIN, VAL, TEST = "000.jpg", "006.jpg", "008.jpg"  # a real image of each split; the fake of the pair comes next


@pytest.fixture
def find(tmp_path: Path, open_set: Callable[..., Folder]) -> Find:
    def found(rows: pd.DataFrame) -> Leaks:
        data = open_set(tmp_path, rows)
        return find_leaks(data, fingerprints(data, np.zeros(0, np.int64)), tmp_path)

    return found


def _kinds(leaks: Leaks) -> dict[str, Leak]:
    return {leak.kind: leak for leak in leaks.kinds}


def _named(rows: pd.DataFrame, **columns: dict[str, str]) -> pd.DataFrame:
    """Rows with names of their own in each column, but for the given paths."""
    own = {column: [f"{column}{number}" for number in range(len(rows))] for column in columns}
    rows = rows.assign(**own)
    for column, names in columns.items():
        for path, name in names.items():
            rows.loc[rows["path"] == path, column] = name
    return rows


def test_a_clean_set_shares_nothing_and_what_is_unknown_is_said(tmp_path: Path, make_set: MakeSet, find: Find) -> None:
    leaks = find(_named(make_set(tmp_path, count=30), video={}))
    assert _kinds(leaks) == {
        "video": Leak("video"),
        "person": Leak("person", unknown="not in the manifest"),
        "source clip": Leak("source clip", unknown="not in the manifest"),
        "file": Leak("file"),
        "near-duplicate picture": Leak("near-duplicate picture"),
    }
    assert len(leaks.pairs) == 0
    assert len(leaks.graph) == 0


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("video", {"video": {TRAIN: "shared", VAL: "shared", TEST: "shared"}}),
        ("source clip", {"source_clip": {TRAIN: "shared", VAL: "shared", TEST: "shared"}}),
        # The same person on both sides of a swap.
        (
            "person",
            {"target_identity": {TRAIN: "shared", VAL: "shared"}, "source_identity": {TEST: "shared", "001.jpg": "x"}},
        ),
    ],
)
def test_names_in_several_splits_are_found(
    kind: str, columns: dict[str, dict[str, str]], tmp_path: Path, make_set: MakeSet, find: Find
) -> None:
    leaks = find(_named(make_set(tmp_path, count=30), **columns))
    leak = _kinds(leaks)[kind]
    assert leak.names == ["shared"]
    assert leak.images == 2  # those of val and test have to go
    assert leaks.graph.nodes[(kind, "shared")]["splits"] == {"train": 1, "val": 1, "test": 1}
    assert sum(len(other.names) for other in leaks.kinds) == 1


def test_the_graph_joins_what_one_image_names(tmp_path: Path, make_set: MakeSet, find: Find) -> None:
    names = {"target_identity": {TRAIN: "a", TEST: "a"}, "source_identity": {TRAIN: "b", VAL: "b"}}
    graph = find(_named(make_set(tmp_path, count=30), **names)).graph
    assert set(graph.nodes) == {("person", "a"), ("person", "b")}
    assert set(graph.edges) == {(("person", "a"), ("person", "b"))}


def test_videos_are_in_the_graph_only_where_nothing_better_is_known(
    tmp_path: Path, make_set: MakeSet, find: Find
) -> None:
    names: dict[str, Any] = {"video": {TRAIN: "v", TEST: "v"}, "source_clip": {TRAIN: "c", TEST: "c"}}
    rows = make_set(tmp_path, count=30)
    assert set(find(_named(rows, **names)).graph.nodes) == {("source clip", "c")}
    assert set(find(_named(rows, video=names["video"])).graph.nodes) == {("video", "v")}


def test_equal_files_are_found_once_for_each_later_image(tmp_path: Path, make_set: MakeSet, find: Find) -> None:
    rows = make_set(tmp_path, count=30)
    for copy in (VAL, TEST, "002.jpg"):  # the last is in the same split
        shutil.copyfile(tmp_path / TRAIN, tmp_path / copy)
    leaks = find(rows)
    assert _kinds(leaks)["file"] == Leak("file", [VAL, TEST], 2)
    assert not _kinds(leaks)["near-duplicate picture"].names
    pairs = leaks.pairs.set_index("path")
    assert pairs.loc[TEST].to_dict() == {
        "split": "test", "label": 0, "other": TRAIN, "other_split": "train", "other_label": 0,
        "distance": 0, "correlation": 1.0, "same_file": True,
    }  # fmt: skip
    assert list(pairs.index) == [VAL, TEST]


def test_altered_copies_are_found_in_other_splits_alone(
    tmp_path: Path, make_set: MakeSet, find: Find, save: Callable[..., None]
) -> None:
    rows = make_set(tmp_path, count=30)
    image = decode(tmp_path / TRAIN)
    save(tmp_path / TEST, image, quality=40)
    save(tmp_path / "009.jpg", cv2.resize(image, (40, 40), interpolation=cv2.INTER_AREA))
    save(tmp_path / "001.jpg", image, quality=60)  # the fake made from it, in the same split
    leaks = find(rows)
    leak = _kinds(leaks)["near-duplicate picture"]
    assert sorted(leak.names) == [TEST, "009.jpg"]
    assert leak.images == 2
    assert set(leaks.pairs["other"]) == {TRAIN, "001.jpg"}
    assert leaks.pairs["correlation"].between(0.95, 1).all()
    assert not leaks.pairs["same_file"].any()


def test_an_equal_hash_alone_is_no_duplicate(tmp_path: Path, make_set: MakeSet, find: Find) -> None:
    leaks = find(make_set(tmp_path, count=30).assign(phash="0123456789abcdef"))
    assert not _kinds(leaks)["near-duplicate picture"].names


def test_classes_in_one_split_may_be_alike(tmp_path: Path, make_set: MakeSet, find: Find) -> None:
    rows = make_set(tmp_path, count=30)
    for number in range(0, 30, 2):
        shutil.copyfile(tmp_path / f"{number:03d}.jpg", tmp_path / f"{number + 1:03d}.jpg")
    leaks = find(rows)
    assert not any(leak.names for leak in leaks.kinds)


def test_one_split_has_nothing_to_share_with(tmp_path: Path, make_set: MakeSet, find: Find) -> None:
    leaks = find(make_set(tmp_path, count=30).assign(split="test"))
    assert {leak.unknown for leak in leaks.kinds} == {"there is one split only"}
    assert len(leaks.pairs) == 0
