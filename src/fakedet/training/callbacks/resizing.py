"""Small pictures first, full size later."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.nn.functional import interpolate

from fakedet.errors import UserError
from fakedet.models import check_size
from fakedet.training.module import DetectorModule

_LEAST = 32  # pixels; less is nothing to a network that halves them five times


class ProgressiveResizing(Callback):
    """Trains on smaller pictures in the first epochs; validation and test always see the detector's own size.

    A network learns the coarse things as well from small pictures, in a part of the time (Tan & Le, "EfficientNetV2",
    ICML 2021, section 4). Nothing is remembered: a run that goes on takes the size of the epoch that it is in.

    Args:
        sizes: epoch from which it holds, counted from 0 -> side of the training pictures in pixels, None for the
            detector's own, which holds before the first epoch too. On the command line `…sizes={0: 128}` changes an
            epoch that is there, `+…sizes={3: 192}` adds one.
    """

    def __init__(self, sizes: Mapping[int, int | None]) -> None:
        wanted = "write {0: 160, 5: null}, an epoch and its pixels, or null for the detector's own size."
        if not isinstance(sizes, Mapping) or not sizes:
            raise UserError(f"callbacks.resizing.sizes={sizes} names no epoch: {wanted}")
        for epoch, size in sizes.items():
            if type(epoch) is not int or epoch < 0 or not (size is None or (type(size) is int and size >= _LEAST)):
                wrong = f"callbacks.resizing.sizes: {epoch!r}: {size!r} is not an epoch from 0 and pixels from {_LEAST}"
                raise UserError(f"{wrong}: {wanted}")
        self.sizes = dict(sorted(sizes.items()))

    def size(self, epoch: int) -> int | None:
        """The side that an epoch, counted from 0, trains at; None is the detector's own."""
        passed = [size for start, size in self.sizes.items() if start <= epoch]
        return passed[-1] if passed else None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Refuse a size that cannot be had before anything is trained."""
        assert isinstance(pl_module, DetectorModule)
        own = pl_module.card.preprocess.size
        for epoch, size in self.sizes.items():
            if size is not None and size > own:
                raise UserError(f"callbacks.resizing.sizes: {epoch}: {size} is above preprocess.size={own}.")
            if size is not None:
                check_size(pl_module.network, size)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Shrink the batch in place."""
        size = self.size(trainer.current_epoch)
        if size is not None and size < batch["image"].shape[-1]:
            batch["image"] = interpolate(batch["image"], size=(size, size), mode="bilinear", antialias=True)
