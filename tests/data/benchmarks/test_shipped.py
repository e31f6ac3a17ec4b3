"""The data of the shipped detector: eight folders, each split by itself, prepared for faces and whole pictures."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pandas as pd
import pytest
from omegaconf import DictConfig
from runs import prepare_here

from fakedet.augment import Forger, Pipeline
from fakedet.data import prepared
from fakedet.data.benchmarks.shipped import CROSSING, ELSEWHERE, FRAMED, FRAMING, NAMES, Shipped
from fakedet.data.datamodule import LEVELS
from fakedet.data.forged import ForgedImages
from fakedet.data.manifest import protocol_hash
from fakedet.data.miniatures import clutter, make_tree
from fakedet.detector.image import decode
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError
from fakedet.instantiation import instantiate

OPTIONS: dict[str, Any] = {
    "batch_size": 4, "workers": 0, "balance": list(LEVELS), "limit": None, "val_share": 0.1, "test_share": 0.15,
    "split_seed": 0, "max_unreadable": 0.01, "spec": PreprocessSpec(size=32), "augment": Pipeline(),
}  # fmt: skip
WITH_FACES = ("hard_fake_vs_real", "stylegan1")
BY_GENERATOR = ("many_models", "models_2022")


def _data(root: Path, **options: Any) -> Shipped:
    return Shipped(root=str(root), **{**OPTIONS, **options})


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tree("shipped", tmp_path_factory.mktemp("shipped") / "raw")


@pytest.fixture(scope="module")
def root(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared once, as the detector's data was."""
    folder = tmp_path_factory.mktemp("prepared") / "shipped"
    return prepare_here("shipped", tree, folder, "face.margin=1.0", "whole=always")


def test_what_the_names_say(tree: Path) -> None:
    data = _data(tree)
    found = data.scan_all(tree)
    assert found.strange == {}
    rows = found.rows.set_index("path")
    assert rows.groupby("dataset").size().to_dict() == {
        "dfdc_faces": 12, "hard_fake_vs_real": 12, "many_models": 12, "models_2022": 12, "photographs": 10,
        "photoreal": 8, "stable_diffusion_v1": 8, "stylegan1": 8,
    }  # fmt: skip
    assert (rows["label"] == rows.index.str.contains("/fake/")).all()
    crops = rows["dataset"] == "dfdc_faces"
    assert (rows.loc[~crops, "source_clip"] == rows.index[~crops]).all()
    assert rows.loc["dfdc_faces/fake/swap000003.jpg", "source_clip"] == "dfdc:clip000003"  # as in data=dfdc
    swap, flux = rows.loc["dfdc_faces/fake/swap000003.jpg"], rows.loc["generated/many_models/fake/flux__Cute_robot.jpg"]
    assert (swap["method"], swap["group"], bool(swap["cropped"])) == ("face_swap", "dfdc/clip000003", True)
    assert (flux["method"], flux["group"], bool(flux["cropped"])) == ("flux", "Cute_robot", False)
    disco = rows.loc["generated/models_2022/fake/disco__quiet-lake-1__disco-1.jpg"]
    assert (disco["method"], disco["group"]) == ("disco", "quiet-lake-1")
    assert set(rows.loc[rows["label"] == 0, "method"]) == {"real"}
    assert all(part.found >= part.wanted for part in data.expectations(found.rows, tree))


def test_what_is_missing_or_out_of_place_is_named(tree: Path, tmp_path: Path) -> None:
    raw = shutil.copytree(tree, tmp_path / "raw")
    clutter(raw)
    shutil.rmtree(raw / "generated/photoreal")
    (raw / "dfdc_faces/real/clip000001.jpg").unlink()
    picture = raw / "photographs/real/n00000000.jpg"
    for place in (
        "photographs/fake",
        "hard_fake_vs_real/test",
        "generated/many_models/real",
        "generated/models_2022/fake",
    ):
        (raw / place).mkdir(exist_ok=True)
        shutil.copyfile(picture, raw / place / "photo.jpg")
    data = _data(raw)
    found = data.scan_all(raw)
    assert found.strange == {
        "photographs/fake/photo.jpg": "it lies in no folder real",
        "hard_fake_vs_real/test/photo.jpg": "it lies in no folder real or fake",
        "generated/many_models/real/photo.jpg": "it lies in no folder fake",
        "generated/models_2022/fake/photo.jpg": "it is not called <model>__<prompt>",
    }
    lacking = {
        part.part: (part.found, part.wanted) for part in data.expectations(found.rows, raw) if part.found < part.wanted
    }
    assert lacking == {
        "dfdc_faces/real": (5, 6), "generated/photoreal/real": (0, 1), "generated/photoreal/fake": (0, 1),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "is not a table with the columns file, label and original"),
        ("file,label\nreal/a.jpg,real", "is not a table with the columns file, label and original"),
        (
            "file,label,original\nreal/a.jpg,real,a\nfake/b.jpg,1,a",
            r"Row 2 of .*labels.csv .fake/b.jpg, 1, a. does not",
        ),
        ("file,label,original\nreal/a.jpg,real,", r"Row 1 of .* .real/a.jpg, real, nan. does not name"),
        ("file,label,original\nreal/a.jpg,real,a\nreal/a.jpg,real,b", "Row 2 of .* does not name a file of its own"),
        ("file,label,original\n../../secret.png,real,a", "does not lie below its folder"),
    ],
)
def test_a_table_that_says_something_else_is_refused(tmp_path: Path, table: str, message: str) -> None:
    (tmp_path / "dfdc_faces").mkdir()
    (tmp_path / "dfdc_faces/labels.csv").write_text(table)
    with pytest.raises(UserError, match=message):
        _data(tmp_path).scan_all(tmp_path)


