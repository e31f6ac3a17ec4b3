import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fakedet.data.benchmark import Scan
from fakedet.data.benchmarks.faceforensics import METHODS, FaceForensics, Originals
from fakedet.data.miniatures import clutter, make_tree, spoil
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError

OPTIONS: dict[str, Any] = {
    "root": "prepared", "batch_size": 4, "workers": 0, "balance": [], "limit": None, "val_share": 0.1,
    "test_share": 0.1, "split_seed": 0, "max_unreadable": 0.01, "spec": PreprocessSpec(size=32),
}  # fmt: skip
SPLITS = {"train": [("071", "054"), ("087", "081")], "val": [("720", "672")], "test": [("953", "974")]}
REALS, FAKES = "original_sequences/youtube/c23/videos", "manipulated_sequences/{}/c23/videos"


def _data(**options: Any) -> FaceForensics:
    return FaceForensics(**OPTIONS, **options)


def _scan(raw: Path, **options: Any) -> Scan:
    return _data(**options).scan_all(raw)


def _rows(raw: Path) -> dict[str, dict[Hashable, Any]]:
    return {row["path"]: row for row in _scan(raw).rows.to_dict("records")}


def _touch(raw: Path, *paths: str) -> Path:
    for path in paths:
        (raw / path).parent.mkdir(parents=True, exist_ok=True)
        (raw / path).touch()
    return raw


def _write_splits(raw: Path, splits: dict[str, Any] = SPLITS) -> Path:
    (raw / "splits").mkdir(parents=True, exist_ok=True)
    for name, pairs in splits.items():
        (raw / "splits" / f"{name}.json").write_text(json.dumps(pairs))
    return raw


def _tree(raw: Path) -> Path:
    """A real clip and its fakes by two methods, all empty files."""
    fakes = [f"{FAKES.format(method)}/071_054.mp4" for method in METHODS[:2]]
    return _write_splits(_touch(raw, f"{REALS}/071.mp4", *fakes))


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tree("faceforensics", tmp_path_factory.mktemp("ffpp") / "raw", frames=2)


def test_the_miniature_is_read_whole(miniature: Path) -> None:
    found = _scan(miniature)
    assert found.strange == {}
    rows = found.rows
    assert rows.groupby("method").size().to_dict() == dict.fromkeys(METHODS, 12) | {"real": 12}
    assert (rows["label"] == (rows["method"] != "real")).all()
    assert rows["split"].value_counts().to_dict() == {"train": 48, "val": 12, "test": 12}
    assert rows["video"].is_unique
    assert (rows["compression"] == "c23").all()


def test_names_say_target_and_source(miniature: Path) -> None:
    rows = _rows(miniature)
    fake, real = rows[f"{FAKES.format('FaceSwap')}/071_054.mp4"], rows[f"{REALS}/071.mp4"]
    assert (fake["target_identity"], fake["source_identity"]) == ("ffpp:071", "ffpp:054")
    assert real["target_identity"] == "ffpp:071"
    assert pd.isna(real["source_identity"])
    assert fake["source_clip"] == real["source_clip"] == "ffpp:071"


def test_masks_are_named_where_they_are(miniature: Path) -> None:
    rows = _scan(miniature).rows
    masked = rows["mask"].notna()
    assert rows["method"][masked].value_counts().to_dict() == dict.fromkeys(METHODS[:-1], 12)
    for row in rows[masked].itertuples():
        assert (miniature / str(row.mask)).is_file()
        assert Path(str(row.mask)).name == Path(str(row.path)).name
        assert str(row.method) in str(row.mask)


def test_clutter_is_no_sample_and_an_empty_file_is_one(tmp_path: Path) -> None:
    raw = make_tree("faceforensics", tmp_path / "raw", frames=2)
    clutter(raw)
    empty = spoil(raw)
    found = _scan(raw)
    assert found.strange == {}
    assert len(found.rows) == 72
    assert empty.relative_to(raw).as_posix() in set(found.rows["path"])


def test_the_same_pair_by_four_methods_is_four_videos_of_one_clip(tmp_path: Path) -> None:
    raw = _tree(tmp_path)
    _touch(raw, *(f"{FAKES.format(method)}/071_054.mp4" for method in METHODS))
    fakes = _scan(raw).rows.query("label == 1")
    assert len(fakes) == fakes["video"].nunique() == 5
    assert set(fakes["source_clip"]) == {"ffpp:071"}


