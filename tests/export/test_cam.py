"""The map of a shipped file is Grad-CAM for every network that ends in pooling and one layer, and for no other."""

import pytest
import torch
from export_room import SIDE, random_network
from torch import nn

from fakedet.detector.decision import Calibration
from fakedet.detector.heatmap import enlarge
from fakedet.explain.gradcam import heatmaps
from fakedet.export.cam import class_weights
from fakedet.export.gates import cosine
from fakedet.export.graph import ShippedGraph
from fakedet.models.registry import Network

WITH_MAPS = [
    ("mobilenetv2", {}),
    ("resnet18", {}),
    ("efficientnet_b0", {}),
    ("timm", {"model_name": "test_efficientnet"}),
    ("timm", {"model_name": "test_resnet"}),
]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("name", "options"), WITH_MAPS, ids=lambda value: str(value))
def test_the_map_is_grad_cam(name: str, options: dict[str, str], sign: int) -> None:
    network = random_network(name, **options)
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        linear.weight *= sign  # what speaks for fake and what speaks against it change places
    images = torch.randn(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    graph = ShippedGraph(network, Calibration(), SIDE)
    assert graph.names == ["logit", "probability", "map"]
    with torch.inference_mode():
        logits, _, maps = graph(images)
        torch.testing.assert_close(logits, network(images), rtol=0, atol=1e-5)
    assert maps.shape == (4, 2, 2)
    for small, large in zip(maps.numpy(), heatmaps(network, images).numpy(), strict=True):
        assert cosine(enlarge(small, SIDE), large) > 0.99999


def test_one_of_both_signs_has_a_map_that_is_not_zero() -> None:
    images = torch.randn(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    for name, options in WITH_MAPS:
        network = random_network(name, **options)
        linear = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
        peaks = heatmaps(network, images).amax()
        with torch.no_grad():
            linear.weight *= -1
        assert max(peaks, heatmaps(network, images).amax()) == 1, name


@pytest.mark.parametrize("model_name", ["test_vit", "test_convnext"])
def test_networks_that_end_otherwise_have_none(model_name: str) -> None:
    network = random_network_of_size_160(model_name)
    assert class_weights(network, 160) is None
    assert ShippedGraph(network, Calibration(), 160).names == ["logit", "probability"]


def random_network_of_size_160(model_name: str) -> Network:
    from fakedet.models.registry import build

    return build("timm", model_name=model_name).eval()


class _Ending(nn.Module):
    """Features by a convolution, then an ending."""

    def __init__(self, ending: nn.Module) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3)
        self.ending = ending

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.ending(self.features(images))
        return logits


class _PastFeatures(_Ending):
    """The logit also sees the picture itself."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images) + images.mean(dim=(1, 2, 3))[:, None]


def pooled(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *layers)


@pytest.mark.parametrize(
    ("body", "has_map"),
    [
        (_Ending(pooled(nn.Linear(4, 1))), True),
        (_Ending(pooled(nn.Dropout(0.5), nn.Linear(4, 3), nn.Linear(3, 1))), True),  # two linear layers are one
        (_Ending(pooled(nn.ReLU(), nn.Linear(4, 1))), False),
        (_Ending(pooled(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))), False),
        (_Ending(nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4, 1))), False),
        (_Ending(nn.Sequential(nn.Flatten(), nn.Linear(4 * 30 * 30, 1))), False),
        (_PastFeatures(pooled(nn.Linear(4, 1))), False),
    ],
    ids=["linear", "two linear", "relu", "hidden layer", "maximum", "no pooling", "a way past"],
)
def test_it_is_the_ending_that_decides(body: nn.Module, has_map: bool) -> None:
    network = Network(body, stages=[["features"]], head=["ending"], cam_layer="features").eval()
    found = class_weights(network, 32)
    assert (found is not None) == has_map
    if found is not None:
        images = torch.randn(2, 3, 32, 32)
        features = network.body.get_submodule("features")(images)
        contributions = (features.mean(dim=(2, 3)) * found).sum(dim=1)
        difference = network(images) - contributions
        torch.testing.assert_close(difference[0], difference[1])  # what is left is the bias
