"""The LightningModule: loss, optimiser, metrics; validation and test always in fp32."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from fakedet.config import LossConfig, ScheduleConfig
from fakedet.data.images import Batch
from fakedet.errors import UserError
from fakedet.metrics.collection import Results, detection_metrics, results, training_metrics
from fakedet.models.checkpoint import Card, stamp
from fakedet.models.registry import Network

OptimizerFactory = Callable[[Iterable[dict[str, Any]]], Optimizer]


class DetectorModule(LightningModule):
    """Trains a one-logit network with binary cross-entropy.

    After each validation or test epoch, `results` and `scored` hold its metrics and its scores; the
    callbacks read them.

    Args:
        network: images (B, 3, S, S) to logits (B,).
        card: stamped into every checkpoint.
        optimizer: builds the optimiser from parameter groups.
        schedule: warm-up and cosine.
        loss: label smoothing.
        seed: what is random in the network (dropout, stochastic depth) follows from it, epoch, batch and process.

    Raises:
        UserError: when a share among the settings is none.
    """

    def __init__(
        self,
        network: Network,
        card: Card,
        optimizer: OptimizerFactory,
        schedule: ScheduleConfig,
        loss: LossConfig,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, share in {
            "loss.label_smoothing": loss.label_smoothing,
            "schedule.warmup": schedule.warmup,
            "schedule.final": schedule.final,
        }.items():
            if not 0 <= share <= 1:
                raise UserError(f"{name}={share} is not a share between 0 and 1.")
        self.network = network.to(memory_format=torch.channels_last)
        self.card = card
        self.optimizer_factory = optimizer
        self.schedule = schedule
        self.smoothing = loss.label_smoothing
        self.seed = seed
        self.training_metrics = training_metrics("train/")
        validation = detection_metrics("val/")
        self.metrics = nn.ModuleDict({"val": validation, "test": validation.clone(prefix="test/")})
        # Lightning's summary counts its operations and shapes on this.
        self.example_input_array = torch.zeros(1, 3, card.preprocess.size, card.preprocess.size)
        self.results: Results | None = None
        self.scored: tuple[Tensor, Tensor] | None = None  # row numbers and logits, (n,) each
        self._outputs: list[tuple[Tensor, Tensor]] = []

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B,) of images (B, 3, S, S)."""
        return self.network(images.contiguous(memory_format=torch.channels_last))

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Seed the batch: a run that goes on draws what it would have drawn, and not the first batches' again."""
        place = (self.seed, self.current_epoch, batch_idx, self.global_rank)
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0]))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Smoothed loss of a batch."""
        logits = self(batch["image"]).float()
        target = batch["label"].float()
        smoothed = target * (1 - self.smoothing) + 0.5 * self.smoothing
        loss = nn.functional.binary_cross_entropy_with_logits(logits, smoothed)
        self.training_metrics.update(logits.detach().sigmoid(), batch["label"])
        self.log("train/loss", loss, on_step=True, on_epoch=True, prog_bar=True, batch_size=len(target))
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the epoch's metrics on augmented training images."""
        self.log_dict(results(self.training_metrics).scalars)
        self.training_metrics.reset()

    def _evaluate(self, batch: Batch, split: str) -> None:
        # Autocast is left on purpose: scores must not depend on what the training used.
        with torch.autocast(self.device.type, enabled=False):
            logits = self(batch["image"].float())
        if not logits.isfinite().all():
            raise UserError(
                f"The training diverged: a score is not finite in epoch {self.current_epoch + 1}; lower optimizer.lr."
            )
        loss = nn.functional.binary_cross_entropy_with_logits(logits, batch["label"].float())
        self.log(f"{split}/loss", loss, on_epoch=True, sync_dist=True, batch_size=len(logits))
        self.metrics[split].update(logits.sigmoid(), batch["label"])  # type: ignore[operator]
        self._outputs.append((batch["index"].cpu(), logits.cpu()))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Score a validation batch."""
        self._evaluate(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Score a test batch."""
        self._evaluate(batch, "test")

    def _finish(self, split: str) -> None:
        collection = self.metrics[split]
        self.results = results(collection)  # type: ignore[arg-type]
        if split == "val" and self.trainer.state.fn == "fit" and self.results.gap:
            # Early stopping would end the training in silence, and no epoch would be better than another.
            raise UserError(f"{self.results.gap} (trainer.limit_val_batches cuts off a class; data.limit does not.)")
        collection.reset()  # type: ignore[operator]
        self.scored = _gather(self._outputs)
        self._outputs = []
        # Every process has computed the same numbers.
        for name, value in self.results.scalars.items():
            self.log(name, value, prog_bar=name.endswith("/auc"))

    def on_validation_epoch_start(self) -> None:
        """Forget what an interrupted epoch had gathered."""
        self._outputs = []

    def on_validation_epoch_end(self) -> None:
        """Compute and log the validation metrics."""
        self._finish("val")

    on_test_epoch_start = on_validation_epoch_start

    def on_test_epoch_end(self) -> None:
        """Compute and log the test metrics."""
        self._finish("test")

    def configure_optimizers(self) -> dict[str, Any]:  # type: ignore[override]
        """AdamW by default, without weight decay on norms and biases; warm-up and cosine by step."""
        parameters = list(self.network.parameters())
        decayed = [parameter for parameter in parameters if parameter.ndim > 1]
        others = [parameter for parameter in parameters if parameter.ndim <= 1]
        try:
            optimizer = self.optimizer_factory([{"params": decayed}, {"params": others, "weight_decay": 0.0}])
        except (TypeError, ValueError) as error:
            raise UserError(f"The optimizer cannot be built: {' '.join(str(error).split())}.") from error
        total = max(1, int(self.trainer.estimated_stepping_batches))
        warmup = max(1, round(self.schedule.warmup * total))

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            progress = min(1.0, (step - warmup) / max(1, total - warmup))
            return self.schedule.final + (1 - self.schedule.final) * 0.5 * (1 + math.cos(math.pi * progress))

        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": LambdaLR(optimizer, factor), "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Stamp the checkpoint with what rebuilds the detector."""
        stamp(checkpoint, self.card)


def _gather(outputs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Row numbers and logits of all processes, in the rows' order."""
    index = torch.cat([part for part, _ in outputs]) if outputs else torch.empty(0, dtype=torch.int64)
    logits = torch.cat([part for _, part in outputs]) if outputs else torch.empty(0)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        everyone: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(everyone, (index, logits))
        index = torch.cat([part for part, _ in everyone])
        logits = torch.cat([part for _, part in everyone])
    order = index.argsort()
    return index[order], logits[order]
