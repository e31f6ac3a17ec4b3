from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from fakedet.tracking.tensorboard_tracker import TensorBoardTracker


def _read(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0}).Reload()


def _text(events: EventAccumulator, key: str) -> str:
    return events.Tensors(f"{key}/text_summary")[-1].tensor_proto.string_val[0].decode()


def _image(events: EventAccumulator, key: str) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(events.Images(key)[-1].encoded_image_string)))


def test_everything_is_read_back(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    tracker = TensorBoardTracker("logs/tensorboard", "outputs/train/a/1")
    tracker.log_hyperparams({"model": {"name": "resnet18"}, "layers": [1, 2], "weights": None})
    tracker.log_metrics({"val/auc": 0.75}, step=4)
    tracker.log_curve("val/pr", [1, 0.5, 0], [0.5, 0.6, 1], x_name="recall", y_name="precision", title="PR", step=4)
    tracker.log_figure("val/confusion", Figure(figsize=(2, 1), dpi=50), step=4)
    table = pd.DataFrame({"picture": [picture, None], "score": [0.9, 0.1], "file": ["a.jpg", "b.jpg"]})
    tracker.log_table("val/panel", table, step=4)
    tracker.finalize("success")  # Lightning's end of fit; more follows
    tracker.log_summary({"best/auc": 0.75, "dataset": "sample"})
    tracker.close()

    folder = tmp_path / "logs" / "tensorboard" / "outputs" / "train" / "a" / "1"
    events = _read(folder)
    assert [(event.step, event.value) for event in events.Scalars("val/auc")] == [(4, 0.75)]
    curve = [(event.step, event.value) for event in events.Scalars("val/pr/step_4")]
    assert curve == [(0, 1), (500, pytest.approx(0.6)), (1000, 0.5)]
    assert _image(events, "val/confusion").shape == (50, 100, 3)
    assert np.array_equal(_image(events, "val/panel/000_picture"), picture)
    assert "| 000_picture | 0.9 | a.jpg |" in _text(events, "val/panel")
    assert '"name": "resnet18"' in _text(events, "config")
    assert events.Scalars("best/auc")[-1].value == 0.75
    assert _text(events, "dataset") == "sample"
    assert "_hparams_/session_start_info" in events.summary_metadata
    assert "resnet18" in (folder / "hparams.yaml").read_text()


def test_each_run_folder_has_its_own_place(tmp_path: Path) -> None:
    folders = {TensorBoardTracker("logs", run).log_dir.rstrip("/") for run in ("out/1", "out/2", "/elsewhere/out/1")}
    assert folders == {"logs/out/1", "logs/out/2", "logs/elsewhere/out/1"}


def test_a_resumed_run_goes_on(tmp_path: Path) -> None:
    for step in (1, 2):
        tracker = TensorBoardTracker("logs", "out/1")
        tracker.log_metrics({"auc": 0.5}, step=step)
        tracker.close()
    assert [event.step for event in _read(tmp_path / "logs" / "out" / "1").Scalars("auc")] == [1, 2]
