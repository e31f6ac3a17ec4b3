"""Every model of conf/ builds from its YAML, and a new one needs a file of its own and no more."""

import copy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

import fakedet.models
from fakedet.config import PreprocessConfig, preprocess_spec
from fakedet.errors import UserError
from fakedet.instantiation import instantiate
from fakedet.models import Network, build, check_preprocess, names, registry

CONF = Path(__file__).parents[2] / "conf" / "model"
YAMLS = sorted(CONF.glob("*.yaml"))


def from_yaml(file: Path) -> Network:
    network = instantiate(OmegaConf.merge(OmegaConf.load(file).model, {"weights": None}))
    assert isinstance(network, Network)
    return network


def test_every_registered_model_has_a_yaml() -> None:
    assert names() == [file.stem for file in YAMLS]


@pytest.mark.parametrize("file", YAMLS, ids=lambda file: file.stem)
def test_yaml_builds_a_network_with_one_logit(file: Path) -> None:
    network = from_yaml(file).eval()
    assert network.name == file.stem
    with torch.no_grad():
        logits = network(torch.randn(2, 3, 64, 64))
    assert logits.shape == (2,)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("file", YAMLS, ids=lambda file: file.stem)
def test_yaml_wants_the_preprocessing_of_its_weights(file: Path) -> None:
    network = from_yaml(file)
    network.weights = "imagenet"
    spec = preprocess_spec(PreprocessConfig(**OmegaConf.load(file).preprocess))
    check_preprocess(network, spec)
    other = preprocess_spec(PreprocessConfig(mean=[0.1, 0.2, 0.3]))
    with pytest.raises(UserError, match=r"give preprocess\.mean=\[.*\] preprocess\.std=\["):
        check_preprocess(network, other)
    network.weights = None
    check_preprocess(network, other)


@pytest.mark.parametrize("file", YAMLS, ids=lambda file: file.stem)
def test_stages_and_head_hold_every_parameter_once(file: Path) -> None:
    network = from_yaml(file)
    parts = [*network.stages, network.head]
    held = [id(parameter) for part in parts for parameter in part.parameters()]
    assert len(held) == len(set(held))
    assert set(held) == {id(parameter) for parameter in network.parameters()}
    assert all(list(part.parameters()) for part in parts)
    assert len(network.stages) >= 5


@pytest.mark.parametrize("file", YAMLS, ids=lambda file: file.stem)
def test_options_rebuild_the_network(file: Path) -> None:
    network = from_yaml(file)
    twin = build(network.name, weights=None, **network.options)
    twin.load_state_dict(network.state_dict())
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(twin.eval()(images), network.eval()(images))


def test_parts_are_saved_once_and_copied_with_the_network() -> None:
    network = build("resnet18")
    assert all(key.startswith("body.") for key in network.state_dict())
    twin = copy.deepcopy(network)
    assert twin.cam_layer is dict(twin.named_modules())["body.layer4"]
    assert twin.cam_layer is not network.cam_layer


def test_dropout_reaches_the_head() -> None:
    network = build("mobilenetv2", dropout=0.7)
    assert [part.p for part in network.head.modules() if isinstance(part, torch.nn.Dropout)] == [0.7]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mobilnetv2", {}, r"no model 'mobilnetv2' \(did you mean mobilenetv2\?\); choose .*resnet50"),
        ("mobilenetv2", {"dropuot": 0.1}, r"no option 'dropuot' \(did you mean dropout\?\)"),
        ("mobilenetv2", {"dropout": 2}, "between 0 and 1"),
        ("timm", {}, "model_name"),
    ],
)
def test_mistakes_are_named(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(name, **options)


def test_a_new_file_registers_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pixel.py").write_text(
        "from torch import nn\n"
        "from fakedet.models.registry import Network, register\n"
        "@register('pixel')\n"
        "def pixel(width: int = 4) -> Network:\n"
        "    body = nn.Sequential(nn.Conv2d(3, width, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),\n"
        "                         nn.Linear(width, 1))\n"
        "    return Network(body, stages=[['0']], head=['3'], cam_layer='0')\n"
    )
    monkeypatch.setattr(fakedet.models, "__path__", [*fakedet.models.__path__, str(tmp_path)])
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
    try:
        assert "pixel" in names()
        network = build("pixel", width=8)
        assert network.options == {"width": 8}
        assert network(torch.zeros(2, 3, 8, 8)).shape == (2,)
        with pytest.raises(UserError, match="Nobody published weights"):
            build("pixel", weights="imagenet")
    finally:
        sys.modules.pop("fakedet.models.pixel", None)


def test_a_name_can_be_taken_once() -> None:
    names()
    with pytest.raises(ValueError, match="two models are called resnet18"):
        registry.register("resnet18")(lambda: build("resnet18"))
