"""`last.ckpt`, which a run goes on from: kept after every epoch, and when a signal ends the run."""

import logging
import math
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, ModelCheckpoint

from fakedet.errors import UserError

log = logging.getLogger(__name__)


class InterruptedTraining(UserError):
    """A signal ended the training after its state was saved; the exit status is 128 + signal, as in shells."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.status = 128 + number


class SaveLast(Checkpoint):
    """Saves the state after each epoch, and ends the run soon after a signal, with its state saved.

    Lightning alone would save the last state only where it is the best one too, and end a run on SIGTERM
    without a checkpoint and with status 0. A second signal ends the run at once. As one of Lightning's
    checkpoint callbacks this comes after all others, so that what they do at a step is in the state.

    Args:
        file: where the checkpoint goes; written beside and renamed, so a kill leaves the old one whole.
    """

    def __init__(self, file: str) -> None:
        self.file = Path(file)
        self._signal = 0
        self._stopped_early = False

    def on_load_checkpoint(
        self,
        trainer: Trainer,
        pl_module: LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Mend what Lightning would put back as it was: a run may have moved, and be given more patience."""
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            state = checkpoint["callbacks"].get(callback.state_key)
            if state and isinstance(callback, EarlyStopping):
                state["patience"] = callback.patience
                self._stopped_early |= state["wait_count"] >= callback.patience
            elif state and isinstance(callback, ModelCheckpoint) and state["dirpath"] != callback.dirpath:
                # It would forget how good the best was, and put a worse one in its place.
                _move(state, str(callback.dirpath))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Listen, on the main thread only (Python allows no other); Lightning puts the old handlers back."""
        self._signal = 0
        if self._stopped_early:  # Lightning remembers the patience that is spent, and trains on all the same
            log.info(
                "Early stopping has ended this training; callbacks.early_stopping.patience above %d trains on.",
                max(each.patience for each in trainer.early_stopping_callbacks if isinstance(each, EarlyStopping)),
            )
            trainer.should_stop = True
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._signal = number
        for second in (signal.SIGINT, signal.SIGTERM):
            signal.signal(second, signal.SIG_DFL)

    def _save(self, trainer: Trainer) -> None:
        partial = self.file.with_name(f".{self.file.name}.partial")
        trainer.save_checkpoint(partial)
        if trainer.is_global_zero:
            partial.replace(self.file)

    def _asked(self, trainer: Trainer) -> int:
        asked = self._signal
        if trainer.world_size > 1:
            # All ranks must leave at the same batch, or those that stay wait for the others for ever.
            number = torch.tensor(asked, device=trainer.strategy.root_device)
            torch.distributed.all_reduce(number, op=torch.distributed.ReduceOp.MAX)
            asked = int(number.item())
        return asked

    def _leave(self, trainer: Trainer, asked: int) -> NoReturn:
        raise InterruptedTraining(
            f"Stopped by {signal.Signals(asked).name} in epoch {trainer.current_epoch + 1}, step "
            f"{trainer.global_step}; the state is in {self.file}. Go on with: python src/train.py "
            f"resume={self.file.parent.parent}",
            asked,
        )

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        """Leave after an optimiser step.

        Gradients that are still gathered would be lost to the run that goes on, and so would a validation
        that is due now: these are left at the next step, in the validation or at the end of the epoch.
        """
        done = batch_idx + 1
        stepped = done % trainer.accumulate_grad_batches == 0
        # Lightning has None here where validation comes by the clock.
        if stepped and done % (trainer.val_check_batch or math.inf) and not trainer.is_last_batch:
            asked = self._asked(trainer)
            if asked:
                self._save(trainer)
                self._leave(trainer, asked)

    def on_validation_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Leave a validation: a cluster's grace may be shorter. The run that goes on validates from the start.

        Not in a distributed run, where some processes have one batch more than others.
        """
        if self._signal and trainer.state.fn == "fit" and trainer.world_size == 1:
            progress = trainer.fit_loop.epoch_loop.val_loop.batch_progress
            progress.reset()
            progress.increment_ready()
            progress.increment_started()
            self._save(trainer)
            self._leave(trainer, self._signal)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Save when all that belongs to the epoch is done, and leave if that was asked."""
        self._save(trainer)
        asked = self._asked(trainer)
        if asked:
            self._leave(trainer, asked)


def _move(state: dict[str, Any], folder: str) -> None:
    """Let the state of a `ModelCheckpoint` speak of the same files in another folder."""

    def moved(path: str) -> str:
        return str(Path(folder) / Path(path).name) if path else path

    state["dirpath"] = folder
    for name in ("best_model_path", "kth_best_model_path", "last_model_path"):
        state[name] = moved(state[name])
    state["best_k_models"] = {moved(path): score for path, score in state["best_k_models"].items()}
