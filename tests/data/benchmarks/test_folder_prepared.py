"""A folder of one's own on its way through `prepare.py`: videos, pictures, both, and a table that names them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig

from fakedet.data import prepared
from fakedet.data.benchmarks.folder import Folder
from fakedet.data.miniatures.files import write_picture, write_video
from fakedet.data.prepare import prepare
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError
from fakedet.instantiation import instantiate

Compose = Callable[..., DictConfig]
OPTIONS: dict[str, Any] = {
    "batch_size": 4, "workers": 0, "balance": ["label"], "limit": None, "val_share": 0.25, "test_share": 0.25,
    "split_seed": 0, "max_unreadable": 0.01, "spec": PreprocessSpec(size=32),
}  # fmt: skip


def _data(root: Path, **options: Any) -> Folder:
    return Folder(root=str(root), **{**OPTIONS, **options})


def _write(path: Path, shade: int) -> None:
    image = np.full((48, 64, 3), shade, np.uint8)
    if path.suffix == ".mp4":
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, [image] * 4)
    else:
        write_picture(path, image)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Six videos and two pictures of either class; `labels.csv` names pairs of files as one `scene`."""
    root, lines = tmp_path / "own", ["file,label,scene"]
    for number in range(8):
        for label, folder in enumerate(("real", "fake")):
            name = f"{folder}/{'swap/' if label else ''}c{number}.{'mp4' if number < 6 else 'png'}"
            _write(root / name, 20 * number + label)
            lines.append(f"{name},{folder},s{number // 2}")
    (root / "labels.csv").write_text("\n".join(lines))
    return root


def _prepare(compose: Compose, raw: Path, root: Path, *overrides: str) -> Path:
    chosen = [f"data.raw={raw}", f"data.root={root}", "faces=false", "frames=2", "workers=1"]
    prepare(compose("prepare", "data=folder", *chosen, *overrides))  # type: ignore[arg-type]
    return root


def test_videos_and_pictures_are_found_beside_each_other(clips: Path) -> None:
    (clips / "real" / "notes.txt").touch()
    (clips / "real" / "._c0.mp4").touch()
    found = _data(clips).scan_all(clips)
    assert found.strange == {"real/notes.txt": "it is neither a picture nor a video by its name"}
    rows = found.rows.set_index("path")
    assert rows["medium"].value_counts().to_dict() == {"video": 12, "image": 4}
    assert rows["video"]["fake/swap/c0.mp4"] == "own/fake/swap/c0.mp4"
    assert rows["video"][rows["medium"] == "image"].isna().all()
    assert (rows["group"] == rows.index).all()
    assert set(rows["method"]) == {"real", "swap"}
    assert set(rows["dataset"]) == {"own"}


