import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from fakedet.augment import Pipeline
from fakedet.data.benchmarks.folder import Folder
from fakedet.data.datamodule import LEVELS, UNREADABLE
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError

MakeFolder = Callable[..., Path]


def _data(root: Path, **options: Any) -> Folder:
    defaults: dict[str, Any] = {
        "batch_size": 4, "workers": 0, "balance": list(LEVELS), "limit": None, "val_share": 0.25, "test_share": 0.25,
        "split_seed": 0, "max_unreadable": 0.05, "spec": PreprocessSpec(size=32), "augment": Pipeline(),
    }  # fmt: skip
    return Folder(root=str(root), **{**defaults, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "data.batch_size=0 is not at least 1"),
        ({"workers": -1}, "data.workers=-1 is below 0"),
        ({"limit": 0}, "data.limit=0 is not at least 1"),
        ({"val_share": -0.1}, "data.val_share=-0.1"),
        ({"val_share": 0.5, "test_share": 0.5}, "leave nothing to train on"),
        ({"balance": True}, r"data.balance=True is not a list .*: write data.balance=.label,dataset,method,video."),
        ({"balance": None}, "data.balance=None is not a list"),
        ({"balance": "label"}, "data.balance=label is not a list"),
        (
            {"balance": ["label", "videos"]},
            r"data.balance: videos \(did you mean video\?\) is not one of label, dataset",
        ),
        ({"balance": ["label", "video", "label"]}, "data.balance names label twice"),
    ],
)
def test_nonsense_is_refused_by_name(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        _data(tmp_path, **options)


def test_rows_are_split_limited_and_sorted(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, groups=40, size=8, layout="csv")
    whole = _data(root, group_by="original").prepare().rows
    few = _data(root, group_by="original", limit=24).prepare().rows
    assert (len(whole), len(few)) == (80, 24)
    assert few["split"].value_counts().to_dict() == {"train": 12, "val": 6, "test": 6}
    assert few["path"].is_monotonic_increasing
    assert set(few["path"]) <= set(whole["path"])
    assert (few.merge(whole, on="path")["split_x"] == few.merge(whole, on="path")["split_y"]).all()


def test_a_split_without_a_class_cannot_be_trained_with(make_folder: MakeFolder, tmp_path: Path) -> None:
    data = _data(make_folder(tmp_path, size=8), val_share=0).prepare()
    with pytest.raises(UserError, match="The val split holds no real image"):
        data.check_trainable()


def test_splits_are_numbered_from_zero(make_folder: MakeFolder, tmp_path: Path) -> None:
    data = _data(make_folder(tmp_path, size=8)).prepare()
    for split in ("train", "val", "test"):
        assert list(data.split(split).index) == list(range(len(data.split(split))))
    assert sum(len(data.split(split)) for split in ("train", "val", "test")) == 24


def test_training_draws_classes_and_methods_alike_unless_told_otherwise(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    root = make_folder(tmp_path, groups=40, size=8)
    for number, file in enumerate(sorted((root / "fake").glob("*.jpg"))):
        folder = root / "fake" / ("rare" if number < 10 else "common")
        folder.mkdir(exist_ok=True)
        file.rename(folder / file.name)
    for file in sorted((root / "real").glob("*.jpg"))[:20]:
        file.unlink()
    data = _data(root, val_share=0.1, test_share=0.1).prepare()
    rows = data.split("train")
    drawn = torch.cat([batch["index"] for batch in data.train_dataloader()]).numpy()
    methods = rows["method"].iloc[drawn].value_counts()
    assert abs(methods["real"] - len(drawn) / 2) <= 1
    assert abs(methods["rare"] - methods["common"]) <= 2
    plain = _data(root, val_share=0.1, test_share=0.1, balance=[], batch_size=1).prepare()
    assert sorted(int(batch["index"][0]) for batch in plain.train_dataloader()) == list(range(len(rows)))


def test_training_draws_long_and_short_videos_alike(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, groups=12, per_group=3, size=8, layout="csv")
    table = pd.read_csv(root / "labels.csv")
    # Of the first clip there are three frames, of the others one each.
    table = table[table["original"].eq("o00") | table["file"].str.contains("_0_")]
    table["video"] = table["original"] + table["label"].astype(str)
    table["split"] = table["original"].map({"o10": "val", "o11": "test"}).fillna("train")
    table.to_csv(root / "labels.csv", index=False)
    for balance, expected in {("label", "video"): {1, 2}, ("label",): {3}}.items():
        data = _data(root, balance=list(balance), manifest="labels.csv", batch_size=1).prepare()
        rows = data.split("train")
        drawn = [int(batch["index"][0]) for batch in data.train_dataloader()]
        assert len(drawn) == len(rows) == 24
        videos = rows["video"].iloc[drawn].value_counts()
        assert set(videos[["o000", "o001"]]) <= expected
        assert (rows["label"].iloc[drawn] == 1).sum() == 12


def test_what_is_balanced_may_be_weighed(make_folder: MakeFolder, tmp_path: Path) -> None:
    data = _data(make_folder(tmp_path, size=8), balance=["dataset"], batch_size=1).prepare()
    data.rows["dataset"] = pd.array(["a", "b", "b"] * 8, dtype="string")
    data.weights = {"a": 3.0}
    rows = data.split("train")
    drawn = rows["dataset"].iloc[[int(batch["index"][0]) for batch in data.train_dataloader()]].value_counts()
    assert drawn["a"] == 0.75 * len(rows)


def test_evaluation_sees_every_row_once_and_is_never_balanced(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, groups=20, size=8)
    for file in sorted((root / "real").glob("*.jpg"))[:12]:
        file.unlink()
    data = _data(root).prepare()
    for split, loader in {"val": data.val_dataloader(), "test": data.test_dataloader()}.items():
        batches = list(loader)
        assert torch.cat([batch["index"] for batch in batches]).tolist() == list(range(len(data.split(split))))
        assert torch.cat([batch["label"] for batch in batches]).tolist() == data.split(split)["label"].to_list()


@pytest.mark.parametrize(("batch_size", "sizes"), [(5, [5, 5]), (12, [12]), (100, [12])])
def test_only_whole_batches_are_trained_on_where_there_is_one(
    make_folder: MakeFolder, tmp_path: Path, batch_size: int, sizes: list[int]
) -> None:
    data = _data(make_folder(tmp_path, size=8), batch_size=batch_size).prepare()
    assert [len(batch["label"]) for batch in data.train_dataloader()] == sizes


def test_a_resumed_epoch_goes_on_with_the_next_batch(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, size=8)
    whole = [batch["image"] for batch in _data(root).prepare().train_dataloader()]
    data = _data(root).prepare()
    data.start_at(0, 1)
    rest = [batch["image"] for batch in data.train_dataloader()]
    assert len(rest) == len(whole) - 1 == 2
    assert all(torch.equal(one, other) for one, other in zip(rest, whole[1:], strict=True))


def test_without_augmentation_it_is_for_evaluation_only(make_folder: MakeFolder, tmp_path: Path) -> None:
    data = _data(make_folder(tmp_path, size=8), augment=None).prepare()
    assert len(list(data.test_dataloader())) > 0
    with pytest.raises(ValueError, match="evaluation only"):
        data.train_dataloader()


def test_unreadable_images_are_named_in_the_run(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path / "images", size=8)
    data = _data(root, quarantine_file=tmp_path / "quarantine.csv").prepare()
    broken = data.split("test")["path"][0]
    (root / broken).write_bytes(b"")
    assert sum(len(batch["label"]) for batch in data.test_dataloader()) == len(data.split("test")) - 1
    assert (tmp_path / "quarantine.csv").read_text().splitlines() == ["path,reason", f"{broken},is empty"]


def test_digests_are_of_the_files(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, size=8)
    data = _data(root).prepare()
    (root / data.rows["path"][3]).unlink()
    digests = data.file_digests(data.rows)
    assert digests.dtype == np.int64
    assert digests[3] == UNREADABLE
    first = hashlib.sha256((root / data.rows["path"][0]).read_bytes()).hexdigest()[:16]
    assert int(digests[0]) % 2**64 == int(first, 16)
    assert len(set(digests)) == len(digests)


def test_training_images_that_are_tested_on_are_left_out(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, layout="splits", groups=20, size=8)
    train, test = sorted((root / "train/real").iterdir()), sorted((root / "test/fake").iterdir())
    shutil.copy(test[0], train[0])
    shutil.copy(train[1], train[2])  # twice in training is allowed
    train[3].unlink()
    data = _data(root)
    data.prepare()
    missing = data.split("test")["path"][1]
    (root / missing).unlink()  # unreadable ones are not duplicates of each other
    (root / data.split("train")["path"][0]).unlink()
    before = len(data.rows)
    assert data.leave_out_duplicates() == 1
    assert len(data.rows) == before - 1
    assert train[0].relative_to(root).as_posix() not in set(data.rows["path"])
    assert test[0].relative_to(root).as_posix() in set(data.rows["path"])
    assert data.leave_out_duplicates() == 0


def test_pictures_beside_videos_are_drawn_as_often_as_these(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, groups=60, size=8, layout="csv")
    table = pd.read_csv(root / "labels.csv").assign(split="train")
    table.loc[table["original"].isin(["o58", "o59"]), "split"] = ["val", "val", "test", "test"]
    frames = table["original"] < "o30"  # 30 frames of either class, of three videos; as many pictures
    table["video"] = (table["label"].astype(str) + "/" + table["original"].str[1]).where(frames)
    table["group"] = table["video"].fillna(table["file"])
    table.drop(columns="method").to_csv(root / "labels.csv", index=False)
    data = _data(root, manifest="labels.csv").prepare()
    levels = data.levels(data.split("train"))
    assert levels["video"].notna().all()
    assert levels["video"].nunique() == 6 + 56
    assert data.split("train")["video"].isna().sum() == 56
    alone = _data(make_folder(tmp_path / "other", size=8)).prepare()
    assert alone.levels(alone.split("train"))["video"].isna().all()
