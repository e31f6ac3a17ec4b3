import json
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from omegaconf import OmegaConf
from PIL import Image

from fakedet.tracking.csv_tracker import CsvTracker


def _picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)


def test_everything_is_read_back(tmp_path: Path) -> None:
    tracker = CsvTracker(tmp_path / "run" / "csv")
    tracker.log_hyperparams({"model": {"name": "resnet18"}, "lr": 1e-3})
    tracker.log_metrics({"val/auc": 0.75}, step=4)
    tracker.log_curve("val/roc", [0, 0, 1], [0, 1, 1], x_name="fpr", y_name="tpr", title="ROC", step=4)
    tracker.log_figure("val/confusion", Figure(figsize=(2, 1), dpi=50), step=4)
    table = pd.DataFrame({"picture": [_picture(), None], "score": [0.9, np.nan], "file": ["a.jpg", "b.jpg"]})
    tracker.log_table("val/panel", table, step=4)
    tracker.log_summary({"best/auc": np.float64(0.75), "model": "resnet18"})
    tracker.log_summary({"best/auc": 0.8})
    tracker.close()

    folder = tmp_path / "run" / "csv"
    assert OmegaConf.load(folder / "hparams.yaml") == {
        "model": {"name": "resnet18"},
        "lr": 1e-3,
    }
    assert pd.read_csv(folder / "metrics.csv").to_dict("records") == [{"step": 4, "val/auc": 0.75}]
    curve = pd.read_csv(folder / "val" / "roc" / "step_4.csv")
    assert curve.to_dict("list") == {"fpr": [0, 0, 1], "tpr": [0, 1, 1]}
    assert Image.open(folder / "val" / "confusion" / "step_4.png").size == (100, 50)
    panel = pd.read_csv(folder / "val" / "panel" / "step_4.csv")
    assert panel["file"].tolist() == ["a.jpg", "b.jpg"]
    assert panel["score"].isna().tolist() == [False, True]
    assert panel["picture"].isna().tolist() == [False, True]
    shown = np.asarray(Image.open(folder / "val" / "panel" / panel["picture"][0]))
    assert np.array_equal(shown, _picture())
    assert json.loads((folder / "summary.json").read_text()) == {"best/auc": 0.8, "model": "resnet18"}


def test_a_resumed_run_keeps_its_earlier_rows(tmp_path: Path) -> None:
    tracker = CsvTracker(tmp_path)
    tracker.log_metrics({"auc": 0.5}, step=0)
    tracker.close()
    tracker = CsvTracker(tmp_path)
    tracker.log_metrics({"auc": 0.6, "loss": 0.3}, step=1)
    tracker.close()
    rows = pd.read_csv(tmp_path / "metrics.csv")
    assert rows["step"].tolist() == [0, 1]
    assert rows["auc"].tolist() == [0.5, 0.6]
    assert rows["loss"].isna().tolist() == [True, False]
