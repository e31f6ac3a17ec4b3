"""Layer-wise freezing and thawing of the backbone."""

from lightning.pytorch import Callback, LightningModule, Trainer

from fakedet.errors import UserError
from fakedet.training.module import DetectorModule


class LayerwiseFreezing(Callback):
    """Keeps the first stages of the backbone as they are, and thaws them from the top down.

    A frozen stage gets no gradient and its batch norms keep their statistics (the gradual unfreezing of
    Howard & Ruder, ACL 2018, section 3.3, on the stages of an image network). Frozen later, once the first stages
    have learned what they can, an epoch costs less (Brock et al., "FreezeOut", 2017, arXiv:1706.04983).

    Args:
        stages: how many stages are frozen, counted from the input; -1 is the whole backbone.
        thaw_every: one more stage is thawed after so many epochs; None leaves them frozen.
        from_epoch: the first epoch with frozen stages, counted from 0.
    """

    def __init__(self, stages: int = 0, thaw_every: int | None = None, from_epoch: int = 0) -> None:
        if stages < -1 or (thaw_every is not None and thaw_every < 1) or from_epoch < 0:
            given = f"stages={stages}, thaw_every={thaw_every}, from_epoch={from_epoch}"
            raise UserError(f"callbacks.freezing: {given} makes no sense.")
        self.stages = stages
        self.thaw_every = thaw_every
        self.from_epoch = from_epoch

    def count(self, epoch: int, available: int) -> int:
        """How many stages are frozen in an epoch, counted from 0, of a network with so many.

        Raises:
            UserError: when more are asked for than the network has.
        """
        if self.stages > available:
            raise UserError(f"callbacks.freezing.stages={self.stages}, but the network has {available} stages.")
        if epoch < self.from_epoch:
            return 0
        most = available if self.stages == -1 else self.stages
        return max(0, most - ((epoch - self.from_epoch) // self.thaw_every if self.thaw_every else 0))

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Refuse a wrong number before anything is trained."""
        assert isinstance(pl_module, DetectorModule)
        self.count(0, len(pl_module.network.stages))

    def _apply(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, DetectorModule)
        stages = pl_module.network.stages
        frozen = self.count(trainer.current_epoch, len(stages))
        for number, stage in enumerate(stages):
            stage.requires_grad_(number >= frozen)
            stage.train(number >= frozen)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Freeze for this epoch."""
        self._apply(trainer, pl_module)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A run that goes on in the middle of an epoch does not pass the start of one."""
        self._apply(trainer, pl_module)
