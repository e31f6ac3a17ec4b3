import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from omegaconf import DictConfig

from fakedet.data import manifest, prepared
from fakedet.data.benchmarks.genimage import GenImage
from fakedet.data.miniatures import clutter, make_tree
from fakedet.data.prepare import prepare
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError

OPTIONS: dict[str, Any] = {
    "batch_size": 4, "workers": 0, "balance": ["label"], "limit": None, "val_share": 0.25, "test_share": 0.25,
    "split_seed": 0, "max_unreadable": 0.01, "spec": PreprocessSpec(size=32),
}  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tree("genimage", tmp_path_factory.mktemp("sets") / "GenImage")


def _data(root: Path, **options: Any) -> GenImage:
    return GenImage(root=str(root), **{**OPTIONS, **options})


def test_a_download_is_read_in_place(tree: Path) -> None:
    data = _data(tree).prepare()
    rows = data.rows
    assert len(rows) == 72
    for row in rows.itertuples():
        generator, split, kind, _ = str(row.path).split("/")
        assert row.label == {"nature": 0, "ai": 1}[kind]
        assert row.method == ("real" if kind == "nature" else generator)
        assert (row.split == "test") == (split == "val")
    assert data.has_own_splits
    assert data.protocol_name.startswith("genimage official")
    assert set(rows["split"]) == {"train", "val", "test"}
    batch = next(iter(data.test_dataloader()))
    assert batch["image"].shape == (4, 3, 32, 32)


def test_a_photograph_is_known_by_its_name(tmp_path: Path) -> None:
    names = {
        "a/train/nature/n03495258_20762.JPEG": "imagenet:n03495258_20762",
        "b/train/nature/n03495258_20762.JPEG": "imagenet:n03495258_20762",
        "a/val/nature/ILSVRC2012_val_00000378_n02106550.JPEG": "imagenet:ILSVRC2012_val_00000378",
        "a/val/nature/mine.png": "picture genimage/a/val/nature/mine.png",
        "a/train/ai/n03495258_20762.png": "picture genimage/a/train/ai/n03495258_20762.png",
    }
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    rows = _data(tmp_path).scan_all(tmp_path).rows
    assert dict(zip(rows["path"], rows["source_clip"], strict=True)) == names


def test_the_folders_of_the_archives_may_stay(tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree / "BigGAN", tmp_path / "BigGAN" / "imagenet_ai_0419_biggan")
    shutil.copytree(tree / "Midjourney", tmp_path / "imagenet_midjourney")
    clutter(tmp_path)
    found = _data(tmp_path).scan_all(tmp_path)
    assert not found.strange
    fakes = found.rows[found.rows["label"] == 1]
    assert fakes["method"].value_counts().to_dict() == {"BigGAN": 12, "imagenet_midjourney": 12}
    assert set(found.rows["split"]) == {"train", "test"}


def test_generators_can_be_chosen(tree: Path) -> None:
    rows = _data(tree, generators=["BigGAN", "Midjourney"]).index()
    assert set(rows["path"].str.split("/").str[0]) == {"BigGAN", "Midjourney"}
    assert len(rows) == 48
    with pytest.raises(
        UserError, match=r"holds no Midjorney .did you mean Midjourney\?.; it holds BigGAN, Midjourney, s"
    ):
        _data(tree, generators=["Midjorney"]).index()
    with pytest.raises(UserError, match=r"is no list; write data.generators=\[BigGAN\]"):
        _data(tree, generators="BigGAN")


@pytest.mark.parametrize("faces", ["null", "true"])
def test_generators_can_be_chosen_before_and_after_a_preparation(
    tree: Path, compose: Callable[..., DictConfig], tmp_path: Path, faces: str
) -> None:
    person = make_tree("folder", tmp_path / "people") / "real" / "person_00.jpg"
    raw = tmp_path / "raw"
    for generator in ("BigGAN", "Midjourney", "ADM"):
        for folder in ("train/ai", "train/nature"):
            (raw / generator / folder).mkdir(parents=True)
            shutil.copyfile(person, raw / generator / folder / f"{generator}.jpg")
    root = tmp_path / "prepared"
    chosen = [f"data.raw={raw}", f"data.root={root}", "data.generators=[ADM,BigGAN]", f"faces={faces}", "workers=1"]
    prepare(compose("prepare", "data=genimage", *chosen))  # type: ignore[arg-type]
    assert set(_data(root).index()["path"].str.split("/").str[1]) == {"ADM", "BigGAN"}
    missed = [f"{generator}/train/ai/none.jpg" for generator in ("ADM", "BigGAN")]
    rows = pd.DataFrame({"path": missed, "label": 1, "dataset": "genimage", "method": ["ADM", "BigGAN"]})
    manifest.write_table(manifest.complete(rows, manifest.PREPARED), root / prepared.MISSED)
    assert _data(root, generators=["ADM"]).faceless()["path"].tolist() == missed[:1]
    rows = _data(root, generators=["ADM"]).index()
    assert rows["method"].tolist() == ["ADM", "real"]
    assert rows["path"].str.startswith("crops/ADM/train/").all()
    with pytest.raises(UserError, match=rf"{root} holds no Midjourney; it holds ADM, BigGAN"):
        _data(root, generators=["Midjourney"]).index()


def test_what_lies_beside_the_classes_is_named(tree: Path, tmp_path: Path) -> None:
    raw = shutil.copytree(tree, tmp_path / "raw")
    shutil.rmtree(raw / "BigGAN" / "train" / "nature")
    (raw / "Midjourney" / "val" / "loose.png").touch()
    (raw / "Midjourney" / "val" / "nature_copy").mkdir()
    (raw / "Midjourney" / "val" / "readme.txt").touch()
    data = _data(raw)
    found = data.scan_all(raw)
    assert set(found.strange) == {"Midjourney/val/loose.png", "Midjourney/val/nature_copy"}
    assert len(found.rows) == 72 - 8
    assert [(part.part, part.wanted, part.found) for part in data.expectations(found.rows, raw)] == [
        ("BigGAN/train/nature", 1, 0)
    ]


def test_another_level_is_refused_and_the_right_one_named(tree: Path) -> None:
    for wrong in (tree / "BigGAN", tree / "BigGAN" / "val", tree.parent):
        with pytest.raises(UserError, match=rf"does not hold generators .*did you mean {tree}\?"):
            _data(wrong).scan(wrong)