@pytest.mark.parametrize("suffix", ["MP4", "avi", "mov", "mkv", "webm"])
def test_videos_are_known_by_their_suffix_and_not_trained_on_in_place(tmp_path: Path, suffix: str) -> None:
    for folder in ("1_fake", "0_real"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jpg").touch()
    (tmp_path / "1_fake" / f"b.{suffix}").touch()
    assert (_data(tmp_path).scan_all(tmp_path).rows["medium"] == "video").sum() == 1
    with pytest.raises(
        UserError, match=rf"holds videos .1_fake/b.{suffix}.*prepare.py data=folder data.raw={tmp_path}"
    ):
        _data(tmp_path).index()


def test_methods_of_fakes_that_nobody_names_are_unknown(clips: Path) -> None:
    rows = _data(clips, group_by="scene").scan_all(clips).rows
    assert dict(zip(rows["label"], rows["method"], strict=True)) == {0: "real", 1: "unknown"}
    for file in (clips / "fake" / "swap").iterdir():
        file.rename(clips / "fake" / file.name)
    rows = _data(clips).scan_all(clips).rows
    assert dict(zip(rows["label"], rows["method"], strict=True)) == {0: "real", 1: "unknown"}


def test_tables_name_videos_too(clips: Path) -> None:
    rows = _data(clips, group_by="scene").scan_all(clips).rows
    assert rows["group"].value_counts().to_dict() == {f"s{number}": 4 for number in range(4)}
    assert rows["medium"].value_counts().to_dict() == {"video": 12, "image": 4}
    (clips / "real" / "c1.mp4").unlink()
    with pytest.raises(UserError, match=rf"1 of 16 files of the table are not below data.raw={clips}"):
        _data(clips, group_by="scene").scan_all(clips)
    found = _data(clips, group_by="scene", max_unreadable=0.1).scan_all(clips)
    assert found.strange == {"real/c1.mp4": "the table names it, but it is not there"}
    assert len(found.rows) == 15


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.assign(split=["train", *[None] * 15]), "15 rows have no split while others have one"),
        (
            lambda table: table.assign(split=["train", "test"] * 8),
            "4 groups stand in more than one of the given splits",
        ),
        (lambda table: pd.concat([table, table.head(1)]), "The table in data.raw=.* names real/c0.mp4 twice"),
        (lambda table: table.assign(scene=[None, *table["scene"][1:]]), "1 rows of .* have no group: scene is empty"),
        (lambda table: table.assign(label="real"), "data.raw=.* holds no fake image"),
    ],
)
def test_what_training_would_refuse_is_refused_before_the_work(
    clips: Path, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    change(pd.read_csv(clips / "labels.csv")).to_csv(clips / "labels.csv", index=False)
    with pytest.raises(UserError, match=message):
        _data(clips, group_by="scene").scan_all(clips)


def test_another_level_is_named_as_it_was_given(clips: Path) -> None:
    with pytest.raises(UserError, match=rf"has no class folders .*did you mean data.raw={clips}\?"):
        _data(clips).scan_all(clips.parent)


def test_groups_and_methods_survive_the_preparation(clips: Path, compose: Compose, tmp_path: Path) -> None:
    root = _prepare(compose, clips, tmp_path / "prepared", "data.group_by=scene")
    data = instantiate(compose("train", "data=folder", f"data.root={root}").data, spec=PreprocessSpec(size=32))
    rows = data.prepare().rows
    assert len(rows) == 12 * 2 + 4
    assert rows.groupby("group").size().to_dict() == {"s0": 8, "s1": 8, "s2": 8, "s3": 4}
    assert rows.groupby("group")["split"].nunique().max() == 1
    assert set(rows["split"]) == {"train", "val", "test"}
    assert set(rows["dataset"]) == {"own"}
    frames = rows[rows["video"] == "own/real/c2.mp4"]
    assert frames["group"].tolist() == ["s1", "s1"]
    assert data.crops is None
    assert data.protocol_name == "by group"
    assert next(iter(data.evaluation_loader(rows)))["image"].shape == (len(rows), 3, 32, 32)


def test_frames_of_a_video_share_a_split(clips: Path, compose: Compose, tmp_path: Path) -> None:
    root = _prepare(compose, clips, tmp_path / "prepared")
    rows = _data(root).prepare().rows
    assert set(rows["group"]) == {file.relative_to(clips).as_posix() for file in clips.rglob("c*.*")}
    assert rows.groupby("group")["split"].nunique().max() == 1
    assert set(rows.loc[rows["label"] == 1, "method"]) == {"swap"}


def test_splits_survive_the_preparation(clips: Path, compose: Compose, tmp_path: Path) -> None:
    raw = tmp_path / "split"
    for folder in ("real", "fake"):
        for file in (clips / folder).rglob("c*.*"):
            split = "test" if int(file.stem[1:]) % 2 else "train"
            (raw / split / folder).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, raw / split / folder / file.name)
    data = _data(_prepare(compose, raw, tmp_path / "prepared")).prepare()
    assert data.has_own_splits
    assert data.split("test")["path"].str.startswith("crops/test/").all()
    assert len(data.split("test")) == len(data.rows) / 2


def test_what_only_prepare_reads_is_refused_afterwards(clips: Path, compose: Compose, tmp_path: Path) -> None:
    root = _prepare(compose, clips, tmp_path / "prepared")
    for name, value in (("group_by", "scene"), ("manifest", "labels.csv"), ("columns", {"label": "is_fake"})):
        with pytest.raises(UserError, match=rf"data.{name} is prepare.py's to read: data.root={root} is prepared"):
            _data(root, **{name: value}).index()
    (root / prepared.MANIFEST).unlink()
    with pytest.raises(UserError, match="is prepared in part"):
        _data(root).index()
