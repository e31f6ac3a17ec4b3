import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.demos.boring_classes import BoringModel
from matplotlib.figure import Figure
from wandb_file import offline_runs

from fakedet.errors import UserError
from fakedet.tracking import Guarded, Tracker, open_trackers
from fakedet.tracking.csv_tracker import CsvTracker
from fakedet.tracking.tensorboard_tracker import TensorBoardTracker
from fakedet.tracking.wandb_tracker import WandbTracker


class _Model(BoringModel):
    def on_train_batch_end(self, *args: object) -> None:
        self.log("train/loss", 1.0)


class _TellsAll(Callback):
    """Hands every tracker one of each, as the project's callbacks do."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: object) -> None:
        for tracker in trainer.loggers:
            assert isinstance(tracker, Tracker)
            tracker.log_curve("roc", [0, 1], [0, 1], x_name="x", y_name="y", title="ROC", step=1)
            tracker.log_figure("confusion", Figure(figsize=(1, 1)), 1)
            tracker.log_table("panel", pd.DataFrame({"picture": [np.zeros((2, 2, 3), np.uint8)]}), 1)
            tracker.log_summary({"auc": 0.5})
            tracker.log_checkpoint(Path("best.ckpt"), {})


def _fit(trackers: list[Guarded], *callbacks: Callback) -> Path:
    trainer = Trainer(
        max_epochs=2,
        limit_train_batches=3,
        limit_val_batches=1,
        log_every_n_steps=1,
        accelerator="cpu",
        logger=trackers,
        callbacks=[ModelCheckpoint(dirpath="checkpoints", save_last=True), _TellsAll(), *callbacks],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(_Model())
    assert trainer.current_epoch == 2
    return Path("checkpoints/last.ckpt")


def _below_a_file() -> dict[str, Callable[[], Tracker]]:
    Path("taken").write_text("a file where a folder should be made")
    return {
        "csv": lambda: CsvTracker("taken/csv"),
        "tensorboard": lambda: TensorBoardTracker("taken/tensorboard", "out"),
        "wandb": lambda: WandbTracker("forensics", "out", save_dir="taken/logs"),
    }


@pytest.mark.parametrize("name", ["csv", "tensorboard", "wandb"])
def test_a_tracker_that_cannot_start_loses_no_training(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with open_trackers({name: _below_a_file()[name], "good": lambda: CsvTracker("good")}) as trackers:
        assert _fit(trackers).is_file()
    (warning,) = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert f"Tracking with {name} is switched off" in warning
    assert "taken" in warning
    assert "\n" not in warning
    assert len(pd.read_csv("good/metrics.csv")) == 6
    assert Path("good/panel/step_1/0_picture.png").is_file()


class _Breaks(Callback):
    def on_train_epoch_start(self, trainer: Trainer, pl_module: object) -> None:
        if trainer.current_epoch == 1:
            shutil.rmtree("csv")
            Path("csv").write_text("the disk was swapped")


def test_a_tracker_that_fails_midway_is_switched_off_once(caplog: pytest.LogCaptureFixture) -> None:
    with open_trackers({"csv": lambda: CsvTracker("csv"), "good": lambda: CsvTracker("good")}) as trackers:
        assert _fit(trackers, _Breaks()).is_file()
        broken = trackers[0]
        assert (broken.name, broken.version, broken.save_dir, broken.log_dir) == (None, None, None, None)
        broken.experiment.anything_at_all(1)
    assert len([record for record in caplog.records if "switched off" in record.message]) == 1
    assert len(pd.read_csv("good/metrics.csv")) == 6


def test_a_healthy_tracker_is_what_it_was() -> None:
    inner = CsvTracker("csv")
    guarded = Guarded(inner, "csv")
    assert (guarded.save_dir, guarded.log_dir, guarded.root_dir) == ("csv", "csv", inner.root_dir)
    assert (guarded.name, guarded.version, guarded.group_separator) == (inner.name, inner.version, "/")
    assert guarded.experiment is inner.experiment


def test_a_tracker_that_cannot_be_made_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> Tracker:
        raise ImportError("No module named 'wandb'")

    with open_trackers({"wandb": fails, "csv": lambda: CsvTracker("csv")}) as trackers:
        assert [type(tracker) for tracker in trackers] == [Guarded]
    assert [record.message for record in caplog.records] == [
        "Tracking with wandb is switched off for this run: ImportError: No module named 'wandb'"
    ]


def test_a_wrong_configuration_is_the_callers_to_mend() -> None:
    def fails() -> Tracker:
        raise UserError("logger.csv.foldre is unknown; did you mean folder?")

    with pytest.raises(UserError, match="foldre"), open_trackers({"csv": fails}):
        pass


def test_a_failed_run_is_closed_as_failed() -> None:
    def run() -> None:
        with open_trackers({"wandb": lambda: WandbTracker("forensics", "out")}) as (tracker,):
            tracker.log_metrics({"auc": 0.5}, step=1)
            raise RuntimeError("the training failed")

    with pytest.raises(RuntimeError, match="the training failed"):
        run()
    (found,) = offline_runs(Path("logs/wandb"))
    assert found.exit_code == 1
    assert len(found.history) == 1


def test_ctrl_c_passes() -> None:
    class Interrupted(CsvTracker):
        def save(self) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Guarded(Interrupted("csv"), "csv").save()
