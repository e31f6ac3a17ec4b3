"""A checkpoint as a `Detector`: the same as of its exported file, with PyTorch in place of another engine."""

import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from fakedet.detector.card import DetectorCard
from fakedet.detector.scorer import ModelError
from fakedet.models import checkpoint
from fakedet.models.registry import Network

if TYPE_CHECKING:
    from fakedet.detector.detector import Detector

LICENCE = "The project's licence holds for the code; whether these weights may be used is up to the training data's."


class TorchScorer:
    """A `Scorer` that runs a network in fp32 where it is. Calls from several threads wait for each other."""

    def __init__(self, network: Network) -> None:
        """Take a network over: it is put into evaluation mode, and its weights are frozen.

        Args:
            network: on its device.
        """
        self._network = network.eval().requires_grad_(False)
        self._lock = threading.Lock()  # what listens to a layer would hear other threads' pictures
        self.has_maps = network.cam_layer is not None

    def __call__(
        self, inputs: NDArray[np.float32], maps: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
        """As `Scorer` says; maps are Grad-CAM's, up to a factor (Selvaraju et al., ICCV 2017)."""
        device = next(self._network.parameters()).device
        images = torch.from_numpy(inputs).to(device).contiguous(memory_format=torch.channels_last)
        try:
            with self._lock, torch.autocast(device.type, enabled=False):
                if maps and self.has_maps:
                    logits, found = self._with_maps(images)
                    return _numbers(logits), found.cpu().numpy()
                with torch.inference_mode():
                    return _numbers(self._network(images)), None
        except RuntimeError as error:
            raise ModelError(f"PyTorch cannot run the network ({' '.join(str(error).split())[:200]}).") from error

    def _with_maps(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        layer = self._network.cam_layer
        assert layer is not None
        seen: list[torch.Tensor] = []

        def keep(_module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
            seen.append(output.requires_grad_())  # nothing before it needs a gradient: the weights are frozen
            return output.clone()  # the next layer may overwrite what it gets

        hook = layer.register_forward_hook(keep)
        try:
            with torch.inference_mode(False), torch.enable_grad():
                logits = self._network(images)
                (gradient,) = torch.autograd.grad(logits.sum(), seen[-1])
        finally:
            hook.remove()
        weights = gradient.mean(dim=(2, 3), keepdim=True)
        return logits, torch.relu((weights * seen[-1].detach()).sum(dim=1)).float()


def load_detector(file: str | Path, *, finder_file: Path | None = None) -> "Detector":
    """The detector of a checkpoint, on the CPU; answers like the file that is exported from it.

    Args:
        file: the checkpoint, or its run's folder.
        finder_file: the face finder's own network, for a finder that brings none (`yunet`).

    Raises:
        UserError: when the checkpoint cannot be used, or its face finder is not there.
    """
    from fakedet.detector.detector import Detector  # here: whoever builds networks imports this module too

    place = checkpoint.find(Path(file))
    network, card = checkpoint.load(place)
    with place.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Detector(detector_card(card), TorchScorer(network), sha256=digest, engine="pytorch", finder_file=finder_file)


def detector_card(card: checkpoint.Card, metrics: Mapping[str, Any] | None = None) -> DetectorCard:
    """A checkpoint's card as the shipped file's.

    Args:
        card: of the checkpoint.
        metrics: what the run's `metrics.json` holds, by split.
    """
    return DetectorCard(
        model=card.model,
        preprocess=card.preprocess,
        decision=card.decision,
        protocol=card.protocol_name,
        protocol_hash=card.protocol,
        training={"datasets": list(card.datasets), "images": card.images, "metrics": dict(metrics or {})},
        trained_on=card.trained_on.to_json(),
        precision="fp32",
        licence=LICENCE,
    )


def _numbers(logits: torch.Tensor) -> NDArray[np.float64]:
    return logits.detach().cpu().numpy().astype(np.float64)
