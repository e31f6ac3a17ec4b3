from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import DictConfig

from fakedet.augment import Pipeline
from fakedet.data import manifest, prepared
from fakedet.data.datamodule import LEVELS
from fakedet.data.mix import Mix
from fakedet.data.protocols import APART
from fakedet.detector.spec import FaceSpec, PreprocessSpec
from fakedet.errors import UserError
from fakedet.instantiation import instantiate

REAL, FAKE = 0, 1
FACE = FaceSpec()
BOTH = (REAL, FAKE)


def _pairs(
    name: str, people: int = 24, *, labels: tuple[int, ...] = BOTH, of: str | None = None, reverse: bool = False
) -> pd.DataFrame:
    """A set of pairs of people who are swapped with each other; four people are for validation, four for testing.

    `of` names the set whose people and clips they are, `reverse` makes its first pairs the test set.
    """
    rows = []
    for number in range(people):
        place = people - 1 - number if reverse else number
        split = "test" if place >= people - 4 else "val" if place >= people - 8 else "train"
        for label in labels:
            video = f"{name}/{('r', 'f')[label]}{number:02d}"
            rows.append(
                {
                    "path": f"crops/{video}.png", "label": label, "dataset": name, "method": ("real", "swap")[label],
                    "video": video, "source_clip": f"{of or name}:c{number}",
                    "target_identity": f"{of or name}:p{number}",
                    "source_identity": f"{of or name}:p{number ^ 1}" if label == FAKE else None, "split": split,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _write(
    folder: Path, rows: pd.DataFrame, face: FaceSpec | None = FACE, picture_format: str = "png", whole: str = "never"
) -> Path:
    """What `prepare.py` leaves of a data set, without the pictures."""
    folder.mkdir(parents=True)
    manifest.write_table(manifest.complete(rows, manifest.PREPARED), folder / prepared.MANIFEST)
    record = prepared.Prepared(rows["dataset"].iloc[0], "1", face, picture_format, whole)
    (folder / prepared.RECORD).write_text(record.dump())
    return folder


def _mix(root: Path, *names: str, **options: Any) -> Mix:
    defaults: dict[str, Any] = {
        "root": str(root), "sets": {name: name for name in names}, "batch_size": 4, "workers": 0,
        "balance": list(LEVELS), "limit": None, "val_share": 0.2, "test_share": 0.2, "split_seed": 0,
        "max_unreadable": 0.05, "spec": PreprocessSpec(size=32), "augment": Pipeline(),
    }  # fmt: skip
    return Mix(**{**defaults, **options})


def _crossing(rows: pd.DataFrame) -> set[str]:
    """People and clips that stand in more than one split."""
    columns = ("target_identity", "source_identity", "source_clip", "video")
    named = pd.concat([pd.DataFrame({"name": rows[column], "split": rows["split"]}) for column in columns]).dropna()
    splits = named.groupby("name")["split"].nunique()
    return set(splits.index[splits > 1])


def test_paths_and_masks_are_relative_to_the_common_folder(tmp_path: Path) -> None:
    _write(tmp_path / "a", _pairs("aset").assign(mask="masks/one.png"))
    _write(tmp_path / "deep/b", _pairs("bset"))
    data = _mix(tmp_path / "deep", sets={"one": "../a", "two": str(tmp_path / "deep/b")})
    rows = data.prepare().rows
    assert (data.root, data.crops, len(rows)) == (tmp_path, FACE, 96)
    assert set(rows["path"]) >= {"a/crops/aset/r00.png", "deep/b/crops/bset/f23.png"}
    assert set(rows["mask"].dropna()) == {"a/masks/one.png"}
    assert (data.member(rows) == rows["dataset"].map({"aset": "one", "bset": "two"})).all()


def test_one_set_alone_is_that_set(tmp_path: Path) -> None:
    folder = _write(tmp_path / "a", _pairs("aset"))
    data = _mix(tmp_path, "a")
    rows = data.prepare().rows
    assert data.root == folder
    assert sorted(rows["path"]) == sorted(_pairs("aset")["path"])
    assert set(data.member(rows)) == {"a"}


@pytest.mark.parametrize("reverse", [False, True])
def test_identity_disjoint_knows_the_people_of_both_sets(tmp_path: Path, reverse: bool) -> None:
    _write(tmp_path / "a", _pairs("aset"))
    _write(tmp_path / "b", _pairs("bset", labels=(FAKE,), of="aset", reverse=reverse))
    data = _mix(tmp_path, "a", "b", split="identity_disjoint")
    rows = data.prepare().rows
    assert data.protocol_name == "mix of a, b: identity_disjoint (seed 0)"
    assert len(rows) + data.dropped.get(APART, 0) == 72
    assert not _crossing(rows)
    assert rows.groupby("dataset")["split"].nunique().to_dict() == {"aset": 3, "bset": 3}


def test_official_splits_that_agree_are_kept_whole(tmp_path: Path) -> None:
    _write(tmp_path / "a", _pairs("aset"))
    _write(tmp_path / "b", _pairs("bset", labels=(FAKE,), of="aset"))
    data = _mix(tmp_path, "a", "b")
    rows = data.prepare().rows
    assert (data.protocol_name, dict(data.dropped), len(rows)) == ("mix of a, b: official", {}, 72)
    assert not _crossing(rows)


def test_what_leaks_from_one_official_split_into_another_is_dropped_by_reason(tmp_path: Path) -> None:
    own = _pairs("aset")
    own.loc[own["video"] == "aset/f08", "source_identity"] = "aset:p23"  # the set's own fault, which it keeps
    _write(tmp_path / "a", own)
    _write(tmp_path / "b", _pairs("bset", of="aset", reverse=True))
    data = _mix(tmp_path, "a", "b")
    rows = data.prepare().rows
    assert dict(data.dropped) == {
        # Both sets test on four people whom the other trains on, and validate on four; each comes twice.
        "train images that share a person with another set's test images": 16,
        "train images that share a person with another set's val images": 16,
    }
    assert len(rows) == 96 - 32
    assert _crossing(rows) == {"aset:p23"}
    assert rows["split"].value_counts().to_dict() == {"train": 32, "val": 16, "test": 16}


def test_validation_gives_way_to_the_test_split_of_another_set(tmp_path: Path) -> None:
    _write(tmp_path / "a", _pairs("aset"))
    shifted = _pairs("bset", of="aset")
    shifted["split"] = shifted["split"].map({"train": "train", "val": "test", "test": "train"})
    shifted["target_identity"] = shifted["source_identity"] = None  # the clips tell
    _write(tmp_path / "b", shifted.assign(split=shifted["split"].where(shifted.index > 1, "val")))
    data = _mix(tmp_path, "a", "b")
    rows = data.prepare().rows
    assert dict(data.dropped) == {
        "val images that share a clip with another set's test images": 8,
        "train images that share a clip with another set's test images": 8,
        "train images that share a clip with another set's val images": 2,
    }
    assert not _crossing(rows)


def test_what_an_official_split_lacks_is_said_of_each_set(tmp_path: Path) -> None:
    _write(tmp_path / "a", _pairs("aset"))
    listed = _pairs("bset")
    _write(tmp_path / "b", listed.assign(split=listed["split"].replace("val", "train")))
    data = _mix(tmp_path, "a", "b")
    rows = data.prepare().rows
    assert data.protocol_name == "mix of a (official), b (official, validation cut by identity (seed 0))"
    assert set(rows[rows["dataset"] == "bset"]["split"]) == {"train", "val", "test"}
    assert len(rows) + sum(data.dropped.values()) == 96


def test_both_classes_are_needed_of_all_sets_together(tmp_path: Path) -> None:
    _write(tmp_path / "fakes", _pairs("aset", labels=(FAKE,)))
    _write(tmp_path / "reals", _pairs("bset", labels=(REAL,)))
    _mix(tmp_path, "fakes", "reals").prepare().check_trainable()
    with pytest.raises(UserError, match="The train split holds no real image"):
        _mix(tmp_path, "fakes").prepare().check_trainable()


def test_groups_of_two_sets_are_not_one_for_their_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        rows = _pairs(name).drop(columns=["target_identity", "source_identity", "source_clip", "split"])
        _write(tmp_path / name, rows.assign(group=rows["video"].str[-2:]))
    data = _mix(tmp_path, "a", "b", split="identity_disjoint")
    rows = data.prepare().rows
    assert data.protocol_name == "mix of a, b: clip_disjoint (seed 0)"
    assert rows["group"].nunique() == 48
    assert rows.groupby("group").size().eq(2).all()


@pytest.mark.parametrize(("weights", "shares"), [(None, (0.5, 0.5)), ({"a": 3}, (0.75, 0.25))])
def test_sets_are_drawn_by_their_weights(
    tmp_path: Path, weights: dict[str, float] | None, shares: tuple[float, float]
) -> None:
    rng = np.random.default_rng(0)
    sizes = {"a": 16, "b": 40}
    for name, people in sizes.items():
        rows = _pairs(name, people).assign(dataset="same")  # the folders tell them apart
        folder = _write(tmp_path / name, rows)
        for path in rows["path"]:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(folder / path), rng.integers(0, 255, (8, 8, 3), dtype=np.uint8))
    data = _mix(tmp_path, "a", "b", weights=weights)
    data.prepare()
    rows = data.split("train")
    drawn = torch.cat([batch["index"] for batch in data.train_dataloader()]).numpy()
    counts = rows["path"].iloc[drawn].str[0].value_counts()
    assert len(drawn) == 80
    assert (counts["a"] / 80, counts["b"] / 80) == pytest.approx(shares, abs=0.03)
    assert abs(int((rows["label"].iloc[drawn] == FAKE).sum()) - 40) <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sets": None}, "data.sets names no folder: write data.sets="),
        ({"sets": "a"}, "data.sets=a names no set"),
        ({"weights": [2]}, r"data.weights=\[2\] names no set"),
        ({"split": "identity"}, r"data.split=identity \(did you mean identity_disjoint\?\)"),
        (
            {"weights": {"celebd": 2}},
            r"data.weights: celebd \(did you mean celebdf\?\) is not one of data.sets \(celebdf",
        ),
        ({"weights": {"celebdf": 0}}, "data.weights.celebdf=0 is not a number above 0"),
        ({"weights": {"celebdf": "2x"}}, "data.weights.celebdf=2x is not a number"),
        ({"weights": {"celebdf": 2}, "balance": ["label"]}, "data.weights is read where data.balance names dataset"),
        (
            {"sets": {"celebdf": "celebdf", "x": "nowhere"}},
            r"x=.*nowhere holds no manifest.parquet; make it with prepare",
        ),
        (
            {"sets": {"celebdf": "celebdf", "x": "celebdf"}},
            "x=.* lies in celebdf=.*; give each set a folder of its own",
        ),
        ({"sets": {"x": ".", "celebdf": "celebdf"}}, "celebdf=.* lies in x="),
    ],
)
def test_nonsense_is_refused_by_name(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    _write(tmp_path / "celebdf", _pairs("celebdf"))
    with pytest.raises(UserError, match=message) as error:
        _mix(tmp_path, **{"sets": {"celebdf": "celebdf"}, **options}).prepare()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"face": FaceSpec(margin=1.0)}, "of a were prepared with face.margin=1.3, those of b with face.margin=1.0"),
        ({"face": FaceSpec(finder="yunet", margin=2.0)}, "face.finder=mtcnn, .*face.margin=2.0, face.finder=yunet"),
        ({"face": None}, "of a were prepared with faces=True, those of b with faces=False: prepare one of them again"),
        ({"picture_format": "jpeg"}, "picture_format=png, those of b with picture_format=jpeg"),
        ({"dataset": "shipped"}, "b was prepared with data=shipped, whose split is its own"),
        ({"whole": "always"}, "of a were prepared with whole=never, those of b with whole=always"),
    ],
)
def test_crops_that_tell_the_sets_apart_are_refused(tmp_path: Path, other: dict[str, Any], message: str) -> None:
    _write(tmp_path / "a", _pairs("aset"))
    _write(tmp_path / "b", _pairs("bset").assign(dataset=other.pop("dataset", "bset")), **other)
    with pytest.raises(UserError, match=message):
        _mix(tmp_path, "a", "b").prepare()


