from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fakedet.data.benchmark import Scan
from fakedet.data.benchmarks.dfd import DFD
from fakedet.data.miniatures import clutter, make_tree
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError

OPTIONS: dict[str, Any] = {
    "root": "prepared", "batch_size": 4, "workers": 0, "balance": [], "limit": None, "val_share": 0.1,
    "test_share": 0.1, "split_seed": 0, "max_unreadable": 0.01, "spec": PreprocessSpec(size=32),
}  # fmt: skip
REALS, FAKES = "original_sequences/actors/c23/videos", "manipulated_sequences/DeepFakeDetection/c23/videos"
REAL = f"{REALS}/24__outside_talking_still_laughing.mp4"
FAKE = f"{FAKES}/24_23__outside_talking_still_laughing__YR5OVD4S.mp4"


def _scan(raw: Path, **options: Any) -> Scan:
    return DFD(**OPTIONS, **options).scan_all(raw)


def _tree(raw: Path, *more: str) -> Path:
    for path in (REAL, FAKE, *more):
        (raw / path).parent.mkdir(parents=True, exist_ok=True)
        (raw / path).touch()
    return raw


def test_the_miniature_is_read_whole(tmp_path: Path) -> None:
    raw = make_tree("dfd", tmp_path / "raw", frames=2)
    clutter(raw)
    found = _scan(raw)
    rows = found.rows
    assert found.strange == {}
    assert rows.groupby(["label", "method"]).size().to_dict() == {(0, "real"): 12, (1, "DeepFakeDetection"): 12}
    assert set(rows["split"]) == {"test"}
    assert rows["target_identity"].nunique() == 6
    fakes = rows.query("label == 1")
    assert set(fakes["source_clip"]) <= set(rows.query("label == 0")["source_clip"])
    assert all((raw / mask).is_file() for mask in fakes["mask"])
    assert rows["mask"].notna().sum() == 12


def test_names_say_target_source_and_scene(tmp_path: Path) -> None:
    fake, real = _scan(_tree(tmp_path)).rows.to_dict("records")
    assert (fake["path"], real["path"]) == (FAKE, REAL)
    assert fake["source_clip"] == real["source_clip"] == "dfd:24__outside_talking_still_laughing"
    assert (fake["target_identity"], fake["source_identity"]) == ("dfd:24", "dfd:23")
    assert real["target_identity"] == "dfd:24"
    assert pd.isna(real["source_identity"])


def test_it_has_363_real_videos_and_3068_fakes(tmp_path: Path) -> None:
    data = DFD(**OPTIONS)
    raw = _tree(tmp_path)
    parts = data.expectations(data.scan_all(raw).rows, raw)
    assert [(part.part, part.wanted, part.found) for part in parts] == [("real, c23", 363, 1), ("fake, c23", 3068, 1)]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (f"{REALS}/24_outside.mp4", "is called neither like 24__kitchen_pan nor"),
        (f"{REALS}/24__kitchen_pan__YR5OVD4S.mp4", "is called neither like 24__kitchen_pan nor"),
        (f"{REALS}/24_23__kitchen_pan__YR5OVD4S.mp4", "is called like a fake"),
        (f"{FAKES}/24_23__kitchen_pan.mp4", "is called neither like 24__kitchen_pan nor"),
        (f"{FAKES}/24__kitchen_pan.mp4", "is called like an original"),
        (f"{FAKES}/071_054.mp4", "is called neither like 24__kitchen_pan nor"),
        ("original_sequences/actors/24__kitchen_pan.mp4", "does not lie in original_sequences/actors/{raw"),
    ],
)  # fmt: skip
def test_strange_files_are_reported_with_their_reason(tmp_path: Path, name: str, reason: str) -> None:
    found = _scan(_tree(tmp_path, name))
    assert list(found.strange) == [name]
    assert reason in found.strange[name]
    assert len(found.rows) == 2


def test_compressions_are_chosen(tmp_path: Path) -> None:
    raw = _tree(tmp_path, REAL.replace("c23", "c40"))
    assert set(_scan(raw).rows["compression"]) == {"c23"}
    assert set(_scan(raw, compression=None).rows["compression"]) == {"c23", "c40"}
    with pytest.raises(UserError, match="holds no raw but c23, c40"):
        _scan(raw, compression="raw")
    with pytest.raises(UserError, match=r"data.compression=c32 .did you mean c23"):
        DFD(**OPTIONS, compression="c32")


@pytest.mark.parametrize("given", ["manipulated_sequences", "original_sequences/actors/c23/videos", "..", "../.."])
def test_a_wrong_level_is_named(tmp_path: Path, given: str) -> None:
    raw = _tree(tmp_path / "here" / "dfd")
    with pytest.raises(UserError, match=rf"does not hold original_sequences/actors .*; did you mean .*{raw}\?"):
        _scan((raw / given).resolve())


def test_faceforensics_alone_is_not_dfd(tmp_path: Path) -> None:
    (tmp_path / "original_sequences/youtube/c23/videos").mkdir(parents=True)
    with pytest.raises(UserError, match=r"does not hold original_sequences/actors and .* of DFD\.$"):
        _scan(tmp_path)


def test_a_download_without_the_reals_is_refused(tmp_path: Path) -> None:
    raw = _tree(tmp_path)
    (raw / REAL).unlink()
    with pytest.raises(UserError, match=r"holds no real video of DeepFakeDetection .DFD.: both classes are needed"):
        _scan(raw)
