import logging
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel
from matplotlib.figure import Figure
from PIL import Image
from wandb_file import offline_runs

from fakedet.tracking.wandb_tracker import WandbTracker

KEY = "0" * 40
RUNS = Path("logs/wandb")


def _said(caplog: pytest.LogCaptureFixture) -> str:
    (message,) = [record.message for record in caplog.records if record.name.startswith("fakedet")]
    return message


def test_an_offline_run_is_read_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (6, 5, 3), dtype=np.uint8) for _ in range(2)]
    tracker = WandbTracker("forensics", "out/1", name="a run", group="a sweep", tags=["resnet18", "sample"])
    tracker.log_hyperparams({"model": {"name": "resnet18", "weights": None}, "lr": 1e-3, "sizes": [1, 2]})
    for epoch in range(3):
        tracker.log_metrics({"val/auc": 0.5 + epoch / 10, "epoch": epoch}, step=10 * epoch)
    rates = np.linspace(0, 1, 3000)
    tracker.log_curve("val/roc", rates, rates**0.3, x_name="fpr", y_name="tpr", title="ROC", step=20)
    tracker.log_figure("val/confusion", Figure(figsize=(2, 1), dpi=50), step=20)
    panel = pd.DataFrame({"picture": [*pictures, None], "score": [0.9, 0.1, np.nan], "file": ["a", "b", None]})
    tracker.log_table("val/panel", panel, step=20)
    tracker.log_summary({"best/auc": np.float64(0.7), "dataset": "sample"})
    checkpoint = tmp_path / "best.ckpt"
    checkpoint.write_bytes(b"weights")
    tracker.log_checkpoint(checkpoint, {"auc": 0.7})
    tracker.close()

    (run,) = offline_runs(RUNS)
    assert (run.project, run.group, run.name, run.exit_code) == ("forensics", "a sweep", "a run", 0)
    assert sorted(run.tags) == ["resnet18", "sample"]
    assert run.config["model"] == {"name": "resnet18", "weights": None}
    assert (run.config["lr"], run.config["sizes"]) == (1e-3, [1, 2])
    assert run.step_metrics["val/*"] == "epoch"
    assert run.series("val/auc", over="epoch") == [(0, 0.5), (1, 0.6), (2, 0.7)]
    assert (run.summary["best/auc"], run.summary["dataset"]) == (0.7, "sample")

    chart = run.config["_wandb"]["visualize"]["val/roc"]["panel_config"]
    assert (chart["fieldSettings"]["x"], chart["fieldSettings"]["y"]) == ("fpr", "tpr")
    assert chart["stringSettings"]["title"] == "ROC"
    assert "val/roc_table" in str(chart["userQuery"]), "the chart of every run asks for the same table"
    curve = run.table("val/roc_table")
    assert curve["columns"] == ["fpr", "tpr"]
    assert 2 < len(curve["data"]) <= 500
    assert (curve["data"][0], curve["data"][-1]) == ([0, 0], [1, 1])

    confusion = next(row["val/confusion"] for row in run.history if "val/confusion" in row)
    assert Image.open(run.folder / "files" / confusion["path"]).size == (100, 50)
    table = run.table("val/panel")
    assert table["columns"] == ["picture", "score", "file"]
    assert [row[1:] for row in table["data"]] == [[0.9, "a"], [0.1, "b"], [None, None]]
    for row, picture in zip(table["data"], pictures, strict=False):
        assert np.array_equal(np.asarray(Image.open(run.pictures[row[0]["path"]])), picture)
    assert "best.ckpt" not in run.pictures, "a checkpoint is copied only where it is uploaded"
    assert all(tmp_path in file.parents for file in run.pictures.values()), "nothing is left in the home folder"