def test_both_orders_of_a_pair_lie_in_one_split(miniature: Path) -> None:
    split = {path: row["split"] for path, row in _rows(miniature).items()}
    for name in ("Deepfakes", "FaceShifter"):
        folder = FAKES.format(name)
        assert split[f"{folder}/953_974.mp4"] == split[f"{folder}/974_953.mp4"] == split[f"{REALS}/974.mp4"] == "test"
        assert split[f"{folder}/672_720.mp4"] == split[f"{folder}/720_672.mp4"] == split[f"{REALS}/672.mp4"] == "val"


def test_the_official_lists_want_1000_clips_and_1000_fakes_of_each_method(tmp_path: Path) -> None:
    numbers = [f"{number:03d}" for number in range(1000)]
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    raw = _write_splits(tmp_path, {"train": pairs[:360], "val": pairs[360:430], "test": pairs[430:]})
    paths = [f"{REALS}/000.mp4", *(f"{FAKES.format(name)}/{pair}.mp4" for name in METHODS for pair in ("000_001",))]
    _touch(raw, *paths, f"{FAKES.format('Face2Face')}/001_000.mp4")
    splits = pd.Series(Originals.read(raw / "splits").splits)
    assert splits.value_counts().to_dict() == {"train": 720, "val": 140, "test": 140}
    data = _data()
    parts = {part.part: part for part in data.expectations(data.scan_all(raw).rows, raw)}
    assert [part.wanted for part in parts.values()] == [1000] * 6
    assert [parts[f"fake, {name}, c23"].found for name in METHODS] == [1, 2, 1, 1, 1]
    assert len(parts["real, c23"].missing) == 999
    assert parts["real, c23"].missing[0] == f"{REALS}/001.mp4"
    assert parts["fake, Deepfakes, c23"].missing[0] == f"{FAKES.format('Deepfakes')}/001_000.mp4"


def test_nothing_is_expected_of_methods_that_were_not_downloaded(tmp_path: Path) -> None:
    data, raw = _data(), _tree(tmp_path)
    parts = data.expectations(data.scan_all(raw).rows, raw)
    assert [part.part for part in parts] == ["real, c23", "fake, Deepfakes, c23", "fake, Face2Face, c23"]
    assert [(part.wanted, part.found) for part in parts] == [(8, 1)] * 3


def test_methods_are_chosen(tmp_path: Path) -> None:
    raw = _tree(tmp_path)
    assert set(_scan(raw, methods=["Face2Face"]).rows["method"]) == {"real", "Face2Face"}
    with pytest.raises(
        UserError, match=r"data.methods: Deepfake .did you mean Deepfakes\?. is not one of Deepfakes, F"
    ):
        _data(methods=["Deepfake"])
    with pytest.raises(UserError, match=r"data.methods=Deepfakes is not a list: write data.methods=\[Deepfakes\]"):
        _data(methods="Deepfakes")
    with pytest.raises(UserError, match="holds no video of FaceSwap: download it"):
        _scan(raw, methods=["Face2Face", "FaceSwap"])


def test_compressions_are_chosen(tmp_path: Path) -> None:
    raw = _tree(tmp_path)
    _touch(
        raw,
        "original_sequences/youtube/c40/videos/071.mp4",
        FAKES.format("Deepfakes").replace("c23", "c40") + "/071_054.mp4",
    )
    assert _scan(raw).rows["compression"].unique().tolist() == ["c23"]
    both = _scan(raw, compression=None).rows
    assert both["compression"].value_counts().to_dict() == {"c23": 3, "c40": 2}
    assert both["video"].is_unique
    assert set(both["source_clip"]) == {"ffpp:071"}
    with pytest.raises(UserError, match=r"holds no raw but c23, c40: set data.compression=c23"):
        _scan(raw, compression="raw")
    with pytest.raises(UserError, match=r"data.compression=c32 .did you mean c23\?. is not one of raw, c23, c40"):
        _data(compression="c32")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (f"{REALS}/71.mp4", "is called neither like 071 nor like 071_054"),
        (f"{REALS}/071 (1).mp4", "is called neither like 071 nor like 071_054"),
        (f"{REALS}/071_054.mp4", "is called like a fake"),
        (f"{REALS}/999.mp4", "999 stands in none of the official splits"),
        (f"{FAKES.format('Deepfakes')}/071.mp4", "is called like an original"),
        (f"{FAKES.format('Deepfakes')}/071_999.mp4", "999 stands in none of the official splits"),
        (f"{FAKES.format('Deepfakes')}/071_953.mp4", "071 is in train but 953 in test"),
        (f"{FAKES.format('DeepFakes')}/071_054.mp4", "DeepFakes is none of Deepfakes, Face2Face"),
        ("original_sequences/youtube/c0/videos/071.mp4", "does not lie in original_sequences/youtube/{raw"),
        ("original_sequences/youtube/c23/071.mp4", "does not lie in original_sequences/youtube/{raw"),
    ],
)  # fmt: skip
def test_strange_files_are_reported_with_their_reason(tmp_path: Path, name: str, reason: str) -> None:
    found = _scan(_touch(_tree(tmp_path), name))
    assert list(found.strange) == [name]
    assert reason in found.strange[name]
    assert len(found.rows) == 3


