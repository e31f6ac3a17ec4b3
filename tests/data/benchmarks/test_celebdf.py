from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fakedet.data.benchmark import Scan
from fakedet.data.benchmarks.celebdf import LIST, CelebDF, CelebDFv1, read_list
from fakedet.data.miniatures import clutter, make_tree, spoil
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError

OPTIONS: dict[str, Any] = {
    "root": "prepared", "batch_size": 4, "workers": 0, "balance": [], "limit": None, "val_share": 0.1,
    "test_share": 0.1, "split_seed": 0, "max_unreadable": 0.01, "spec": PreprocessSpec(size=32),
}  # fmt: skip
TRAINING = ["Celeb-real/id0_0000.mp4", "Celeb-synthesis/id1_id0_0003.mp4"]
# The first is listed first and the last has no newline: both are easily lost.
LISTED = ["YouTube-real/00170.mp4", "Celeb-real/id1_0003.mp4", "Celeb-synthesis/id0_id1_0000.mp4"]
LINES = "1 YouTube-real/00170.mp4\n1 Celeb-real/id1_0003.mp4\n0 Celeb-synthesis/id0_id1_0000.mp4"


def _scan(raw: Path) -> Scan:
    return CelebDF(**OPTIONS).scan_all(raw)


def _touch(raw: Path, *paths: str) -> Path:
    for path in paths:
        (raw / path).parent.mkdir(parents=True, exist_ok=True)
        (raw / path).touch()
    return raw


def _tree(raw: Path, lines: str = LINES) -> Path:
    _touch(raw, *TRAINING, *LISTED)
    (raw / LIST).write_bytes(lines.encode())
    return raw


def _tested(raw: Path) -> list[str]:
    rows = _scan(raw).rows
    assert set(rows["split"]) <= {"train", "test"}
    return sorted(rows["path"][rows["split"] == "test"])


def test_the_miniature_is_read_whole(tmp_path: Path) -> None:
    raw = make_tree("celebdf", tmp_path / "raw", frames=2)
    clutter(raw)
    spoil(raw)
    found = _scan(raw)
    rows = found.rows
    assert found.strange == {}
    assert rows.groupby(["label", "method"]).size().to_dict() == {(0, "real"): 18, (1, "Celeb-synthesis"): 20}
    assert rows["split"].value_counts().to_dict() == {"train": 29, "test": 9}
    fakes = rows.query("label == 1")
    assert set(fakes["source_clip"]) <= set(rows.query("label == 0")["source_clip"])
    assert rows["video"].is_unique


def test_names_say_target_source_and_clip(tmp_path: Path) -> None:
    rows = {row["path"]: row for row in _scan(_tree(tmp_path)).rows.to_dict("records")}
    fake, real = rows["Celeb-synthesis/id0_id1_0000.mp4"], rows["Celeb-real/id0_0000.mp4"]
    assert (fake["target_identity"], fake["source_identity"]) == ("celebdf:id0", "celebdf:id1")
    assert real["target_identity"] == "celebdf:id0"
    assert pd.isna(real["source_identity"])
    assert fake["source_clip"] == real["source_clip"] == "celebdf:id0_0000"
    youtube = rows["YouTube-real/00170.mp4"]
    assert youtube["source_clip"] == "celebdf:youtube/00170"
    assert pd.isna(youtube["target_identity"])
    assert pd.isna(youtube["source_identity"])


def test_every_line_of_the_list_is_a_test_video_the_first_and_the_last_too(tmp_path: Path) -> None:
    raw = _tree(tmp_path)
    assert not (raw / LIST).read_text().endswith("\n")
    assert _tested(raw) == sorted(LISTED)


@pytest.mark.parametrize(
    "lines",
    [
        LINES.replace("\n", "\r\n"),
        LINES + "\n\n",
        "\ufeff" + LINES,
        LINES.replace("YouTube-real", "Youtube-real"),
        LINES.replace("real/", "real/videos/").replace("synthesis/", "synthesis/videos/"),
    ],
    ids=["windows", "newlines", "byte order mark", "Youtube", "videos"],
)
def test_lists_of_any_copy_say_the_same(tmp_path: Path, lines: str) -> None:
    assert _tested(_tree(tmp_path, lines)) == sorted(LISTED)


def test_folders_of_any_copy_are_matched_with_the_list(tmp_path: Path) -> None:
    raw = _tree(tmp_path)
    for folder in ("Celeb-real", "Celeb-synthesis", "YouTube-real"):
        (raw / folder).rename(raw / "moved")
        (raw / folder.replace("Tube", "tube")).mkdir()
        (raw / "moved").rename(raw / folder.replace("Tube", "tube") / "videos")
    tested = [path.replace("Tube", "tube").replace("/", "/videos/") for path in LISTED]
    assert _tested(raw) == sorted(tested)
    found = _scan(raw)
    assert found.strange == {}
    assert len(found.rows) == 5
    assert set(found.rows["source_clip"]) == {"celebdf:youtube/00170", "celebdf:id0_0000", "celebdf:id1_0003"}


