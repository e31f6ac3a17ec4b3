from pathlib import Path
from typing import Any

import pytest

from fakedet.data.benchmarks.community_forensics import CommunityForensics
from fakedet.data.miniatures import clutter, make_tree
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError

OPTIONS: dict[str, Any] = {
    "batch_size": 4, "workers": 0, "balance": ["label"], "limit": None, "val_share": 0.25, "test_share": 0.25,
    "split_seed": 0, "max_unreadable": 0.01, "spec": PreprocessSpec(size=32),
}  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_tree("community_forensics", tmp_path / "pictures")


def _data(root: Path, **options: Any) -> CommunityForensics:
    return CommunityForensics(root=str(root), **{**OPTIONS, **options})


def test_a_tree_is_read_in_place(tree: Path) -> None:
    clutter(tree)
    data = _data(tree).prepare()
    assert len(data.rows) == 48
    for row in data.rows.itertuples():
        generator, kind, _ = str(row.path).split("/")
        assert row.label == {"real": 0, "fake": 1}[kind]
        assert row.method == ("real" if kind == "real" else generator)
    assert set(data.rows["split"]) == {"train", "val", "test"}
    assert not data.has_own_splits
    few = _data(tree, generators=["dalle3"]).prepare().rows
    assert set(few["method"]) == {"real", "dalle3"}
    assert len(few) == 16


def test_splits_that_exist_are_honoured(tree: Path) -> None:
    for split, name in (("train", "dalle3"), ("val", "flux1_dev"), ("test", "midjourney_v6")):
        (tree / split).mkdir()
        (tree / name).rename(tree / split / name)
    rows = _data(tree).prepare().rows
    assert {str(split): set(part["method"]) for split, part in rows.groupby("split")} == {
        "train": {"real", "dalle3"}, "val": {"real", "flux1_dev"}, "test": {"real", "midjourney_v6"},
    }  # fmt: skip


def test_other_trees_are_refused(tree: Path, tmp_path: Path) -> None:
    for wrong in (tree / "dalle3", tree.parent):
        with pytest.raises(UserError, match=rf"does not hold generators .*did you mean {tree}\?"):
            _data(wrong).scan(wrong)
    (tmp_path / "own" / "train" / "real").mkdir(parents=True)
    with pytest.raises(UserError, match=r"train/real names no generator: .* are data=folder"):
        _data(tmp_path / "own").scan(tmp_path / "own")
    with pytest.raises(UserError, match=r"holds no dale3 .did you mean dalle3\?"):
        _data(tree, generators=["dale3"]).index()