@pytest.mark.parametrize(
    "given",
    [
        "manipulated_sequences",
        "manipulated_sequences/Deepfakes/c23/videos",
        "original_sequences/youtube",
        "..",
        "../..",
    ],
)
def test_a_wrong_level_is_named(tmp_path: Path, given: str) -> None:
    raw = _tree(tmp_path / "here" / "ffpp")
    with pytest.raises(UserError, match=rf"does not hold original_sequences/youtube .*; did you mean .*{raw}\?"):
        _scan((raw / given).resolve())


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"does not hold original_sequences/youtube and .* of FaceForensics\+\+\.$"):
        _scan(_touch(tmp_path, "fake/071_054.mp4", "original_sequences/actors/c23/videos/24__kitchen_pan.mp4"))


def test_a_missing_list_says_where_it_is_to_be_had(tmp_path: Path) -> None:
    raw = _tree(tmp_path)
    (raw / "splits" / "val.json").unlink()
    with pytest.raises(
        UserError, match=r"val.json is missing: take .* from dataset/splits of https://github.com/ondyari"
    ):
        _scan(raw)


@pytest.mark.parametrize(
    ("val", "sentence"),
    [
        ([["720", "672"], ["071", "111"]], "071 stands in train.json and again in val.json"),
        ([["720", "672"], ["720", "111"]], "720 stands in val.json and again in val.json"),
        ([["720", "672", "111"]], "is not a list of pairs of numbers"),
        ({"720": "672"}, "is not a list of pairs of numbers"),
        ([[720, 672]], "names 720 where a number such as '071' is due"),
        ([["720", "72"]], "names '72' where a number such as '071' is due"),
        (7, "is not a list of pairs of numbers"),
    ],
)
def test_malformed_lists_are_refused(tmp_path: Path, val: Any, sentence: str) -> None:
    raw = _write_splits(_tree(tmp_path), {"val": val})
    with pytest.raises(UserError, match=sentence):
        _scan(raw)


def test_a_list_that_is_no_json_is_refused(tmp_path: Path) -> None:
    raw = _tree(tmp_path)
    (raw / "splits" / "test.json").write_text("<html>")
    with pytest.raises(UserError, match=r"test.json is not a list of pairs of numbers; take train.json"):
        _scan(raw)


def test_cuts_of_one_video_share_their_clip_where_the_list_of_videos_is_there(tmp_path: Path) -> None:
    raw = _tree(tmp_path)
    _touch(raw, f"{REALS}/054.mp4", f"{REALS}/087.mp4")
    videos = {"054": "R03Sko97IDE 0", "071": "R03Sko97IDE 1", "087": "5IO7gc9JjII 0"}
    (raw / "conversion_dict.json").write_text(json.dumps(videos))
    rows = _rows(raw)
    clips = {path: row["source_clip"] for path, row in rows.items()}
    fake = f"{FAKES.format('Deepfakes')}/071_054.mp4"
    assert clips[f"{REALS}/054.mp4"] == clips[f"{REALS}/071.mp4"] == clips[fake] == "ffpp:youtube/R03Sko97IDE"
    assert clips[f"{REALS}/087.mp4"] == "ffpp:087"
    assert (rows[fake]["target_identity"], rows[fake]["source_identity"]) == ("ffpp:071", "ffpp:054")
    (raw / "conversion_dict.json").write_text("[]")
    with pytest.raises(UserError, match=r"conversion_dict.json is not FaceForensics\+\+'s list"):
        _scan(raw)


def test_dfd_may_lie_in_the_same_root(tmp_path: Path) -> None:
    raw = make_tree("dfd", _tree(tmp_path), frames=2)
    found = _scan(raw)
    assert found.strange == {}
    assert len(found.rows) == 3
