"""SIGINT and SIGTERM: save a checkpoint, say how to go on, exit non-zero."""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from fakedet.errors import UserError


class InterruptedTraining(UserError):
    """A signal ended the training after its state was saved."""


class SaveOnSignal(Callback):
    """Ends the run at the next batch after a signal, with its state in `last.ckpt`.

    Lightning alone would end a run on SIGTERM without a checkpoint and with status 0. A second signal
    ends the run at once.

    Args:
        file: where the checkpoint goes; written beside and renamed, so a kill leaves the old one whole.
    """

    def __init__(self, file: str) -> None:
        self.file = Path(file)
        self._signal: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Listen, on the main thread only: Python allows no other."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._signal is not None:
            raise KeyboardInterrupt
        self._signal = signal.Signals(number)

    def _stop_if_asked(self, trainer: Trainer) -> None:
        asked = self._signal is not None
        if trainer.world_size > 1:
            # All ranks must leave at the same batch, or those that stay wait for the others for ever.
            flag = torch.tensor(int(asked), device=trainer.strategy.root_device)
            torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
            asked = bool(flag.item())
        if not asked:
            return
        partial = self.file.with_name(f".{self.file.name}.partial")
        trainer.save_checkpoint(partial)
        if trainer.is_global_zero:
            partial.replace(self.file)
        name = self._signal.name if self._signal else "a signal to another process"
        raise InterruptedTraining(
            f"Stopped by {name} in epoch {trainer.current_epoch}, step {trainer.global_step}; the state is in "
            f"{self.file}. Go on with: python src/train.py resume={self.file.parent.parent}"
        )

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Save and leave if a signal came."""
        self._stop_if_asked(trainer)

    def on_validation_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """The same while validating: a cluster's grace period may be shorter than the validation."""
        if trainer.state.fn == "fit":
            self._stop_if_asked(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        """A validation that was cut short starts over on resumption: half of it says nothing."""
        if trainer.validating or trainer.sanity_checking:
            progress = checkpoint["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]
            for counts in (progress["total"], progress["current"]):
                counts.update(dict.fromkeys(counts, 0))

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
