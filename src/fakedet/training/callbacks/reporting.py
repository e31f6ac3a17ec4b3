"""What each epoch gave: a line in the log; curves and Grad-CAM panels, handed to the trackers."""

import logging
import time
from typing import Any

import numpy as np
import pandas as pd
from lightning.pytorch import Callback, LightningModule, Trainer

from fakedet.data.datamodule import DataModule
from fakedet.errors import UserError
from fakedet.evaluation.tracked import track_curves, track_panel
from fakedet.explain.panel import choose_rows, explain_rows
from fakedet.tracking import Tracker
from fakedet.training.module import DetectorModule

log = logging.getLogger(__name__)
SHOWN = ("train/loss_epoch", "val/loss", "val/auc")


def _trackers(trainer: Trainer) -> list[Tracker]:
    return [logger for logger in trainer.loggers if isinstance(logger, Tracker)]


class _AfterEvaluation(Callback):
    """Calls `report` after each validation and test epoch, on the first process."""

    def report(self, trainer: Trainer, module: DetectorModule, split: str) -> None:
        raise NotImplementedError

    def _end(self, trainer: Trainer, pl_module: LightningModule, split: str) -> None:
        assert isinstance(pl_module, DetectorModule)
        if trainer.is_global_zero and not trainer.sanity_checking and _trackers(trainer):
            self.report(trainer, pl_module, split)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report on the validation split."""
        self._end(trainer, pl_module, "val")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report on the test split."""
        self._end(trainer, pl_module, "test")


class EpochLines(Callback):
    """One line an epoch in the log, for terminals that show no progress bar and for files."""

    def __init__(self) -> None:
        self._started = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Start the clock."""
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Say what the epoch gave."""
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        shown = ", ".join(f"{name} {values[name]:.4f}" for name in SHOWN if name in values)
        seconds = time.perf_counter() - self._started
        if trainer.is_global_zero:
            log.info("epoch %d of %s: %s (%.0f s)", trainer.current_epoch + 1, trainer.max_epochs, shown, seconds)


class Curves(_AfterEvaluation):
    """ROC and precision-recall curves and the confusion matrix, from torchmetrics."""

    def report(self, trainer: Trainer, module: DetectorModule, split: str) -> None:
        """Hand the epoch's curves over."""
        assert module.results is not None
        found = module.results
        track_curves(_trackers(trainer), split, found.curves, found.confusion, trainer.global_step)


class Panel(_AfterEvaluation):
    """Captum Grad-CAM of a fixed sample of the split, so that epochs can be compared.

    Args:
        count: so many reals and so many fakes.
        seed: which ones.
        every_n_epochs: how often in training.
    """

    def __init__(self, count: int = 6, seed: int = 0, every_n_epochs: int = 1) -> None:
        if every_n_epochs < 1:
            raise UserError(f"callbacks.panel.every_n_epochs={every_n_epochs} is below 1; callbacks.panel=null: none.")
        self.count = count
        self.seed = seed
        self.every_n_epochs = every_n_epochs

    def report(self, trainer: Trainer, module: DetectorModule, split: str) -> None:
        """Hand the epoch's panel over."""
        if trainer.state.fn == "fit" and (trainer.current_epoch + 1) % self.every_n_epochs:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, DataModule)
        assert module.scored is not None
        rows = choose_rows(data.split(split), self.count, self.seed)
        index, logits = module.scored
        scores = pd.Series(logits.sigmoid().numpy(), index=index.numpy())
        items = explain_rows(module.network, data, rows.assign(score=scores.reindex(rows.index).to_numpy(np.float64)))
        track_panel(_trackers(trainer), split, items, trainer.global_step)
