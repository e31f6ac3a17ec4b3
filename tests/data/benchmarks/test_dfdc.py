import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fakedet.data import manifest, protocols
from fakedet.data.benchmarks.dfdc import DFDC
from fakedet.data.miniatures import clutter, make_tree
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError

OPTIONS: dict[str, Any] = {
    "batch_size": 4, "workers": 0, "balance": ["label"], "limit": None, "val_share": 0.25, "test_share": 0.25,
    "split_seed": 0, "max_unreadable": 0.01, "spec": PreprocessSpec(size=32),
}  # fmt: skip
SHARES = {"val": 0.25, "test": 0.25}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tree("dfdc", tmp_path_factory.mktemp("dfdc"), frames=1)


def _data() -> DFDC:
    return DFDC(root="prepared", **OPTIONS)


def _part(raw: Path, number: int, **clips: str | None) -> Path:
    """A part of empty clips: `name="REAL"`, or the name of a fake's original."""
    folder = raw / f"dfdc_train_part_{number}"
    folder.mkdir(parents=True)
    entries: dict[str, dict[str, Any]] = {}
    for name, about in clips.items():
        (folder / f"{name}.mp4").touch()
        fake = {"label": "FAKE", "split": "train", "original": None if about is None else f"{about}.mp4"}
        entries[f"{name}.mp4"] = {"label": "REAL", "split": "train"} if about == "REAL" else fake
    (folder / "metadata.json").write_text(json.dumps(entries))
    return folder


def test_rows_say_what_the_metadata_says(tree: Path) -> None:
    found = _data().scan_all(tree)
    assert not found.strange
    metadata = {
        f"{file.parent.name}/{name}": entry
        for file in tree.glob("*/metadata.json")
        for name, entry in json.loads(file.read_text()).items()
    }
    assert set(found.rows["path"]) == set(metadata)
    for row in found.rows.itertuples():
        entry = metadata[str(row.path)]
        assert row.label == int(entry["label"] == "FAKE")
        assert row.source_clip == f"dfdc:{Path(entry.get('original', str(row.path))).stem}"
        assert row.method == ("unknown" if row.label else "real")
        assert row.video == f"dfdc/{row.path}"
    assert manifest.complete(found.rows, manifest.PREPARED)["target_identity"].isna().all()


def test_parts_are_the_splits(tmp_path: Path) -> None:
    for number in (0, 34, 35, 39, 40, 49):
        _part(tmp_path, number, **{f"r{number}": "REAL", f"f{number}": f"r{number}"})
    rows = _data().scan_all(tmp_path).rows
    splits = rows.assign(part=rows["path"].str.extract(r"part_(\d+)")[0].astype(int)).groupby("part")["split"].unique()
    assert {part: list(names) for part, names in splits.items()} == {
        0: ["train"], 34: ["train"], 35: ["val"], 39: ["val"], 40: ["test"], 49: ["test"],
    }  # fmt: skip
    division = protocols.official(rows, SHARES, 0)
    assert division.rows["split"].tolist() == rows["split"].tolist()
    assert not division.dropped


@pytest.mark.parametrize("layout", ["test/{}", "test_videos/{}", "test/videos/{}"])
def test_the_test_set_alone_tests_where_it_is_there(tmp_path: Path, layout: str) -> None:
    _part(tmp_path, 3, r3="REAL", f3="r3")
    _part(tmp_path, 37, r37="REAL", f37="r37")
    _part(tmp_path, 45, r45="REAL", f45="r45")
    for name in ("a.mp4", "b.mp4", "unlabelled.mp4"):
        (tmp_path / layout.format(name)).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / layout.format(name)).touch()
    table = tmp_path / layout.split("/")[0] / "labels.csv"
    table.write_text("filename,label\na.mp4,0\nb.mp4,1\nc.mp4,1\n")
    data = _data()
    found = data.scan_all(tmp_path)
    rows = found.rows.set_index("path")
    assert rows.groupby("split")["label"].size().to_dict() == {"train": 4, "val": 2, "test": 2}
    assert rows["label"][layout.format("a.mp4")] == 0
    assert rows["label"][layout.format("b.mp4")] == 1
    assert pd.isna(rows["source_clip"][layout.format("b.mp4")])
    assert found.strange == {layout.format("unlabelled.mp4"): "labels.csv gives it neither 0 nor 1"}
    expected = {part.part: part for part in data.expectations(found.rows, tmp_path)}[layout.split("/")[0]]
    assert (expected.wanted, expected.found, expected.missing) == (3, 2, ["c.mp4"])
    table.write_text("name,fake\na.mp4,0\n")
    with pytest.raises(UserError, match=r"labels.csv has the columns name, fake instead of filename and label"):
        data.scan_all(tmp_path)