def test_it_is_chosen_on_the_command_line(compose: Callable[..., DictConfig], tmp_path: Path) -> None:
    for name in ("a", "b"):
        _write(tmp_path / name, _pairs(name))
    sets = f"data.sets={{a: {tmp_path}/a, b: {tmp_path}/b}}"
    config = compose("train", "data=mix", sets, "data.weights={a: 2}", "data.split=identity_disjoint", "data.limit=40")
    data = instantiate(config.data, spec=PreprocessSpec(), augment=Pipeline()).prepare()
    assert data.weights == {"a": 2}
    assert set(data.rows["dataset"]) == {"a", "b"}
    assert len(data.rows) < 50


@pytest.mark.parametrize("split", ["official", "identity_disjoint"])
def test_splits_and_hash_do_not_hang_on_where_the_folders_lie(split: str, tmp_path: Path) -> None:
    found: list[Any] = []
    for place in (("near/a", "near/b"), ("near/far/away/a", "elsewhere/b")):
        folders = {name: tmp_path / split / str(len(found)) / each for name, each in zip("ab", place, strict=True)}
        for name, folder in folders.items():
            pictures = pd.DataFrame(
                {"path": [f"crops/{number}.png" for number in range(60)], "label": [0, 1] * 30, "dataset": name}
            )
            _write(folder, pictures.assign(method="x"))
        data = _mix(tmp_path, sets={name: str(folder) for name, folder in folders.items()}, split=split).prepare()
        called = data.called(data.rows)
        assert set(called["path"]) == {f"{name}/crops/{number}.png" for name in "ab" for number in range(60)}
        found.append((dict(zip(called["path"], called["split"], strict=True)), manifest.protocol_hash(called)))
    assert found[0] == found[1]


def test_pictures_of_one_name_in_two_sets_are_not_one(tmp_path: Path) -> None:
    for name in "ab":
        pictures = pd.DataFrame(
            {"path": [f"crops/{number}.png" for number in range(60)], "label": [0, 1] * 30, "dataset": "pictures"}
        )
        clips = "picture pictures/" + pictures["path"] if name == "a" else None
        _write(tmp_path / name, pictures.assign(method="x", source_clip=clips))
    data = _mix(tmp_path, "a", "b").prepare()
    assert len(data.rows) == 120
    assert data.dropped == {}
