import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fakedet.data import manifest, protocols
from fakedet.data.benchmarks.dfdc_preview import DFDCPreview
from fakedet.data.miniatures import clutter, make_tree
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError

OPTIONS: dict[str, Any] = {
    "batch_size": 4, "workers": 0, "balance": ["label"], "limit": None, "val_share": 0.25, "test_share": 0.25,
    "split_seed": 0, "max_unreadable": 0.01, "spec": PreprocessSpec(size=32),
}  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_tree("dfdc_preview", tmp_path / "dfdc_preview_set", frames=1)


def _data() -> DFDCPreview:
    return DFDCPreview(root="prepared", **OPTIONS)


def _change(tree: Path, path: str, **values: Any) -> None:
    table = json.loads((tree / "dataset.json").read_text())
    table[path].update(values)
    (tree / "dataset.json").write_text(json.dumps(table))


def test_rows_say_what_the_table_and_the_names_say(tree: Path) -> None:
    clutter(tree)
    found = _data().scan_all(tree)
    assert not found.strange
    table = json.loads((tree / "dataset.json").read_text())
    assert set(found.rows["path"]) == set(table)
    for row in found.rows.itertuples():
        entry = table[str(row.path)]
        assert row.label == int(entry["label"] == "fake")
        assert row.split == entry["set"]
        assert row.method == (str(row.path).split("/")[0] if row.label else "real")
        assert row.target_identity == f"dfdc_preview:{entry['target_id']}"
        if row.label:
            assert row.source_identity == f"dfdc_preview:{entry['swapped_id']}"
    clips = found.rows.set_index("path")["source_clip"]
    fake = "method_B/643049/643049_B/1260311_643049_B_001.mp4"
    assert clips[fake] == clips["original_videos/643049/643049_B_001.mp4"] == "dfdc_preview:643049_B"
    assert manifest.complete(found.rows, manifest.PREPARED)["source_identity"].isna().sum() == 12


def test_validation_is_cut_from_the_training_people(tree: Path) -> None:
    rows = _data().scan_all(tree).rows
    official = protocols.official(rows, {"val": 0.5, "test": 0.5}, 0).rows
    for split in ("train", "val", "test"):
        assert set(official["label"][official["split"] == split]) == {0, 1}
    assert (official["split"] == "test").tolist() == (rows["split"] == "test").tolist()
    people = {split: set(part["target_identity"]) for split, part in official.groupby("split")}
    assert not people["train"] & people["val"]


def test_what_does_not_fit_is_named(tree: Path) -> None:
    real = "original_videos/1003254/1003254_A_001.mp4"
    fakes = [
        "method_A/1003254/1003254_A/1255229_1003254_A_001.mp4", "method_B/1003254/1003254_B/1255229_1003254_B_001.mp4",
        "method_A/1255229/1255229_A/1003254_1255229_A_001.mp4",
    ]  # fmt: skip
    _change(tree, real, label="fake")
    _change(tree, fakes[0], set="dev")
    _change(tree, fakes[1], swapped_id=None)
    odd = tree / "method_A" / "1255229" / "swap.mp4"
    (tree / fakes[2]).rename(odd)
    loose = tree / "original_videos" / "copy.mp4"
    shutil.copyfile(tree / real, loose)
    table = json.loads((tree / "dataset.json").read_text())
    table["method_A/1255229/swap.mp4"] = table[fakes[2]]
    (tree / "dataset.json").write_text(json.dumps(table))
    data = _data()
    found = data.scan_all(tree)
    assert found.strange == {
        real: "dataset.json labels it 'fake'",
        fakes[0]: "dataset.json puts it into the set 'dev'",
        fakes[1]: "dataset.json gives it no target_id and swapped_id",
        "method_A/1255229/swap.mp4": "its name is not <swapped>_<actor>_<recording>_<clip>",
        "original_videos/copy.mp4": "dataset.json does not name it",
    }
    assert len(found.rows) == 24 - 4
    expected = {part.part: part for part in data.expectations(found.rows, tree)}
    assert expected["method_A, train"].missing == [fakes[2]]
    assert (expected["original_videos, test"].wanted, expected["original_videos, test"].found) == (4, 4)


def test_another_level_is_refused_and_the_right_one_named(tree: Path) -> None:
    for wrong in (tree / "method_A", tree.parent):
        with pytest.raises(UserError, match=rf"{wrong} does not hold .*did you mean {tree}\?"):
            _data().scan(wrong)
    (tree / "dataset.json").unlink()
    with pytest.raises(UserError, match=r"does not hold dataset.json, original_videos and method_A and method_B\."):
        _data().scan(tree)
