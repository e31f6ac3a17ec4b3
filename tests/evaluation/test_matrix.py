"""Folders of evaluations to a table of detectors on data sets: what stands where, and what does not."""

import json
import math
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evaluated import some_rows, write_overrides, write_run

from fakedet.evaluation.columns import read_cells
from fakedet.evaluation.matrix import Matrix, cell_text, heat_map
from fakedet.evaluation.runs import find_runs
from fakedet.figures import canvas


def _matrix(place: Path, metric: str = "auc", level: str = "frame") -> Matrix:
    return Matrix.of(read_cells(find_runs([place]), metric, level)[0], metric, level)


def _texts(matrix: Matrix) -> dict[str, list[str]]:
    return {each.name: [cell_text(cell) for cell in matrix.row(each)] for each in matrix.detectors}


def _change(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    change(metrics)
    (run / "metrics.json").write_text(json.dumps(metrics))


def _set_auc(value: object, metrics: dict[str, Any]) -> None:
    metrics["splits"]["test"]["metrics"]["auc"]["value"] = value


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two detectors on three data sets, each trained on one of them."""
    place = tmp_path_factory.mktemp("two")
    for detector, home in (("x", "here"), ("y", "away")):
        for number, dataset in enumerate(("away", "here", "wild")):
            rows = some_rows(dataset, 1.8 if dataset == home else 0.4 + 0.1 * (detector == "x"), seed=number)
            write_run(place / f"{detector}{number}", detector, [home], rows)
    return place


def test_each_number_stands_where_it_belongs(two: Path) -> None:
    matrix = _matrix(two)
    assert [detector.name for detector in matrix.detectors] == ["net (y)", "net (x)"], "by what they were trained on"
    assert [matrix.title(column) for column in matrix.columns] == ["away", "here", "wild"]
    frame = matrix.frame()
    assert len(frame) == 6
    for row in frame.itertuples():
        entry = json.loads((Path(str(row.run)) / "metrics.json").read_text())["splits"]["test"]
        auc = entry["metrics"]["auc"]
        assert (row.value, row.low, row.high) == (auc["value"], auc["low"], auc["high"])
        assert (row.real, row.fake, row.groups) == (entry["real"], entry["fake"], entry["groups"])
        assert bool(row.own) == (str(row.trained_on) == str(row.dataset))
        assert row.metric == "auc"
    assert [[text.count("*") for text in row] for row in _texts(matrix).values()] == [[1, 0, 0], [0, 1, 0]]


def test_the_cross_mean_is_over_other_data_alone(two: Path) -> None:
    matrix = _matrix(two)
    for detector in matrix.detectors:
        frame = matrix.frame()
        others = frame[(frame["detector"] == detector.name) & ~frame["own"]]
        assert matrix.cross_mean(detector) == (pytest.approx(others["value"].mean()), 2)


@pytest.mark.parametrize("metric", ["auc", "mcc", "brier", "log_loss"])
@pytest.mark.parametrize("level", ["frame", "video"])
def test_metric_and_level_are_those_asked_for(metric: str, level: str, two: Path) -> None:
    cell = next(iter(_matrix(two, metric, level).cells.values()))
    entry = json.loads((cell.run / "metrics.json").read_text())["splits"]["test"]
    entry = entry["video"] if level == "video" else entry
    assert cell.value == entry["metrics"][metric]["value"]
    assert cell.real == entry["real"] == (20 if level == "video" else 80)


def test_the_heat_map_shows_the_same(two: Path) -> None:
    matrix = _matrix(two)
    (axes,) = heat_map(matrix).axes
    shown = {text.get_text() for text in axes.texts}
    assert {f"{cell.value:.3f}" for cell in matrix.cells.values()} <= shown
    assert axes.get_yticklabels()[0].get_text() == "A  net (y)\ntrained on away"
    # A low Brier score is a good one.
    depth = np.asarray(heat_map(_matrix(two, "brier")).axes[0].images[0].get_array())
    values = _matrix(two, "brier").frame()["value"].to_numpy().reshape(2, 3)
    assert depth.ravel()[values.argmin()] == depth.max()


def test_a_failed_run_is_a_gap_in_its_place_with_its_reason(tmp_path: Path) -> None:
    write_run(tmp_path / "0", "x", ["here"], some_rows("here", 1.0))
    write_run(tmp_path / "1", "x", ["here"], some_rows("wild", 0.5))
    write_run(tmp_path / "2", "y", ["wild"], some_rows("wild", 0.6))
    checkpoint = "/detectors/y/checkpoints/best.ckpt"
    write_overrides(tmp_path / "3", f"ckpt={checkpoint}", "data=here", failure="36 of these 36 images were trained on.")
    write_overrides(tmp_path / "4", "ckpt=/detectors/none", "data=wild", failure="There is no checkpoint.")
    write_overrides(tmp_path / "5", f"ckpt={checkpoint}", "data=folder", "data.root=/images/faces")
    matrix = _matrix(tmp_path)
    texts = _texts(matrix)
    assert [matrix.title(column) for column in matrix.columns] == ["here", "wild", "faces"]
    assert texts["net (y)"][0] == texts["/detectors/none"][1] == "— failed"
    assert texts["net (y)"][2] == "—"
    assert texts["net (x)"][2] == texts["/detectors/none"][0] == "—", "nobody asked"
    assert matrix.notes() == [
        "net (y) on here: failed: 36 of these 36 images were trained on.",
        "net (y) on faces: not finished.",
        "/detectors/none on wild: failed: There is no checkpoint.",
    ]
    reasons = matrix.frame().set_index("run")["reason"]
    assert reasons[str(tmp_path / "4")] == "failed: There is no checkpoint."
    assert "failed" in {text.get_text() for text in heat_map(matrix).axes[0].texts}


def test_nothing_but_failures_is_all_gaps(tmp_path: Path) -> None:
    write_overrides(tmp_path / "0", "ckpt=none.ckpt", "data=here", failure="There is no checkpoint none.ckpt.")
    write_overrides(tmp_path / "1", "ckpt=none.ckpt", "data.split=official", failure="There is no checkpoint.")
    matrix = _matrix(tmp_path)
    assert _texts(matrix) == {"none.ckpt": ["— failed", "— failed"]}
    assert matrix.frame()["value"].isna().all()
    assert canvas.png(heat_map(matrix))


def test_one_class_or_too_few_reals_is_a_gap_that_says_so(tmp_path: Path) -> None:
    rows = some_rows("here", 1.0)
    write_run(tmp_path / "0", "x", ["there"], rows[rows["label"] == 1])
    assert _matrix(tmp_path).notes() == ["net (x) on here: test has no real image."]
    write_run(tmp_path / "1", "y", ["there"], rows)
    assert "net (y) on here: TPR at 0.1 % FPR wants 1,000 real ones, and there are 80." in (
        _matrix(tmp_path, "tpr_at_fpr_1e-3").notes()
    )


def test_one_group_gives_a_number_without_an_interval(tmp_path: Path) -> None:
    write_run(tmp_path / "0", "x", ["there"], some_rows("here", 0.5, groups=2, per_group=20))
    matrix = _matrix(tmp_path)
    (cell,) = matrix.cells.values()
    assert not math.isnan(cell.value)
    assert cell_text(cell) == f"{cell.value:.3f}"
    assert matrix.frame()["low"].isna().all()


def test_a_number_that_is_none_is_a_gap(tmp_path: Path) -> None:
    run = write_run(tmp_path / "0", "x", ["there"], some_rows("here", 1.0))
    for wrong in (float("nan"), float("inf"), "0.9", None):
        _change(run, partial(_set_auc, wrong))
        assert _matrix(tmp_path).notes() == ["net (x) on here: its metrics.json has no AUC that is a number."]


def test_images_without_videos_have_no_video_level(tmp_path: Path) -> None:
    rows = some_rows("here", 1.0)
    write_run(tmp_path / "0", "x", ["there"], rows.assign(video=pd.array([pd.NA] * len(rows), "string")))
    assert _matrix(tmp_path, level="video").notes() == ["net (x) on here: its images are not frames of videos."]


def test_a_leak_is_marked_and_counts_in_no_mean(tmp_path: Path) -> None:
    write_run(tmp_path / "0", "x", ["there"], some_rows("here", 1.0), leaks=["3 of these images were trained on."])
    write_run(tmp_path / "1", "x", ["there"], some_rows("wild", 0.5, seed=1))
    matrix = _matrix(tmp_path)
    assert "†" in _texts(matrix)["net (x)"][0]
    assert matrix.cross_mean(matrix.detectors[0]) == (
        matrix.cells[matrix.detectors[0].key, ("wild", "test", "")].value,
        1,
    )
    assert matrix.leaks() == [
        "LEAK, net (x) on here: 3 of these images were trained on; this number says nothing of new images, and "
        "counts in no mean."
    ]


def test_validation_data_has_a_column_of_its_own_and_counts_in_no_mean(tmp_path: Path) -> None:
    write_run(tmp_path / "0", "x", ["there"], some_rows("here", 0.5))
    write_run(tmp_path / "1", "x", ["there"], some_rows("here", 2.0, split="val"))
    write_run(tmp_path / "2", "x", ["there"], some_rows("here", 1.0, split="all"))
    matrix = _matrix(tmp_path)
    assert [matrix.title(column) for column in matrix.columns] == ["here, all", "here, test", "here, val"]
    (detector,) = matrix.detectors
    assert matrix.cross_mean(detector) == (matrix.cells[detector.key, ("here", "test", "")].value, 1)


def test_parts_of_a_mix_are_columns(tmp_path: Path) -> None:
    rows = pd.concat([some_rows("here", 1.0), some_rows("wild", 0.3, seed=1)], ignore_index=True)
    rows["group"] = rows["dataset"] + "/" + rows["group"]
    run = write_run(tmp_path / "0", "x", ["here"], rows)
    parts = json.loads((run / "metrics.json").read_text())["splits"]["test"]["parts"]["dataset"]
    matrix = _matrix(tmp_path)
    assert list(matrix.columns) == [("here", "test", ""), ("wild", "test", "")]
    for cell in matrix.cells.values():
        assert cell.value == parts[cell.dataset]["metrics"]["auc"]["value"]
        assert cell.own == (cell.dataset == "here")
    assert _matrix(tmp_path, "mcc").notes()[0] == (
        "net (x) on here: MCC at frame level is not measured for each data set of a mix: evaluate it by itself."
    )


def test_the_newer_of_two_runs_of_the_same_counts(tmp_path: Path) -> None:
    for name, skill, age in (("b", 0.4, 100), ("a", 1.0, 50)):
        run = write_run(tmp_path / name, "x", ["there"], some_rows("here", skill))
        os.utime(run / "metrics.json", (2_000_000_000 - age,) * 2)
    cells, left_out = read_cells(find_runs([tmp_path]), "auc", "frame")
    assert [cell.run.name for cell in cells] == ["a"]
    assert left_out == [f"{tmp_path / 'b'} is left out: {tmp_path / 'a'} is a newer run of the same."]
    write_overrides(
        tmp_path / "c", "ckpt=/detectors/x/checkpoints/best.ckpt", "data=here", failure="The disk was full."
    )
    assert [cell.run.name for cell in read_cells(find_runs([tmp_path]), "auc", "frame")[0]] == ["a"]


def test_what_a_checkpoint_was_before_it_was_written_over_is_a_gap(tmp_path: Path) -> None:
    old = write_run(tmp_path / "0", "x", ["there"], some_rows("here", 1.0), step=10)
    new = write_run(tmp_path / "1", "x", ["there"], some_rows("wild", 1.0), step=20)
    for run, age in ((old, 100), (new, 50)):
        os.utime(run / "metrics.json", (2_000_000_000 - age,) * 2)
    write_run(tmp_path / "2", "x", ["there"], some_rows("there", 1.0), entry="train", step=10)
    matrix = _matrix(tmp_path)
    assert matrix.notes() == ["net (x) on here: was made before its checkpoint was written over: evaluate again."]
    assert [cell.run.name for cell in matrix.cells.values() if not cell.reason] == ["1"]


def test_a_training_s_own_test_fills_the_diagonal(tmp_path: Path) -> None:
    both = pd.concat([some_rows("here", 1.0), some_rows("here", 2.0, split="val", seed=1)])
    write_run(tmp_path / "x", "x", ["here"], both, entry="train")
    write_run(tmp_path / "y", "y", ["here"], both, entry="train")
    write_run(tmp_path / "0", "x", ["here"], some_rows("wild", 0.5))
    matrix = _matrix(tmp_path)
    assert [(cell.detector.name, cell.run.name, cell.column) for cell in matrix.cells.values()] == [
        ("net (x)", "0", ("wild", "test", "")), ("net (x)", "x", ("here", "test", ""))
    ]  # fmt: skip


def test_detectors_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for number, name in enumerate(("first/0", "second/0", "second/1")):
        write_run(tmp_path / str(number), name, ["there"], some_rows("here", 1.0))
    names = [detector.name for detector in _matrix(tmp_path).detectors]
    assert names == ["net (0) (first/0)", "net (0) (second/0)", "net (1)"]


def test_a_run_and_its_checkpoint_that_both_failed_are_told_apart(tmp_path: Path) -> None:
    for number, ckpt in enumerate(("runs/x", "runs/x/checkpoints/best.ckpt")):
        write_overrides(tmp_path / str(number), f"ckpt={ckpt}", "data=here", failure="data.root=/gone is no folder.")
    assert len({detector.name for detector in _matrix(tmp_path).detectors}) == 2


def test_folders_of_other_versions_and_damaged_ones_say_so(tmp_path: Path) -> None:
    run = write_run(tmp_path / "0", "x", ["there"], some_rows("here", 1.0))
    _change(run, lambda metrics: metrics.pop("detector"))
    assert _matrix(tmp_path).notes() == [
        "/detectors/x on here: was written by an earlier version, which did not record what a detector was trained "
        "on: evaluate again."
    ]
    for text, said in {
        "{": "is damaged",
        "[]": "was not written by this program",
        '{"a": 1}': "was not written",
    }.items():
        (run / "metrics.json").write_text(text)
        assert said in _matrix(tmp_path).notes()[0]


def test_evaluations_in_several_ways_stand_side_by_side(tmp_path: Path) -> None:
    rows = some_rows("here", 0.6)
    official: dict[str, Any] = {"protocol_name": "official", "no_face": "exclude"}
    write_run(tmp_path / "0", "x", ["there"], rows, **official)
    write_run(tmp_path / "1", "x", ["there"], rows.iloc[40:], protocol_name="identity_disjoint", no_face="exclude")
    write_run(tmp_path / "2", "x", ["there"], rows, pooling="max", **official)
    cells, left_out = read_cells(find_runs([tmp_path]), "auc", "frame")
    matrix = Matrix.of(cells, "auc", "frame")
    assert [matrix.title(column) for column in matrix.columns] == ["here, identity_disjoint", "here, official"]
    assert left_out == [f"{tmp_path / '0'} is left out: {tmp_path / '2'} is a newer run of the same."]
    (detector,) = matrix.detectors
    values = [cell.value for cell in matrix.row(detector) if cell is not None]
    assert len(set(values)) == 2
    assert matrix.cross_mean(detector) == (pytest.approx(np.mean(values)), 1), "one data set"
    assert set(matrix.frame()["variant"]) == {"identity_disjoint", "official"}

    videos = _matrix(tmp_path, level="video")
    assert {videos.title(column) for column in videos.columns} == {
        "here, identity_disjoint, pooling=mean", "here, official, pooling=mean", "here, official, pooling=max",
    }  # fmt: skip


def test_other_images_of_one_name_are_told_apart(tmp_path: Path) -> None:
    rows = some_rows("images", 0.6)
    for number, part in enumerate((rows, rows.assign(path="b/" + rows["path"]))):
        write_run(tmp_path / f"{number}", "x", ["there"], part, protocol_name="by group")
    write_run(tmp_path / "2", "y", ["there"], rows, protocol_name="by group")
    cells, left_out = read_cells(find_runs([tmp_path]), "auc", "frame")
    matrix = Matrix.of(cells, "auc", "frame")
    assert not left_out
    assert len(matrix.columns) == 2
    assert all(re.fullmatch(r"images, images [0-9a-f]{6}", matrix.title(column)) for column in matrix.columns)
    assert sorted(sum(cell is not None for cell in matrix.row(each)) for each in matrix.detectors) == [1, 2]


def test_ways_are_told_apart_where_the_images_are_not_recorded(tmp_path: Path) -> None:
    rows = pd.concat([some_rows("here", 1.0), some_rows("wild", 0.3, seed=1)], ignore_index=True)
    rows["group"] = rows["dataset"] + "/" + rows["group"]
    for number, policy in enumerate(("exclude", "abstain")):  # parts of a mix have no images of their own
        write_run(tmp_path / "mix" / str(number), "x", ["there"], rows, protocol_name="p", no_face=policy)
    cells, left_out = read_cells(find_runs([tmp_path / "mix"]), "auc", "frame")
    assert not left_out
    assert {Matrix.of(cells, "auc", "frame").title(cell.column) for cell in cells} == {
        "here, no_face=exclude", "here, no_face=abstain", "wild, no_face=exclude", "wild, no_face=abstain",
    }  # fmt: skip

    for number, pooling in enumerate(("mean", "median")):
        run = write_run(
            tmp_path / "old" / str(number), "x", ["there"], some_rows("here", 0.6), pooling=pooling, protocol_name="p"
        )
        if pooling == "mean":  # as an earlier version wrote it
            _change(run, lambda metrics: metrics["splits"]["test"].pop("images_hash"))
    cells, left_out = read_cells(find_runs([tmp_path / "old"]), "auc", "video")
    assert not left_out
    assert {cell.variant for cell in cells} == {"pooling=mean", "pooling=median"}
