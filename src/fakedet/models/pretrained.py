"""Weights that others trained: loaded by the library that published them, or from a file."""

import contextlib
import logging
import pickle
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file
from torchvision.models import WeightsEnum

from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError

if TYPE_CHECKING:
    from fakedet.models.registry import Network

State = dict[str, torch.Tensor]
log = logging.getLogger(__name__)
# What a training program puts before the names of the network that it trains.
_WRAPPERS = ("network.", "model.", "module.")
_CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Pretrained:
    """Published weights of one architecture.

    Attributes:
        name: what `scripts/download_weights.sh` calls them.
        url: their official place: a file, or a page of the library's hub.
        file: name of that file in torch's cache, None for the hub, which has a cache of its own.
        mean: of each RGB channel on the scale 0 to 1, as they were trained with.
        std: likewise.
        fetch: loads them through their library: cache first, then the network, hash-checked.
    """

    name: str
    url: str
    file: str | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fetch: Callable[[], State]

    def load(self) -> State:
        """The state dict, from the cache or else the network.

        Raises:
            UserError: within seconds when neither has it, naming the script to run.
        """
        cure = f"run scripts/download_weights.sh {self.name}, or take weights=null for random ones"
        try:
            with short_timeouts():
                return self.fetch()
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
            raise UserError(
                f"The ImageNet weights of {self.name} are neither in the cache nor to be had from here "
                f"({reason}): {cure}."
            ) from error
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise UserError(f"The file with the ImageNet weights of {self.name} is damaged: {cure}.") from error


def of_torchvision(name: str, weights: WeightsEnum) -> Pretrained:
    """The weights behind a member of one of torchvision's enums."""
    transforms = weights.transforms()
    fetch = partial(weights.get_state_dict, progress=True, check_hash=True, weights_only=True)
    file = Path(weights.url).name
    return Pretrained(name, weights.url, file, tuple(transforms.mean), tuple(transforms.std), fetch)


@contextlib.contextmanager
def short_timeouts() -> Iterator[None]:
    """Give up on a silent server: urllib, which torch downloads with, would wait for minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_CONNECT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def check_preprocess(network: "Network", spec: PreprocessSpec) -> None:
    """Hold a composed preprocessing against what the network's published weights were trained with.

    Another size is fine and common; another mean or deviation quietly costs accuracy.

    Raises:
        UserError: with the override to give, when mean or deviation differ.
    """
    published = network.pretrained
    if network.weights != "imagenet" or published is None:
        return
    if not (np.allclose(spec.mean, published.mean, atol=1e-3) and np.allclose(spec.std, published.std, atol=1e-3)):
        mean, std = (
            str([round(value, 4) for value in values]).replace(" ", "") for values in (published.mean, published.std)
        )
        raise UserError(
            f"The ImageNet weights of {published.name} were trained with another normalisation: "
            f"give preprocess.mean={mean} preprocess.std={std}."
        )


def check_size(network: "Network", size: int) -> None:
    """Refuse a side of the input, in pixels, that the network was not built for, as transformers may be.

    Raises:
        UserError: with the network's own reason.
    """
    training = network.training
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, 3, size, size))
    except (AssertionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split()).removesuffix(".")[:200]
        name = network.options.get("model_name", network.name)
        raise UserError(
            f"The model {name} does not take pictures of {size} × {size} pixels ({reason}): give preprocess.size= as "
            f"it was built, or build it for these (timm's transformers: model.img_size={size})."
        ) from error
    finally:
        network.train(training)


def read_weights(path: Path) -> State:
    """Read a state dict, or the one inside a checkpoint, without running any code it may hold.

    Raises:
        UserError: when the file is missing, damaged, no state dict, or holds more than tensors.
    """
    if not path.is_file():
        raise UserError(f"weights={path} is neither imagenet, null nor a file.")
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(f"weights={path} cannot be read ({error.strerror}).") from error
    except Exception as error:  # whatever a reader trips over in a stranger's file is the file's fault
        raise UserError(
            f"weights={path} is damaged or holds code, of which nothing was run; give a file that "
            "torch.save(network.state_dict(), …) wrote."
        ) from error
    state: Any = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not state:
        raise UserError(f"weights={path} holds no state dict (names with tensors).")
    for wrapper in _WRAPPERS:
        inner = {str(key)[len(wrapper) :]: value for key, value in state.items() if str(key).startswith(wrapper)}
        state = inner or state
    tensors = {str(key): value for key, value in state.items() if isinstance(value, torch.Tensor)}
    if len(tensors) != len(state):
        raise UserError(f"weights={path} holds no state dict (names with tensors).")
    return tensors


def mean_weights(paths: Sequence[Path]) -> State:
    """The mean of several networks' weights, entry by entry; a file that is named twice counts twice.

    Networks that were trained on from the same weights have a mean that judges as well as they do, and pictures from
    elsewhere often better (Wortsman et al., "Model soups", ICML 2022). Its batch norms want a short training.

    Raises:
        UserError: as `read_weights`, and when the networks are not of one architecture.
    """
    states = [read_weights(path) for path in paths]
    shapes = [{key: value.shape for key, value in state.items()} for state in states]
    for path, given in zip(paths, shapes, strict=True):
        if given != shapes[0]:
            raise UserError(f"weights: {path} and {paths[0]} are not of the same network, so they have no mean.")
    return {
        key: torch.stack([state[key] for state in states]).mean(dim=0) if first.is_floating_point() else first
        for key, first in states[0].items()
    }


def adopt(network: "Network", state: State, source: str) -> None:
    """Load a state dict in place: the backbone exactly, the head where it fits and else left new.

    Args:
        network: gets the weights.
        state: of the whole `Network`, or of its `body` as its library names it.
        source: what to call the state in an error.

    Raises:
        UserError: naming the first entry of the backbone that is missing, unknown or of another shape.
    """
    if not any(key.startswith("body.") for key in state):
        state = {f"body.{key}": value for key, value in state.items()}
    own = network.state_dict()
    heads = tuple(f"body.{path}." for path in network.head_paths)
    head = {key for key in own if key.startswith(heads)}
    backbone = own.keys() - head
    given = {key for key in state if not key.startswith(heads)}
    if faults := [
        *(f"{key} is missing" for key in sorted(backbone - given)),
        *(f"{key} is unknown" for key in sorted(given - backbone)),
        *(
            f"{key} has the shape {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
            for key in sorted(backbone & given)
            if state[key].shape != own[key].shape
        ),
    ]:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise UserError(f"{source} does not fit the model {network.name}: {faults[0]}{more}.")
    fits = all(key in state and state[key].shape == own[key].shape for key in head)
    log.info("%s: the head is %s.", source, "loaded too" if fits else "new")
    network.load_state_dict({key: state[key] for key in (own if fits else backbone)}, strict=fits)