def test_one_means_real_in_the_list(tmp_path: Path) -> None:
    rows = _scan(_tree(tmp_path)).rows.set_index("path")
    assert rows.loc[LISTED, "label"].tolist() == [0, 0, 1]
    raw = _tree(tmp_path / "turned", LINES.replace("0 Celeb-synthesis", "1 Celeb-synthesis"))
    with pytest.raises(
        UserError, match=r"Line 3 of .*, '1 Celeb-synthesis/id0_id1_0000.mp4', calls a video of .* real"
    ):
        _scan(raw)
    raw = _tree(tmp_path / "turned", LINES.replace("1 YouTube-real", "0 YouTube-real"))
    with pytest.raises(UserError, match=r"Line 1 of .*, '0 YouTube-real/00170.mp4', calls a video of .* fake"):
        _scan(raw)


@pytest.mark.parametrize(
    "line", ["YouTube-real/00170.mp4", "2 YouTube-real/00170.mp4", "1 real/00170.mp4", "1 00170.mp4"]
)
def test_lines_of_another_form_are_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(UserError, match=f"Line 4 of .* is '{line}' and not like '1 YouTube-real/00170.mp4'"):
        _scan(_tree(tmp_path, f"{LINES}\n{line}"))


def test_a_missing_list_says_where_it_is_to_be_had(tmp_path: Path) -> None:
    raw = _tree(tmp_path)
    (raw / LIST).unlink()
    with pytest.raises(
        UserError, match=rf"{LIST} is missing: it comes with the download from https://github.com/yuezunli"
    ):
        _scan(raw)


def test_what_the_versions_hold(tmp_path: Path) -> None:
    raw = _tree(tmp_path, f"{LINES}\n0 Celeb-synthesis/id3_id4_0000.mp4")
    for version, wanted in ((CelebDF, [590, 300, 5639]), (CelebDFv1, [158, 250, 795])):
        data = version(**OPTIONS)
        parts = data.expectations(data.scan_all(raw).rows, raw)
        assert [part.part for part in parts] == ["real, Celeb-real", "real, YouTube-real", "fake, Celeb-synthesis"]
        assert [part.wanted for part in parts] == wanted
        assert [part.found for part in parts] == [2, 1, 2]
        assert [list(part.missing) for part in parts] == [[], [], ["Celeb-synthesis/id3_id4_0000"]]


def test_version_1_shares_people_and_clips_with_version_2(tmp_path: Path) -> None:
    raw = make_tree("celebdf_v1", tmp_path / "raw", frames=2)
    first, second = CelebDFv1(**OPTIONS).scan_all(raw).rows, _scan(raw).rows
    assert set(first["dataset"]) == {"celebdf_v1"}
    assert first["split"].value_counts().to_dict() == {"train": 15, "test": 4}
    assert set(first["video"]).isdisjoint(second["video"])
    columns = ["path", "source_clip", "target_identity", "source_identity", "split"]
    pd.testing.assert_frame_equal(first[columns], second[columns])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Celeb-real/0000.mp4", "is called neither like id0_0000"),
        ("Celeb-real/id0_0000 copy.mp4", "is called neither like id0_0000"),
        ("Celeb-real/id0_id1_0001.mp4", "is called like a video of Celeb-synthesis"),
        ("Celeb-synthesis/id0_0001.mp4", "is called like a video of Celeb-real"),
        ("YouTube-real/id0_0001.mp4", "is called like a video of Celeb-real"),
        ("Celeb-real/old/id0_0001.mp4", "lies neither in Celeb-real nor in Celeb-real/videos"),
    ],
)
def test_strange_files_are_reported_with_their_reason(tmp_path: Path, name: str, reason: str) -> None:
    found = _scan(_touch(_tree(tmp_path), name))
    assert list(found.strange) == [name]
    assert reason in found.strange[name]
    assert len(found.rows) == 5


@pytest.mark.parametrize("given", ["Celeb-real", "..", "../.."])
def test_a_wrong_level_is_named(tmp_path: Path, given: str) -> None:
    raw = _tree(tmp_path / "here" / "Celeb-DF-v2")
    with pytest.raises(UserError, match=rf"does not hold Celeb-real, .*; did you mean .*{raw}\?"):
        _scan((raw / given).resolve())


def test_the_list_is_read_without_the_videos(tmp_path: Path) -> None:
    (tmp_path / LIST).write_text(LINES)
    assert read_list(tmp_path / LIST) == {path.removesuffix(".mp4") for path in LISTED}
