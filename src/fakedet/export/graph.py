"""What a shipped file computes: logit, calibrated probability and class-activation map in one pass."""

import copy

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fakedet.detector.decision import Calibration
from fakedet.export.cam import class_weights
from fakedet.models.registry import Network

_STEEPEST = 1e30  # slope of a step between two knots; finite in fp32 too, which some engines compute in


class ShippedGraph(nn.Module):
    """A network with what is made of its logit; `forward` gives the outputs in the order of `names`.

    Attributes:
        names: `logit`, `probability` and, where the network has a class-activation map, `map`.
    """

    weights: torch.Tensor | None

    def __init__(self, network: Network, calibration: Calibration, size: int) -> None:
        """Copy the network, which stays as it is.

        Args:
            network: any of the registry's.
            calibration: from logit to probability.
            size: side of the input.
        """
        super().__init__()
        self.network = copy.deepcopy(network).cpu().float().eval().requires_grad_(False)
        self.network.to(memory_format=torch.contiguous_format)
        self.calibrate = _Isotonic(calibration) if calibration.method == "isotonic" else _Logistic(calibration)
        self.register_buffer("weights", class_weights(network, size))
        self.names = ["logit", "probability", *([] if self.weights is None else ["map"])]

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(B, 3, S, S) normalised float32 -> logit (B,), probability (B,) and map (B, h, w) at least 0."""
        layer = self.network.cam_layer
        if self.weights is None or layer is None:
            logit = self.network(image)
            return logit, self.calibrate(logit)
        made: list[torch.Tensor] = []
        hook = layer.register_forward_hook(lambda _module, _inputs, output: made.append(output))
        try:
            logit = self.network(image)
        finally:
            hook.remove()
        maps = functional.conv2d(made[-1], self.weights[None, :, None, None])
        return logit, self.calibrate(logit), torch.relu(maps.squeeze(1))


class _Logistic(nn.Module):
    def __init__(self, calibration: Calibration) -> None:
        super().__init__()
        self.temperature = calibration.temperature

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(logits if self.temperature == 1 else logits / self.temperature)


class _Isotonic(nn.Module):
    """Straight lines from knot to knot: the sum of what each of them has risen up to the logit.

    In float64, because knots may lie closer together than float32 can tell.
    """

    starts: torch.Tensor
    slopes: torch.Tensor
    rises: torch.Tensor

    def __init__(self, calibration: Calibration) -> None:
        super().__init__()
        places, probabilities = np.array(calibration.knots, dtype=np.float64).T
        self.lowest = float(probabilities[0])
        self.register_buffer("starts", torch.from_numpy(places[:-1].copy()))
        self.register_buffer("slopes", torch.from_numpy(np.minimum(1 / np.diff(places), _STEEPEST)))
        self.register_buffer("rises", torch.from_numpy(np.diff(probabilities)))

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        shares = ((logits.double()[:, None] - self.starts) * self.slopes).clamp(0, 1)
        probabilities = (self.lowest + (shares * self.rises).sum(dim=1)).float()
        return torch.where(logits.isnan(), logits, probabilities)  # engines differ in what a clamp makes of NaN