def test_runs_of_one_process_are_apart_and_a_resumed_one_keeps_its_id() -> None:
    for folder in ("out/1", "out/2", "out/1"):
        tracker = WandbTracker("forensics", folder)
        tracker.log_metrics({"auc": 0.5}, step=1)
        tracker.close(failed=folder == "out/2")
        time.sleep(1)  # W&B names a run's folder by id and second
    first, second, resumed = offline_runs(RUNS)
    assert len({run.folder for run in (first, second, resumed)}) == 3
    assert first.id == resumed.id != second.id
    assert [run.exit_code for run in (first, second, resumed)] == [0, 1, 0]
    assert [len(run.history) for run in (first, second, resumed)] == [1, 1, 1]


def test_a_run_left_open_is_not_continued() -> None:
    left_open = WandbTracker("forensics", "out/1")
    left_open.log_metrics({"auc": 0.1}, step=1)
    tracker = WandbTracker("forensics", "out/2")
    tracker.log_metrics({"auc": 0.2}, step=1)
    tracker.close()
    histories = {run.id: [row["auc"] for row in run.history] for run in offline_runs(RUNS)}
    assert histories[str(tracker.version)] == [0.2]


class _Model(BoringModel):
    def validation_step(self, batch: object, batch_idx: int) -> None:
        self.log("val/auc", 0.5 + self.current_epoch / 10)


def test_lightning_logs_validation_by_epoch(tmp_path: Path) -> None:
    tracker = WandbTracker("forensics", tmp_path / "out")
    trainer = Trainer(
        max_epochs=2,
        limit_train_batches=2,
        limit_val_batches=1,
        accelerator="cpu",
        logger=tracker,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(_Model())
    tracker.log_summary({"after": 1.0})  # Lightning has called finalize; the run is open all the same
    tracker.close()
    (run,) = offline_runs(RUNS)
    assert run.series("val/auc", over="epoch") == [(0, 0.5), (1, pytest.approx(0.6))]
    assert run.summary["after"] == 1


def test_without_a_key_it_is_offline_says_so_in_one_line_and_asks_nothing(tmp_path: Path) -> None:
    program = """
import logging
logging.basicConfig(level=logging.INFO, format="%(message)s")
from fakedet.tracking.wandb_tracker import WandbTracker
tracker = WandbTracker("forensics", "out")
tracker.log_metrics({"auc": 0.5}, step=1)
tracker.log_curve("roc", [0, 1], [0, 1], x_name="x", y_name="y", title="ROC", step=1)
tracker.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "MPLCONFIGDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "font" not in line]
    (run,) = offline_runs(RUNS)
    assert len(lines) == 1, lines
    assert "no API key is configured" in lines[0]
    assert f"wandb sync {run.folder}" in lines[0]
    assert [row["auc"] for row in run.history if "auc" in row] == [0.5]


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"WANDB_MODE": "offline", "WANDB_API_KEY": KEY}, "WANDB_MODE"),
        ({"WANDB_API_KEY": "short"}, "WANDB_API_KEY invalid"),
    ],
)
def test_why_it_is_offline_is_said(
    environment: dict[str, str],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "fakedet")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    tracker = WandbTracker("forensics", "out")
    tracker.log_metrics({"auc": 0.5}, step=1)
    tracker.close()
    assert reason in _said(caplog)
    assert len(offline_runs(RUNS)) == 1


def test_a_server_that_never_answers_does_not_hold_the_training(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fakedet")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        tracker = WandbTracker("forensics", "out", init_timeout=2)
        tracker.log_metrics({"auc": 0.5}, step=1)
        tracker.close()
        assert time.monotonic() - began < 30
    (run,) = offline_runs(RUNS)
    assert [row["auc"] for row in run.history] == [0.5]
    message = _said(caplog)
    assert "the server could not be used" in message
    assert f"wandb sync {run.folder}" in message


def test_wandb_can_be_disabled(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fakedet")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    tracker = WandbTracker("forensics", "out")
    tracker.log_metrics({"auc": 0.5}, step=1)
    tracker.log_checkpoint(Path("none.ckpt"), {})
    tracker.close()
    assert _said(caplog) == "W&B is disabled by WANDB_MODE."
    assert offline_runs(RUNS) == []
