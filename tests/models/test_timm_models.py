"""The parts of timm's networks are found right, and their weights come from caches without a server."""

import hashlib
from pathlib import Path

import huggingface_hub
import pytest
import timm
import torch

from fakedet.errors import UserError
from fakedet.models import build
from fakedet.models.weights import PACKAGES, Package

CNNS = [
    "test_resnet",
    "test_efficientnet",
    "test_convnext",
    "resnet18",
    "legacy_xception",
    "mobilenetv3_small_050",
]
TRANSFORMERS = ["test_vit", "deit_tiny_distilled_patch16_224", "swin_tiny_patch4_window7_224"]


@pytest.mark.parametrize("model_name", [*CNNS, *TRANSFORMERS])
def test_stages_and_head_hold_every_parameter_once(model_name: str) -> None:
    network = build("timm", model_name=model_name)
    held = [id(value) for part in [*network.stages, network.head] for value in part.parameters()]
    assert len(held) == len(set(held))
    assert set(held) == {id(value) for value in network.parameters()}
    assert len(network.stages) > 2


@pytest.mark.parametrize("model_name", CNNS)
def test_cam_layer_gives_the_last_feature_map(model_name: str) -> None:
    network = build("timm", model_name=model_name).eval()
    seen: list[torch.Tensor] = []
    assert network.cam_layer is not None
    network.cam_layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    images = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        features = network.body.forward_features(images)  # type: ignore[operator]
    assert features.ndim == 4
    assert torch.equal(seen[0], features)


@pytest.mark.parametrize("model_name", TRANSFORMERS)
def test_a_transformer_has_no_cam_layer(model_name: str) -> None:
    network = build("timm", model_name=model_name)
    assert network.cam_layer is None
    assert network.training


def test_a_transformer_takes_another_input_size() -> None:
    network = build("timm", model_name="test_vit", img_size=64).eval()
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2,)


@pytest.mark.parametrize(
    ("model_name", "message"),
    [
        ("convnxt_atto", r"no model 'convnxt_atto' \(did you mean convnext_atto\?\)"),
        ("resnet18.a1_in1x", r"no weights 'a1_in1x' of resnet18 \(did you mean a1_in1k\?\)"),
    ],
)
def test_misspelt_names_are_named(model_name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build("timm", model_name=model_name)


def test_an_option_that_the_network_lacks_is_refused() -> None:
    with pytest.raises(UserError, match="img_size"):
        build("timm", model_name="resnet18", img_size=64)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches, and a hub at a port where nobody listens; gives torch's cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub_cache"))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def assert_backbone(model_name: str, state: dict[str, torch.Tensor], head: str) -> None:
    own = build("timm", model_name=model_name, weights="imagenet").state_dict()
    assert all(torch.equal(own[f"body.{key}"], value) for key, value in state.items() if not key.startswith(head))


def test_weights_come_from_torchs_cache(offline: Path) -> None:
    state = timm.create_model("resnet18").state_dict()
    torch.save(state, offline / "resnet18_a1_0-d63eafa0.pth")
    assert_backbone("resnet18", state, "fc")


def test_weights_come_from_the_hubs_cache(offline: Path) -> None:
    commit = "0" * 40
    repository = offline.parents[1] / "hub_cache" / "models--timm--test_resnet.r160_in1k"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    state = timm.create_model("test_resnet").state_dict()
    torch.save(state, snapshot / "pytorch_model.bin")
    assert_backbone("test_resnet", state, "fc")


def test_packaged_weights_are_matched_in_key_order(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = timm.create_model("tf_efficientnet_lite0").state_dict()
    file = offline / "other.pth"
    torch.save({f"_layer{number}": value for number, value in enumerate(state.values())}, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.setitem(PACKAGES, "timm/tf_efficientnet_lite0", Package("other==1", "folder/other.pth", digest))
    assert_backbone("tf_efficientnet_lite0", state, "classifier")


def test_without_hub_and_cache_the_script_is_named(offline: Path) -> None:
    with pytest.raises(UserError, match=r"run scripts/download_weights\.sh timm/test_resnet, or"):
        build("timm", model_name="test_resnet", weights="imagenet")