def test_faces_are_cut_out_and_every_picture_is_kept(tree: Path, root: Path) -> None:
    rows = _data(root).index()
    whole = rows[rows["face_box"].isna()]
    assert len(whole) == sum(1 for _ in tree.rglob("*.jpg"))
    for row in whole.to_dict("records"):
        assert (root / row["path"]).read_bytes() == (tree / row["path"].removeprefix("crops/")).read_bytes()
    faces = rows[rows["face_box"].notna()]
    assert set(faces["dataset"]) == set(WITH_FACES)  # what is a crop already is not cut again
    assert faces.groupby("dataset").size().to_dict() == {"hard_fake_vs_real": 12, "stylegan1": 8}
    assert set(faces["source_clip"]) <= set(whole["source_clip"])
    assert (root / prepared.QUARANTINE).read_text().splitlines() == ["path,frame,reason"]


def test_each_set_is_split_by_itself_and_nothing_crosses(root: Path) -> None:
    data = _data(root).prepare()
    rows = data.rows
    for _, part in rows.groupby("dataset"):
        assert set(part["split"]) == {"train", "val", "test"}
    assert rows.groupby(["dataset", "group"])["split"].nunique().max() == 1
    assert rows.groupby("source_clip")["split"].nunique().max() == 1
    assert rows["target_identity"].isna().all()  # a generator is no person
    has_face = rows["source_clip"].isin(rows.loc[rows["face_box"].notna(), "source_clip"])
    beside = rows[has_face & rows["face_box"].isna()]
    assert set(beside["split"]) == {"train"}
    assert set(beside["dataset"]) == {"stylegan1"}  # the framing of the other set's pictures tells their class
    assert data.dropped == {FRAMING: 12, CROSSING: 10}
    assert rows.loc[rows["dataset"] == FRAMED, "face_box"].notna().all()
    for name in BY_GENERATOR:
        part = rows[rows["dataset"] == name]
        tested, seen = part[part["split"] == "test"], part[part["split"] != "test"]
        assert not set(tested["method"]) & set(seen["method"])
        assert not set(tested["group"]) & set(seen["group"])
        assert (len(tested), len(seen)) == (1, 6)
    assert data.protocol_name == "shipped, by original, likeness, generator and prompt (seed 0)"
    assert protocol_hash(_data(root).prepare().rows) == protocol_hash(rows)
    assert protocol_hash(_data(root, split_seed=1).prepare().rows) != protocol_hash(rows)


def test_a_set_may_be_left_out_and_is_then_tested(root: Path) -> None:
    data = _data(root, leave_out=["stylegan1", "many_models"], weights={"stylegan1": 2}).prepare()
    assert set(data.rows.loc[data.rows["dataset"].isin(["stylegan1", "many_models"]), "split"]) == {"test"}
    assert len(data.rows[data.rows["dataset"] == "many_models"]) == 12
    assert len(data.rows[data.rows["dataset"] == "stylegan1"]) == 8  # of each picture what the detector makes of it
    assert data.protocol_name.endswith("(seed 0), without stylegan1, many_models")
    assert data.dropped == {FRAMING: 12, CROSSING: 5}


def test_sets_are_drawn_by_their_weights(root: Path) -> None:
    def reals(**options: Any) -> pd.Series:
        data = _data(root, **options).prepare()
        rows, sampler = data.split("train"), data.train_dataloader().sampler
        drawn = rows.iloc[[draw.row for epoch in range(8) for draw in _epoch(sampler, epoch)]]
        return drawn[drawn["label"] == 0].groupby("dataset").size()

    assert reals()["photographs"] / reals()["photoreal"] == pytest.approx(1, abs=0.2)
    assert reals(weights={"photographs": 4})["photographs"] / reals(weights={"photographs": 4})["photoreal"] > 3


def _epoch(sampler: Any, epoch: int) -> list[Any]:
    sampler.set_epoch(epoch)
    return list(sampler)


