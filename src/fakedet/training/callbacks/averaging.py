"""Exponential moving average of the weights, as an option."""

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging


class ExponentialMovingAverage(EMAWeightAveraging):
    """Lightning's average, in place until the validation's reports are made.

    Lightning puts the trained weights back before `on_validation_end`, where Grad-CAM would then explain
    other weights than those that were scored.

    Args:
        decay: share of the average that a step keeps (Polyak & Juditsky, 1992, with forgetting).
    """

    def __init__(self, decay: float = 0.999) -> None:
        super().__init__(decay=decay)
        self._averaged_in_place = False

    def _swap_models(self, pl_module: LightningModule) -> None:
        super()._swap_models(pl_module)
        self._averaged_in_place = not self._averaged_in_place

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the average where it is."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Put the trained weights back, before the checkpoint callback saves."""
        if self._averaged_in_place:
            self._swap_models(pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save both sets of weights under their names, whichever is in place."""
        if self._averaged_in_place:
            # A signal in the middle of a validation.
            self._swap_models(pl_module)
            checkpoint["state_dict"] = pl_module.state_dict()
            super().on_save_checkpoint(trainer, pl_module, checkpoint)
        else:
            super().on_save_checkpoint(trainer, pl_module, checkpoint)
