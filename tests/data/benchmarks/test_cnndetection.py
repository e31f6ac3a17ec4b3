import shutil
from pathlib import Path
from typing import Any

import pytest

from fakedet.data.benchmarks.cnndetection import CNNDetection
from fakedet.data.miniatures import clutter, make_tree
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError

OPTIONS: dict[str, Any] = {
    "batch_size": 4, "workers": 0, "balance": ["label"], "limit": None, "val_share": 0.25, "test_share": 0.25,
    "split_seed": 0, "max_unreadable": 0.01, "spec": PreprocessSpec(size=32),
}  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tree("cnndetection", tmp_path_factory.mktemp("sets") / "dataset")


def _data(root: Path, **options: Any) -> CNNDetection:
    return CNNDetection(root=str(root), **{**OPTIONS, **options})


def _touch(root: Path, *folders: str) -> None:
    for folder in folders:
        for kind in ("0_real", "1_fake"):
            (root / folder / kind).mkdir(parents=True)
            (root / folder / kind / "0.png").touch()


def test_a_download_is_read_in_place(tree: Path) -> None:
    data = _data(tree).prepare()
    assert len(data.rows) == 80
    for row in data.rows.itertuples():
        split, generator, *_, kind, _ = str(row.path).split("/")
        assert row.split == split
        assert row.label == {"0_real": 0, "1_fake": 1}[kind]
        assert row.method == ("real" if kind == "0_real" else generator)
    assert data.protocol_name == "cnndetection official"
    assert next(iter(data.test_dataloader()))["image"].shape == (4, 3, 32, 32)


def test_the_release_leaves_progan_out_and_has_a_class_called_train(tmp_path: Path) -> None:
    _touch(
        tmp_path, "train/airplane", "train/train", "val/train", "test/progan/train", "test/stylegan2/cat", "test/san"
    )
    found = _data(tmp_path).scan_all(tmp_path)
    fakes = found.rows[found.rows["label"] == 1].set_index("path")
    assert fakes["method"].to_dict() == {
        "train/airplane/1_fake/0.png": "progan", "train/train/1_fake/0.png": "progan",
        "val/train/1_fake/0.png": "progan", "test/progan/train/1_fake/0.png": "progan",
        "test/stylegan2/cat/1_fake/0.png": "stylegan2", "test/san/1_fake/0.png": "san",
    }  # fmt: skip
    assert (fakes["split"] == [path.split("/")[0] for path in fakes.index]).all()


def test_archives_may_be_unpacked_under_their_names(tree: Path, tmp_path: Path) -> None:
    names = {"train": "progan_train", "val": "progan_val", "test": "CNN_synth_testset"}
    for split, name in names.items():
        shutil.copytree(tree / split, tmp_path / name)
    clutter(tmp_path)
    rows = _data(tmp_path).scan_all(tmp_path).rows
    assert rows["split"].value_counts().to_dict() == {"test": 48, "train": 16, "val": 16}
    assert set(rows["method"]) == {"real", "progan", "cyclegan", "stargan", "deepfake"}


def test_the_test_set_alone_has_no_splits(tree: Path) -> None:
    data = _data(tree / "test", generators=["cyclegan", "stargan"]).prepare()
    assert not data.has_own_splits
    assert set(data.rows["method"]) == {"real", "cyclegan", "stargan"}
    assert set(data.rows["split"]) == {"train", "val", "test"}


def test_the_training_set_alone_is_all_progan(tmp_path: Path) -> None:
    _touch(tmp_path, "train", "horse")
    rows = _data(tmp_path).scan_all(tmp_path).rows
    assert rows["method"].value_counts().to_dict() == {"real": 2, "progan": 2}
    assert rows["split"].isna().all()


def test_other_trees_are_refused(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"does not hold 0_real and 1_fake .*did you mean {tree}\?"):
        _data(tree.parent).scan(tree.parent)
    with pytest.raises(UserError, match=r"does not hold 0_real and 1_fake below generators"):
        _data(tmp_path).scan(tmp_path)
    _touch(tmp_path, "train", "val")
    with pytest.raises(UserError, match=r"val/0_real names no generator: .* are data=folder"):
        _data(tmp_path).scan(tmp_path)
    with pytest.raises(UserError, match=r"holds no stargen .did you mean stargan\?"):
        _data(tree, generators=["stargen"]).index()