def test_clips_and_entries_that_do_not_fit_are_named(tree: Path, tmp_path: Path) -> None:
    raw = shutil.copytree(tree, tmp_path / "raw")
    folder = raw / "dfdc_train_part_1"
    file = folder / "metadata.json"
    entries = json.loads(file.read_text())
    fakes = [name for name, entry in entries.items() if entry["label"] == "FAKE"]
    (folder / fakes[0]).unlink()
    del entries[fakes[1]]
    entries[fakes[2]]["label"] = "FAEK"
    del entries[fakes[3]]["original"]
    file.write_text(json.dumps(entries))
    data = _data()
    found = data.scan_all(raw)
    assert found.strange == {
        f"dfdc_train_part_1/{fakes[1]}": "metadata.json does not name it",
        f"dfdc_train_part_1/{fakes[2]}": "metadata.json labels it 'FAEK'",
        f"dfdc_train_part_1/{fakes[3]}": "metadata.json names no original",
    }
    assert len(found.rows) == 32 - 4
    expected = {part.part: part for part in data.expectations(found.rows, raw)}
    assert expected["dfdc_train_part_1"].missing == [fakes[0]]
    assert (expected["dfdc_train_part_1"].wanted, expected["dfdc_train_part_1"].found) == (7, 6)
    assert expected["dfdc_train_part_0"].found == expected["dfdc_train_part_0"].wanted == 8
    parts = expected["training parts"]
    assert (parts.wanted, parts.found, parts.missing[0]) == (50, 4, "dfdc_train_part_2")


@pytest.mark.parametrize("layout", ["train/dfdc_train_part_{0}", "dfdc_train_part_{0:02d}/dfdc_train_part_{0}"])
def test_parts_may_lie_one_folder_deeper(tree: Path, tmp_path: Path, layout: str) -> None:
    for part in tree.glob("dfdc_train_part_*"):
        shutil.copytree(part, tmp_path / layout.format(int(part.name.rpartition("_")[2])))
    clutter(tmp_path)
    data = _data()
    found = data.scan_all(tmp_path)
    assert found.rows["split"].value_counts().to_dict() == {"train": 16, "val": 8, "test": 8}
    assert len(data.expectations(found.rows, tmp_path)) == 1 + 4


def test_fakes_alone_are_scanned_but_not_prepared(tmp_path: Path) -> None:
    _part(tmp_path, 0, aaa="xxx", bbb="yyy")
    assert _data().scan(tmp_path).rows["source_clip"].tolist() == ["dfdc:xxx", "dfdc:yyy"]
    with pytest.raises(UserError, match="holds no real video of DeepFake Detection Challenge"):
        _data().scan_all(tmp_path)


def test_another_level_is_refused_and_the_right_one_named(tree: Path, tmp_path: Path) -> None:
    for wrong in (tree / "dfdc_train_part_0", tree.parent):
        with pytest.raises(UserError, match=rf"{wrong} does not hold .*did you mean {tree}\?"):
            _data().scan(wrong)
    with pytest.raises(UserError, match=r"does not hold dfdc_train_part_0.*labels.csv\.$"):
        _data().scan(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is damaged"), ("[]", "no table of clips"), ('{"a": 1}', "no table")]
)
def test_damaged_metadata_is_named(tmp_path: Path, text: str, message: str) -> None:
    (_part(tmp_path, 0, a="REAL") / "metadata.json").write_text(text)
    with pytest.raises(UserError, match=rf"metadata.json {message}|metadata.json is {message}"):
        _data().scan(tmp_path)
    (tmp_path / "dfdc_train_part_0" / "metadata.json").unlink()
    assert _data().scan(tmp_path).strange == {"dfdc_train_part_0/a.mp4": "metadata.json does not name it"}
