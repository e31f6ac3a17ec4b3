"""Weights from caches and files fit exactly or are refused in one sentence; nothing they hold is run."""

import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.models import mobilenet_v2

from fakedet.errors import UserError
from fakedet.models import build, pretrained
from fakedet.models.pretrained import read_weights

CACHED = "hub/checkpoints/mobilenet_v2-b0353104.pth"
Setter = pytest.MonkeyPatch


def save(content: Any, file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, file)
    return file


def assert_same_backbone(network: torch.nn.Module, state: dict[str, torch.Tensor]) -> None:
    own = network.state_dict()
    compared = [key for key in state if key.startswith("features.")]
    assert len(compared) > 100
    assert all(torch.equal(own[f"body.{key}"], state[key]) for key in compared)


def test_a_plain_state_dict_gives_the_backbone_and_leaves_the_head_new(tmp_path: Path) -> None:
    state = mobilenet_v2().state_dict()
    network = build("mobilenetv2", weights=str(save(state, tmp_path / "plain.pth")))
    assert_same_backbone(network, state)
    assert network.state_dict()["body.classifier.1.weight"].shape == (1, 1280)


@pytest.mark.parametrize("prefix", ["", "network."])
def test_a_state_dict_of_ours_gives_the_head_too(tmp_path: Path, prefix: str) -> None:
    donor = build("mobilenetv2").state_dict()
    state = {f"{prefix}{key}": value for key, value in donor.items()}
    content = {"state_dict": {**state, "loss.weight": torch.ones(1)}, "epoch": 3} if prefix else state
    network = build("mobilenetv2", weights=str(save(content, tmp_path / "ours.ckpt")))
    assert all(torch.equal(value, donor[key]) for key, value in network.state_dict().items())


def _without(state: dict[str, Any]) -> None:
    del state["features.0.0.weight"]


def _with(state: dict[str, Any]) -> None:
    state["features.99.weight"] = torch.ones(1)


def _reshaped(state: dict[str, Any]) -> None:
    state["features.0.0.weight"] = torch.ones(32, 1, 3, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without, r"does not fit the model mobilenetv2: body\.features\.0\.0\.weight is missing\.$"),
        (_with, r"body\.features\.99\.weight is unknown\.$"),
        (
            _reshaped,
            r"body\.features\.0\.0\.weight has the shape \(32, 1, 3, 3\) instead of \(32, 3, 3, 3\)\.$",
        ),
    ],
)
def test_a_backbone_that_does_not_fit_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    state = dict(mobilenet_v2().state_dict())
    change(state)
    with pytest.raises(UserError, match=message):
        build("mobilenetv2", weights=str(save(state, tmp_path / "other.pth")))


class Hostile:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.marker,))


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    file = save({"features.0.0.weight": Hostile(tmp_path / "ran")}, tmp_path / "hostile.pth")
    with pytest.raises(UserError, match="holds code, of which nothing was run"):
        build("mobilenetv2", weights=str(file))
    assert not (tmp_path / "ran").exists()
    torch.load(file, weights_only=False)  # the file does what the test says
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["noise.pth", "noise.safetensors"])
def test_noise_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80noise" * 100)
    with pytest.raises(UserError, match="is damaged"):
        read_weights(tmp_path / name)


@pytest.mark.parametrize("content", [[1, 2], {}, {"state_dict": 3}, {"lr": 0.1}])
def test_a_file_without_a_state_dict_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(UserError, match="holds no state dict"):
        read_weights(save(content, tmp_path / "other.pth"))


def test_a_misspelt_imagenet_is_no_path() -> None:
    with pytest.raises(UserError, match=r"weights=imagnet is neither imagenet, null nor a file"):
        build("mobilenetv2", weights="imagnet")


def test_imagenet_comes_from_the_cache(tmp_path: Path, monkeypatch: Setter) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    state = mobilenet_v2().state_dict()
    save(state, tmp_path / CACHED)
    network = build("mobilenetv2", weights="imagenet")
    assert network.weights == "imagenet"
    assert_same_backbone(network, state)


def test_a_damaged_cache_names_the_script(tmp_path: Path, monkeypatch: Setter) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = save(mobilenet_v2().state_dict(), tmp_path / CACHED)
    file.write_bytes(file.read_bytes()[:100_000])
    with pytest.raises(UserError, match=r"damaged: run scripts/download_weights\.sh mobilenetv2"):
        build("mobilenetv2", weights="imagenet")


def test_without_network_and_cache_the_script_is_named(tmp_path: Path, monkeypatch: Setter) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(pretrained, "_CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(UserError, match=r"timed out.*: run scripts/download_weights\.sh resnet50, or"):
            build("resnet50", weights="imagenet")
    assert socket.getdefaulttimeout() is None
    assert not list(tmp_path.rglob("*.p*"))


def _saved(folder: Path, name: str, fill: float, counted: int) -> str:
    state = build("mobilenetv2").state_dict()
    filled = {
        key: torch.full_like(value, fill if value.is_floating_point() else counted) for key, value in state.items()
    }
    return str(save({"state_dict": filled}, folder / name))


def test_several_files_give_the_mean_of_their_weights(tmp_path: Path) -> None:
    one, four = _saved(tmp_path, "one.ckpt", 1.0, 10), _saved(tmp_path, "four.ckpt", 4.0, 20)
    for files, mean, counted in (([one, four], 2.5, 10), ([four, one, four], 3.0, 20), ([one], 1.0, 10)):
        for key, value in build("mobilenetv2", weights=files).state_dict().items():
            assert torch.equal(value, torch.full_like(value, mean if value.is_floating_point() else counted)), key


def test_files_without_a_mean_are_refused_in_one_sentence(tmp_path: Path) -> None:
    one = _saved(tmp_path, "one.ckpt", 1.0, 10)
    other = str(save(mobilenet_v2().state_dict(), tmp_path / "other.pth"))
    for files, sentence in (
        ([one, other], r"other\.pth and .*one\.ckpt are not of the same network"),
        ([], "names no file; write weights=null"),
        ([one, str(tmp_path / "absent.ckpt")], r"absent\.ckpt is neither imagenet, null nor a file"),
    ):
        with pytest.raises(UserError, match=sentence) as refused:
            build("mobilenetv2", weights=files)
        assert "\n" not in str(refused.value)
