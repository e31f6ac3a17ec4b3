"""Grad-CAM on every CNN that conf/ offers, in every context that training and evaluation put it in."""

import contextlib
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn
from torch.nn import functional

from fakedet.errors import UserError
from fakedet.explain.gradcam import heatmaps
from fakedet.instantiation import instantiate
from fakedet.models import Network, build

YAMLS = sorted((Path(__file__).parents[2] / "conf" / "model").glob("*.yaml"))
SIDE = 128


def make(file: Path) -> tuple[Network, torch.Tensor]:
    torch.manual_seed(0)
    network = instantiate(OmegaConf.merge(OmegaConf.load(file).model, {"weights": None}))
    images = torch.randn(3, 3, SIDE, SIDE)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0  # else the features of a random network fade to nothing
    with torch.no_grad():
        network.train()(images)
        linear(network).weight.sub_(linear(network).weight.mean())  # maps then have both signs
    return network.eval(), images


@pytest.fixture
def mobilenet() -> tuple[Network, torch.Tensor]:
    return make(next(file for file in YAMLS if file.stem == "mobilenetv2"))


def linear(network: Network) -> nn.Linear:
    (found,) = [part for part in network.head.modules() if isinstance(part, nn.Linear)]
    return found


def class_activation_map(network: Network, images: torch.Tensor) -> torch.Tensor:
    """Zhou et al., CVPR 2016, section 2: the features weighted by the last linear layer."""
    seen: list[torch.Tensor] = []
    assert network.cam_layer is not None
    hook = network.cam_layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    with torch.no_grad():
        network(images)
        hook.remove()
        maps = torch.einsum("bchw,c->bhw", seen[0], linear(network).weight[0]).relu()
        return functional.interpolate(maps[:, None], size=images.shape[-2:], mode="bilinear")[:, 0]


@pytest.mark.parametrize("file", YAMLS, ids=lambda file: file.stem)
def test_equals_the_class_activation_map(file: Path) -> None:
    network, images = make(file)
    maps = heatmaps(network, images)
    assert maps.shape == (3, SIDE, SIDE)
    assert maps.dtype == torch.float32
    assert maps.min() >= 0
    expected = class_activation_map(network, images)
    peaks = expected.amax(dim=(1, 2), keepdim=True)
    assert torch.equal(maps.amax(dim=(1, 2)), torch.ones(3))
    assert maps.std() > 0.1
    assert functional.cosine_similarity(maps.flatten(1), (expected / peaks).flatten(1)).min() > 0.999


def test_a_map_of_zeros_stays_zeros(mobilenet: tuple[Network, torch.Tensor]) -> None:
    network, images = mobilenet
    with torch.no_grad():
        linear(network).weight.copy_(-linear(network).weight.abs())  # on features that ReLU6 keeps above zero
    assert torch.equal(heatmaps(network, images), torch.zeros(3, SIDE, SIDE))


@pytest.mark.parametrize("context", ["no_grad", "inference", "bf16", "inference_bf16", "frozen", "half_input"])
def test_is_the_same_in_every_context(context: str, mobilenet: tuple[Network, torch.Tensor]) -> None:
    network, images = mobilenet
    images = images.bfloat16().float()
    expected = heatmaps(network, images)
    assert expected.std() > 0.1
    with contextlib.ExitStack() as stack:
        if context == "no_grad":
            stack.enter_context(torch.no_grad())
        if "inference" in context:
            stack.enter_context(torch.inference_mode())
            images = images.clone()  # an inference tensor, as validation makes them
            assert images.is_inference()
        if "bf16" in context:
            stack.enter_context(torch.autocast("cpu", dtype=torch.bfloat16))
            assert network(images).dtype == torch.bfloat16
        if context == "frozen":
            network.requires_grad_(False)
        if context == "half_input":
            images = images.bfloat16()
        maps = heatmaps(network, images)
    assert torch.equal(maps, expected)


def test_leaves_modes_gradients_and_statistics_alone(mobilenet: tuple[Network, torch.Tensor]) -> None:
    network, images = mobilenet
    expected = heatmaps(network, images)
    network.train()
    network.stages[0].eval()
    weight = linear(network).weight
    weight.grad = torch.full_like(weight, 7.0)
    modes = [module.training for module in network.modules()]
    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert torch.equal(heatmaps(network, images), expected)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert torch.equal(weight.grad, torch.full_like(weight, 7.0))
    assert all(value.grad is None for value in network.parameters() if value is not weight)


def test_points_at_what_the_logit_came_from() -> None:
    network, images = make(next(file for file in YAMLS if file.stem == "resnet18"))
    with torch.no_grad():
        linear(network).weight.abs_()
    images = torch.zeros_like(images)
    images[:, :, :40, :40] = 4 * torch.randn(3, 3, 40, 40)
    corner = heatmaps(network, images)[:, :64, :64].mean() - heatmaps(network, images)[:, 64:, 64:].mean()
    assert corner > 0.2


def test_a_transformer_is_refused() -> None:
    network = build("timm", model_name="test_vit")
    with pytest.raises(UserError, match="Grad-CAM needs the feature map of a CNN"):
        heatmaps(network, torch.zeros(1, 3, 160, 160))
