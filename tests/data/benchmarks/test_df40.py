import json
import shutil
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pytest

from fakedet.data.benchmark import Scan
from fakedet.data.benchmarks.celebdf import LIST, CelebDF
from fakedet.data.benchmarks.df40 import DF40
from fakedet.data.benchmarks.faceforensics import FaceForensics
from fakedet.data.miniatures import clutter, make_tree
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError

OPTIONS: dict[str, Any] = {
    "root": "prepared", "batch_size": 4, "workers": 0, "balance": [], "limit": None, "val_share": 0.1,
    "test_share": 0.1, "split_seed": 0, "max_unreadable": 0.01, "spec": PreprocessSpec(size=32),
}  # fmt: skip
SPLITS = {"train": [("071", "054")], "val": [("720", "672")], "test": [("953", "974")]}
LINES = "1 YouTube-real/00170.mp4\n1 Celeb-real/id1_0003.mp4\n0 Celeb-synthesis/id0_id1_0000.mp4"
REAL = "FaceForensics++/original_sequences/youtube/c23/frames/071/000.png"


def _scan(raw: Path, **options: Any) -> Scan:
    return DF40(**OPTIONS, **options).scan(raw)


def _row(raw: Path, path: str) -> dict[Hashable, Any]:
    found = _scan(raw)
    assert found.strange == {}
    return next(row for row in found.rows.to_dict("records") if row["path"] == path)


def _touch(raw: Path, *paths: str) -> None:
    for path in paths:
        (raw / path).parent.mkdir(parents=True, exist_ok=True)
        (raw / path).touch()


def _tree(raw: Path, *paths: str) -> Path:
    """Empty crops, and both lists."""
    _touch(raw, "simswap/ff/frames/071_054/000.png", *paths)
    (raw / "splits").mkdir()
    for name, pairs in SPLITS.items():
        (raw / "splits" / f"{name}.json").write_text(json.dumps(pairs))
    (raw / LIST).write_text(LINES)
    return raw


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("three")
    return {name: make_tree(name, root / name, frames=4) for name in ("df40", "faceforensics", "celebdf")}


def test_people_clips_and_splits_are_those_of_the_two_sets(trees: dict[str, Path]) -> None:
    clutter(trees["df40"])
    options = {"ffpp_splits": str(trees["faceforensics"] / "splits"), "celebdf_list": str(trees["celebdf"] / LIST)}
    found = _scan(trees["df40"], **options)
    assert found.strange == {}
    assert len(found.rows) == 72
    assert found.rows["method"].value_counts().to_dict() == {"simswap": 36, "fomm": 36}
    videos = found.rows.drop_duplicates("video")
    assert len(videos) == 18
    columns = ["name", "source_clip", "target_identity", "source_identity", "split"]
    made = videos.assign(name=videos["video"].str.split("/").str[-1])[columns].drop_duplicates().set_index("name")
    for data, name, method in ((FaceForensics, "faceforensics", "Deepfakes"), (CelebDF, "celebdf", "Celeb-synthesis")):
        rows = data(**OPTIONS).scan_all(trees[name]).rows
        rows = rows[rows["method"] == method]
        theirs = rows.assign(name=[Path(path).stem for path in rows["path"]])[columns].set_index("name")
        shared = sorted(set(made.index) & set(theirs.index))
        assert len(shared) == {"faceforensics": 6, "celebdf": 3}[name]
        assert made.loc[shared].to_dict() == theirs.loc[shared].to_dict()


def test_crops_know_their_video_and_frame(tmp_path: Path) -> None:
    raw = _tree(tmp_path, "simswap/ff/frames/071_054/131.png", "fomm/cdf/frames/id0_id1_0000/007.png")
    row = _row(raw, "simswap/ff/frames/071_054/131.png")
    assert (row["video"], row["frame"], row["label"]) == ("df40/simswap/ff/071_054", 131, 1)
    row = _row(raw, "fomm/cdf/frames/id0_id1_0000/007.png")
    assert (row["video"], row["frame"], row["label"]) == ("df40/fomm/cdf/id0_id1_0000", 7, 1)