def test_likeness_keeps_pictures_together_and_within_one_split(tree: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for folder in ("photographs", "generated/photoreal"):
        shutil.copytree(tree / folder, raw / folder)
    first = raw / "photographs/real/n00000000.jpg"
    picture = cv2.imread(str(first))
    assert picture is not None
    for number in range(6):  # the same again, re-encoded and smaller
        smaller = cv2.resize(picture, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(raw / f"photographs/real/z{number}.jpg"), smaller, [cv2.IMWRITE_JPEG_QUALITY, 60 + 5 * number])
    for number in range(3):
        shutil.copyfile(raw / "photographs/real/z0.jpg", raw / f"photographs/real/z0_{number}.jpg")
    taken = [f"photographs/real/n{number:08d}.jpg" for number in range(1, 5)]
    for place in taken:
        shutil.copyfile(raw / place, raw / "generated/photoreal/fake" / Path(place).name)
    root = prepare_here("shipped", raw, tmp_path / "prepared", "faces=false", "workers=1")
    rows = _data(root).prepare().rows
    assert rows.groupby("group")["split"].nunique().max() == 1
    alike = rows[rows["source_clip"].str.contains("/z") | rows["source_clip"].str.endswith("n00000000.jpg")]
    assert len(alike) == 10
    assert set(alike["group"]) == {"photographs/real/n00000000.jpg"}
    # Tested on in one set, a picture is not trained on in another.
    data = _data(root, leave_out=["photoreal"]).prepare()
    splits = data.rows.set_index("source_clip")["split"]
    assert set(splits[splits.index.str.startswith("generated/photoreal")]) == {"test"}
    kept = [place for place in taken if place in splits.index]
    assert set(splits[kept]) <= {"test"}
    assert len(kept) < 3
    assert data.dropped == {ELSEWHERE: len(taken) - len(kept)}


def test_nothing_is_lost_where_faces_alone_were_kept(tree: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for folder in ("dfdc_faces", "generated/photoreal"):
        shutil.copytree(tree / folder, raw / folder)
    root = prepare_here("shipped", raw, tmp_path / "prepared", "workers=1")
    data = _data(root).prepare()
    assert set(data.rows["dataset"]) == {"dfdc_faces"}
    assert set(data.missed["dataset"]) == {"photoreal"}
    assert len(data.missed) == 8
    assert set(data.missed["split"]) == {"train", "val", "test"}


def test_training_on_it_draws_pseudo_fakes(root: Path, compose: Callable[..., DictConfig]) -> None:
    config = compose("train", "experiment=shipped", f"data.root={root}", "data.workers=0", "preprocess.size=64")
    data = instantiate(config.data, spec=PreprocessSpec(size=64), augment=instantiate(config.augmentation)).prepare()
    data.check_trainable()
    images, _ = data.training_images()
    assert isinstance(images, ForgedImages)
    assert isinstance(images.forger, Forger)
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == (32, 3, 64, 64)
    assert set(batch["label"].tolist()) == {0, 1}
    assert data.crops == prepared.Prepared.read(root).face
    assert decode(root / data.rows["path"][0]).ndim == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "identity_disjoint"}, "data.split=identity_disjoint is not for data=shipped"),
        (
            {"leave_out": "stylegan1"},
            r"data.leave_out=stylegan1 is no list; write data.leave_out=.dfdc_faces., or .. for",
        ),
        ({"leave_out": None}, "data.leave_out=None is no list"),
        (
            {"leave_out": ["stylegan"]},
            r"data.leave_out: stylegan .did you mean stylegan1.. is not one of the data sets",
        ),
        ({"weights": ["stylegan1"]}, "names no set"),
        ({"weights": {"photo": 2}}, r"data.weights: photo .* is not one of the data sets .dfdc_faces, "),
        ({"weights": {"photoreal": -1}}, "data.weights.photoreal=-1 is not a number above 0"),
        ({"weights": {"photoreal": 2}, "balance": []}, "data.weights is read where data.balance names dataset"),
    ],
)
def test_nonsense_is_refused_by_name(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        _data(tmp_path, **options)


def test_folders_that_cannot_be_used_are_named(tree: Path, root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds none of dfdc_faces, hard_fake_vs_real, generated/stylegan1"):
        _data(tmp_path).scan_all(tmp_path)
    with pytest.raises(UserError, match=r"prepare.py data=shipped .* face.margin=1.0 whole=always"):
        _data(tree).prepare()
    small = tmp_path / "small"
    shutil.copytree(root, small)
    rows = pd.read_parquet(small / prepared.MANIFEST)
    clips = rows[rows["dataset"] == "photoreal"]["source_clip"].unique()
    rows[~rows["source_clip"].isin(clips[2:])].to_parquet(small / prepared.MANIFEST, index=False)
    with pytest.raises(UserError, match=r"photoreal is too small: 2 groups of fake images cannot fill 3 splits"):
        _data(small).prepare()
    rows[rows["dataset"] == "photographs"].to_parquet(small / prepared.MANIFEST, index=False)
    with pytest.raises(UserError, match=r"data.leave_out: .* holds no stylegan1; it holds photographs"):
        _data(small, leave_out=["stylegan1"]).prepare()
    with pytest.raises(UserError, match="The train split holds no fake image"):
        _data(small).prepare().check_trainable()
    rows[(rows["dataset"] == FRAMED) & rows["face_box"].isna()].to_parquet(small / prepared.MANIFEST, index=False)
    with pytest.raises(UserError, match=r"The train split holds no real image .0 in all"):
        _data(small).prepare().check_trainable()
    assert set(NAMES) == {folder.rpartition("/")[2] for folder in rows["dataset"].unique()}
