from pathlib import Path

import pandas as pd
import pytest

from fakedet.data import coverage
from fakedet.data.prepared import Prepared
from fakedet.detector.spec import FaceSpec

ROWS = pd.DataFrame({"label": [0, 0, 1, 1], "method": ["real", "real", "swap", None]})


def _records(*crops: int) -> list[dict[str, object]]:
    return [
        {"error": None if n else "is empty", "frames": 100, "lost": [],
         "crops": [{"frame": frame} for frame in range(n)]}
        for n in crops
    ]  # fmt: skip


def test_files_frames_and_crops_are_counted_by_class_and_method() -> None:
    counted = coverage.count(ROWS, _records(100, 0, 90, 80))
    assert counted.to_dict("records") == [
        {"label": 0, "method": "real", "files": 2, "unreadable": 1, "frames": 200, "faces": 100},
        {"label": 1, "method": "swap", "files": 1, "unreadable": 0, "frames": 100, "faces": 90},
        {"label": 1, "method": "unknown", "files": 1, "unreadable": 0, "frames": 100, "faces": 80},
    ]
    assert coverage.shares(counted).to_dict() == {0: 0.5, 1: 0.85}


def test_a_picture_counts_once_and_only_where_a_face_was_cut_out_of_it() -> None:
    picture: dict[str, object] = {"error": None, "frames": 1, "crops": [{"frame": None}], "lost": []}
    both_views = {**picture, "crops": [{"frame": None}, {"frame": None}]}
    without_face = {**picture, "lost": [[None, "no face found"]]}
    without_mask = {**picture, "lost": [[None, "no mask, because masks/a.png is truncated or damaged"]]}
    counted = coverage.count(ROWS, [picture, both_views, without_face, without_mask])
    assert counted["frames"].tolist() == [2, 1, 1]
    assert counted["faces"].tolist() == [2, 0, 1]


@pytest.mark.parametrize(("fakes", "warned"), [((100, 97), False), ((96, 95), True)])
def test_a_gap_above_two_points_between_the_classes_is_a_warning(fakes: tuple[int, int], warned: bool) -> None:
    found = coverage.warnings(coverage.count(ROWS, _records(100, 100, *fakes)))
    assert bool(found) is warned
    if warned:
        assert "100.0% of real frames and 95.5% of fake" in found[0]


def test_unreadable_files_are_a_warning() -> None:
    found = coverage.warnings(coverage.count(ROWS, _records(100, 0, 50, 50)))
    assert "1 of 2 real files cannot be read." in found


def test_the_report_holds_the_counts_and_can_be_read_back(tmp_path: Path) -> None:
    counted = coverage.count(ROWS, _records(100, 90, 90, 80))
    page = coverage.write(tmp_path, "Celeb-DF", counted, Prepared("celebdf", "32", FaceSpec(version="1"), "png"))
    text = page.read_text()
    assert "360 crops from 400 frames of 4 files" in text
    assert "data:image/png;base64," in text
    read = coverage.read(tmp_path)
    assert read is not None
    assert read.equals(counted)
    assert coverage.read(tmp_path / "elsewhere") is None
