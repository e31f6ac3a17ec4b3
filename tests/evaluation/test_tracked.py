"""What a tracker is told of an evaluated split, read back from a tracker that keeps files."""

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from fakedet.evaluation.tracked import track_curves, track_figures, track_panel, track_summary
from fakedet.figures.confusion import confusion_figure
from fakedet.figures.panel import PanelItem, overlay
from fakedet.tracking.csv_tracker import CsvTracker


def test_curves_are_told_the_right_way_round(tmp_path: Path) -> None:
    tracker = CsvTracker(str(tmp_path))
    roc = (np.array([0, 0, 1.0]), np.array([0, 0.75, 1.0]), np.array([np.inf, 0.5, 0]))
    pr = (np.array([0.5, 1.0]), np.array([1.0, 0.0]), np.array([0.5]))
    track_curves([tracker], "val", {"roc": roc, "pr": pr}, np.array([[3, 1], [0, 4]]), 7)
    tracker.close()
    told = pd.read_csv(tmp_path / "val" / "roc" / "step_7.csv")
    assert list(told) == ["false-positive rate", "true-positive rate"]
    assert told.to_numpy().tolist() == [[0, 0], [0, 0.75], [1, 1]]
    told = pd.read_csv(tmp_path / "val" / "pr" / "step_7.csv")
    assert list(told) == ["recall", "precision"]
    assert told.to_numpy().tolist() == [[1, 0.5], [0, 1]]
    assert (tmp_path / "val" / "confusion" / "step_7.png").is_file()


def test_a_split_with_one_class_has_a_confusion_matrix_alone(tmp_path: Path) -> None:
    tracker = CsvTracker(str(tmp_path))
    track_curves([tracker], "test", {}, np.array([[3, 1], [0, 0]]), 1)
    track_panel([tracker], "test", [], 1)
    tracker.close()
    assert {folder.name for folder in (tmp_path / "test").iterdir()} == {"confusion"}


def test_the_panel_is_sorted_by_score_and_has_no_map_where_there_is_none(tmp_path: Path) -> None:
    tracker = CsvTracker(str(tmp_path))
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (8, 8, 3), dtype=np.uint8) for _ in range(3)]
    heat = rng.random((8, 8))
    items = [
        PanelItem(pictures[0], heat, 0.2, 1, "a.jpg"),
        PanelItem(pictures[1], None, 0.9, 1, "b.jpg"),
        PanelItem(pictures[2], np.zeros((8, 8)), 0.5, 0, "c.jpg"),
    ]
    track_panel([tracker], "val", items, 3)
    tracker.close()
    table = pd.read_csv(tmp_path / "val" / "panel" / "step_3.csv")
    assert table["file"].tolist() == ["b.jpg", "c.jpg", "a.jpg"]
    assert table["label"].tolist() == ["fake", "real", "fake"]
    assert [outcome.split(":")[0] for outcome in table["outcome"]] == [
        "true positive",
        "true negative",
        "false negative",
    ]
    assert table["grad_cam"].isna().tolist() == [True, False, False]

    def cell(row: int, column: str) -> np.ndarray:
        kept = cv2.imread(str(tmp_path / "val" / "panel" / "step_3" / f"{row}_{column}.png"))
        assert kept is not None
        return cv2.cvtColor(kept, cv2.COLOR_BGR2RGB)

    assert np.array_equal(cell(0, "picture"), pictures[1])
    assert np.array_equal(cell(2, "grad_cam"), overlay(pictures[0], heat))
    assert np.array_equal(cell(1, "grad_cam"), pictures[2]), "a map of zeros leaves the picture as it is"


def test_the_summary_holds_what_runs_are_compared_by(tmp_path: Path) -> None:
    tracker = CsvTracker(str(tmp_path))
    metrics = {
        "splits": {
            "val": {
                "metrics": {"auc": {"value": 0.75}, "f1": {"value": None}},
                "video": {"metrics": {"auc": {"value": 0.875}}},
                "parts": {"method": {"a/b": {"metrics": {"auc": {"value": 0.5}}}}},
            }
        },
        "checks": {
            "val": {
                "robustness": {
                    "levels": {
                        "frame": {"mean_corruption": {"auc": {"value": 0.625}, "loss": {"value": 0.125}}},
                        "video": {"mean_corruption": {"auc": {"value": None}, "loss": {"value": 0.25}}},
                    }
                }
            }
        },
        "latency": {"median_ms": 3.0, "device": "a processor"},
        "model": "resnet18",
        "dataset": "faces",
        "protocol": "0123",
    }
    track_summary([tracker], metrics, tmp_path / "best.ckpt")
    tracker.close()
    assert json.loads((tmp_path / "summary.json").read_text()) == {
        "best/val/auc": 0.75,
        "best/val/video/auc": 0.875,
        "best/val/method/a_b/auc": 0.5,
        "best/val/corrupted/auc": 0.625,
        "best/val/corrupted/loss": 0.125,
        "best/val/video/corrupted/loss": 0.25,
        "latency/median_ms": 3.0,
        "latency/device": "a processor",
        "model": "resnet18",
        "dataset": "faces",
        "protocol": "0123",
    }


def test_figures_of_a_report_are_told_by_name(tmp_path: Path) -> None:
    tracker = CsvTracker(str(tmp_path))
    track_figures([tracker], {"roc": confusion_figure(np.eye(2), "x"), "deletion": confusion_figure(np.eye(2), "y")}, 5)
    tracker.close()
    for name in ("roc", "deletion"):
        assert (tmp_path / "report" / name / "step_5.png").read_bytes().startswith(b"\x89PNG")