@pytest.mark.parametrize(
    ("path", "video", "clip", "split"),
    [
        ("VQGAN/ff/953/013158.png", "VQGAN/ff/953", "ffpp:953", "test"),
        ("VQGAN/cdf/Fake_from_Celeb-real/id1_0003/8.png", "VQGAN/cdf/id1_0003", "celebdf:id1_0003", "test"),
        ("VQGAN/cdf/Fake_from_Youtube-real/00170/8.png", "VQGAN/cdf/00170", "celebdf:youtube/00170", "test"),
        ("SiT/cdf/Celeb-real/id1_0004/8.png", "SiT/cdf/id1_0004", "celebdf:id1_0004", "train"),
        ("simswap/cdf/frames/id0_id1_0001/8.png", "simswap/cdf/id0_id1_0001", "celebdf:id0_0001", "train"),
        ("DF40/simswap/ff/frames/720_672/8.png", "simswap/ff/720_672", "ffpp:720", "val"),
        ("DF40_train/simswap/frames/054_071/8.png", "simswap/ff/054_071", "ffpp:054", "train"),
        ("DF40_train/StyleGAN2/054/seed0188.png", "StyleGAN2/ff/054", "ffpp:054", "train"),
        ("blendface/blendface/ff/frames/720_672/8.png", "blendface/ff/720_672", "ffpp:720", "val"),
        (REAL, "real/ff/071", "ffpp:071", "train"),
        ("Celeb-DF-v2/Celeb-real/frames/id1_0003/8.png", "real/cdf/id1_0003", "celebdf:id1_0003", "test"),
        ("Celeb-DF-v2/YouTube-real/frames/00171/8.png", "real/cdf/00171", "celebdf:youtube/00171", "train"),
        ("real/ff/frames/953/8.png", "real/ff/953", "ffpp:953", "test"),
        ("original/cdf/frames/id1_0003/8.png", "real/cdf/id1_0003", "celebdf:id1_0003", "test"),
    ],
)
def test_the_layouts_of_the_release(tmp_path: Path, path: str, video: str, clip: str, split: str) -> None:
    row = _row(_tree(tmp_path, path), path)
    assert (row["video"], row["source_clip"], row["split"]) == (f"df40/{video}", clip, split)
    assert row["label"] == int(not video.startswith("real"))
    assert row["method"] == video.split("/")[0]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("simswap/ff/frames/71_54/000.png", "is called neither like 071 nor like 071_054"),
        ("simswap/ff/frames/071_953/000.png", "071 is in train but 953 in test"),
        ("simswap/ff/frames/id0_id1_0000/000.png", "is called neither like 071 nor like 071_054"),
        ("simswap/cdf/frames/071_054/000.png", "is called neither like id0_0000"),
        ("e4e/ff/inversions/00001.jpg", "is called neither like 071 nor like 071_054"),
        ("real/ff/frames/071_054/000.png", "lies with the real crops, but its folder is called like a fake"),
        ("simswap/ff/masks/071_054/000.png", "does not lie in METHOD/{ff,cdf}/frames/VIDEO"),
        ("FaceForensics++/manipulated_sequences/Deepfakes/c23/frames/071_054/000.png", "does not lie in METHOD/"),
        ("FaceForensics++/original_sequences/youtube/c40/frames/071/000.png", "does not lie in METHOD/"),
        ("heygen/fake/frames/12/000.png", "read its method with data=folder"),
        ("MidJourney/real/000.png", "read its method with data=folder"),
        ("CollabDiff/fake/12/000.png", "read its method with data=folder"),
        ("000.png", "does not lie in METHOD/"),
    ],
)
def test_strange_files_are_reported_with_their_reason(tmp_path: Path, path: str, reason: str) -> None:
    found = _scan(_tree(tmp_path, path))
    assert list(found.strange) == [path]
    assert reason in found.strange[path]
    assert len(found.rows) == 1


def test_a_list_is_needed_by_the_crops_of_its_set_alone(tmp_path: Path) -> None:
    raw = _tree(tmp_path)
    (raw / LIST).unlink()
    assert len(_scan(raw).rows) == 1
    shutil.move(raw / "splits", raw / "elsewhere")
    with pytest.raises(UserError, match=r"splits/train.json is missing: take .* from dataset/splits"):
        _scan(raw)
    assert len(_scan(raw, ffpp_splits=str(raw / "elsewhere")).rows) == 1
    _touch(raw, "simswap/cdf/frames/id0_id1_0000/000.png")
    with pytest.raises(UserError, match=rf"{LIST} is missing: it comes with the download"):
        _scan(raw, ffpp_splits=str(raw / "elsewhere"))


def test_the_release_ships_fakes_alone_and_is_read_in_place_with_the_reals(tmp_path: Path) -> None:
    raw = _tree(tmp_path)
    assert set(DF40(**OPTIONS).scan_all(raw).rows["label"]) == {1}
    reals = [REAL.replace("071", number) for number in ("071", "720", "953")]
    _touch(raw, "simswap/ff/frames/720_672/000.png", "simswap/ff/frames/953_974/000.png", *reals)
    data = DF40(**{**OPTIONS, "root": str(raw)}).prepare()
    assert data.rows.groupby(["split", "label"]).size().to_dict() == {
        (split, label): 1 for split in ("train", "val", "test") for label in (0, 1)
    }


@pytest.mark.parametrize("given", ["simswap", "simswap/ff", "simswap/ff/frames", "..", "../.."])
def test_a_wrong_level_is_named(tmp_path: Path, given: str) -> None:
    raw = _tree(tmp_path / "here" / "sets" / "methods")
    with pytest.raises(UserError, match=rf"does not hold DF40's folders, .*; did you mean .*{raw}\?"):
        _scan((raw / given).resolve())


@pytest.mark.parametrize("name", ["DF40", "DF40_train"])
def test_the_folder_above_the_methods_is_right_too(tmp_path: Path, name: str) -> None:
    raw = _tree(tmp_path / "datasets")
    (raw / name).mkdir()
    shutil.move(raw / "simswap", raw / name)
    assert _row(raw, f"{name}/simswap/ff/frames/071_054/000.png")["source_clip"] == "ffpp:071"
