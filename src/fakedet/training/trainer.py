"""Building Lightning's Trainer from the config, with what is checked before a run starts."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint, ModelSummary, ProgressBar
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from fakedet.config import TrainConfig
from fakedet.errors import UserError, did_you_mean
from fakedet.instantiation import instantiate
from fakedet.metrics.collection import WATCHED
from fakedet.metrics.scores import LOWER_IS_BETTER

# Validation and test are always fp32, which rules the `-true` kinds of half and double precision out.
PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")
MONITORS = ("val/loss", *(f"val/{name}" for name in WATCHED))
FALLING = ("val/loss", *(f"val/{name}" for name in LOWER_IS_BETTER))  # the lower, the better


def build_trainer(config: TrainConfig, trackers: Sequence[Logger]) -> Trainer:
    """The Trainer of a config, with its callbacks and the open trackers.

    Raises:
        UserError: for a monitored metric that is not a validation metric, a device that is not there, or
            settings that would train without a schedule or without keeping what was learned.
    """
    check_monitors(config.callbacks)
    callbacks = [instantiate(callback) for callback in config.callbacks.values() if callback is not None]
    if not trackers:
        # Lightning's monitor stops a training that has nothing to tell it to.
        callbacks = [callback for callback in callbacks if not isinstance(callback, LearningRateMonitor)]
    if not any(isinstance(callback, ModelCheckpoint) for callback in callbacks):
        raise UserError("callbacks.checkpoint=null would train for nothing: no weights would be kept.")
    settings = dict(config.trainer)
    epochs = settings["max_epochs"]
    if not isinstance(epochs, int) or epochs < 1:
        raise UserError(f"trainer.max_epochs={epochs} is no number of epochs, at least 1.")
    settings["precision"] = choose_precision(str(settings["precision"]), str(settings["accelerator"]))
    freezing = config.callbacks.get("freezing") or {}
    if settings["strategy"] == "ddp" and freezing.get("stages"):
        # Frozen parameters get no gradient, which plain DDP would wait for.
        settings["strategy"] = "ddp_find_unused_parameters_true"
    _silence_known_warnings()
    try:
        # This project's data modules shard by themselves and repeat no evaluation image.
        trainer: Trainer = instantiate(
            settings,
            callbacks=callbacks,
            logger=list(trackers),
            use_distributed_sampler=False,
            # Lightning would put its own in place of one that was switched off.
            enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in callbacks),
            enable_model_summary=any(isinstance(callback, ModelSummary) for callback in callbacks),
        )
    except MisconfigurationException as error:
        raise UserError(f"trainer: {' '.join(str(error).split())}") from error
    return trainer


def check_best(trainer: Trainer) -> None:
    """Refuse checkpoints of which report, threshold and export would take another one for the best.

    Raises:
        UserError: unless the best epoch, and no other, is kept as `best.ckpt`, by a validation.
    """
    if trainer.limit_val_batches == 0:
        raise UserError("trainer.limit_val_batches=0 would choose the best epoch by nothing.")
    kept = [found for found in trainer.checkpoint_callbacks if isinstance(found, ModelCheckpoint)]
    if not any((callback.filename, callback.save_top_k) == ("best", 1) for callback in kept):
        raise UserError(
            "callbacks.checkpoint must keep the best epoch as best.ckpt (filename=best, save_top_k=1), which report, "
            "threshold and export are made from; a callback of another name may keep more."
        )


def _silence_known_warnings() -> None:
    """Hide what Lightning says of choices that were made on purpose, or of itself."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",  # data.workers is chosen from the cores
        ".*smaller than the logging interval.*",  # epoch values are logged all the same
        ".*isinstance\\(treespec, LeafSpec\\).*",  # Lightning 2.6 with torch 2.15
        ".*your dataloader is not resumable.*",  # DataModule.start_at makes it so
        ".*exists and is not empty.*",  # a resumed run goes on in its own folder
    ):
        warnings.filterwarnings("ignore", message=message)


def choose_precision(precision: str, accelerator: str) -> str:
    """Lightning's precision; `auto` is bf16 where the processor computes in it, else fp32.

    Raises:
        UserError: for one that validation could not leave.
    """
    if precision not in PRECISIONS:
        meant = did_you_mean(precision, PRECISIONS)
        raise UserError(f"trainer.precision={precision} is not known{meant}; choose {', '.join(PRECISIONS)}.")
    if precision != "auto":
        return precision
    on_gpu = accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available())
    supported = torch.cuda.is_bf16_supported() if on_gpu else torch.cpu._is_avx512_bf16_supported()
    return "bf16-mixed" if supported else "32-true"


def check_monitors(callbacks: Mapping[str, Any]) -> None:
    """Refuse to choose anything by a metric that is not a validation metric, or to choose the worst.

    Raises:
        UserError: naming the monitor; test data is for testing.
    """
    for monitor, mode in _monitors(callbacks):
        if monitor not in MONITORS:
            raise UserError(
                f"monitor={monitor} is refused{did_you_mean(monitor, MONITORS)}: checkpoints and stopping are chosen "
                f"on validation metrics alone ({', '.join(MONITORS)})."
            )
        wanted = "min" if monitor in FALLING else "max"
        if mode in ("min", "max") and mode != wanted:
            raise UserError(f"monitor={monitor} with mode={mode} would choose the worst: set mode={wanted} beside it.")


def _monitors(node: Any) -> Iterator[tuple[str, str | None]]:
    """Each monitor and its mode, which is `min` for Lightning where a callback says nothing."""
    if isinstance(node, Mapping):
        if node.get("monitor") is not None:
            yield str(node["monitor"]), node.get("mode", "min" if "_target_" in node else None)
        for value in node.values():
            yield from _monitors(value)
