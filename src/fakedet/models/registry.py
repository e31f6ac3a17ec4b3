"""What a network is here, and how one is built by its name."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

import fakedet.models
from fakedet.errors import UserError, did_you_mean
from fakedet.instantiation import buildable
from fakedet.models.pretrained import Pretrained, adopt, mean_weights, read_weights

Factory = Callable[..., "Network"]
_FACTORIES: dict[str, Factory] = {}


class Network(nn.Module):
    """A backbone and a head with one logit, whose sign says fake (positive) or real (negative).

    The parts are named by their paths in `body`, not held: a part that is held twice would be saved
    twice, and a copy of the network would point at the parts of the original.

    Attributes:
        name: registry key, set by `build`.
        options: plain values; `build(name, **options)` gives the same architecture.
        weights: what `build` loaded: `imagenet`, a path, paths or None.
        pretrained: the published weights of this architecture, or None where there are none.
    """

    name: str = ""
    options: dict[str, Any]
    weights: str | Sequence[str] | None = None

    def __init__(
        self,
        body: nn.Module,
        *,
        stages: Iterable[Sequence[str]],
        head: Sequence[str],
        cam_layer: str | None,
        pretrained: Pretrained | None = None,
    ) -> None:
        """Wrap a module that maps (B, 3, S, S) to (B, 1).

        Args:
            body: the whole network.
            stages: for each stage the paths of its modules or parameters, from input to output.
            head: paths of the modules that make the logit.
            cam_layer: path of the last feature map (B, C, h, w), None where there is none.
            pretrained: the weights that `weights=imagenet` stands for.
        """
        super().__init__()
        self.body = body
        self.pretrained = pretrained
        self.options = {}
        self.head_paths = list(head)
        self._stage_paths = [list(paths) for paths in stages]
        self._cam_path = cam_layer

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Float images (B, 3, S, S), normalised, to logits (B,)."""
        logits: torch.Tensor = self.body(images)
        return logits.squeeze(1)

    @property
    def weight_files(self) -> list[Path]:
        """The files that `weights` names, each once."""
        named = [self.weights] if isinstance(self.weights, str) else self.weights or []
        return [Path(name) for name in dict.fromkeys(named) if name != "imagenet"]

    @property
    def cam_layer(self) -> nn.Module | None:
        """The layer whose output Grad-CAM weights, None for networks without a feature map."""
        return None if self._cam_path is None else self.body.get_submodule(self._cam_path)

    @property
    def stages(self) -> list[nn.Module]:
        """The backbone's parts from input to output, head excluded; each holds parameters of its own."""
        return [self._part(paths) for paths in self._stage_paths]

    @property
    def head(self) -> nn.Module:
        """What makes the logit out of features."""
        return self._part(self.head_paths)

    def _part(self, paths: list[str]) -> nn.Module:
        if len(paths) == 1:
            return self.body.get_submodule(paths[0])
        direct = dict(self.body.named_parameters(recurse=False))
        loose = nn.ParameterList(direct[path] for path in paths if path in direct)
        modules = [self.body.get_submodule(path) for path in paths if path not in direct]
        return nn.ModuleList([loose, *modules] if len(loose) else modules)


def register(name: str) -> Callable[[Factory], Factory]:
    """Decorate a function (plain keyword options) -> Network with random weights; it becomes `model=<name>`.

    Raises:
        ValueError: when the name is taken.
    """

    def add(factory: Factory) -> Factory:
        if name in _FACTORIES:
            raise ValueError(f"two models are called {name}")
        _FACTORIES[name] = factory
        return factory

    return add


def names() -> list[str]:
    """The names that `build` knows, sorted."""
    for module in pkgutil.iter_modules(fakedet.models.__path__):
        importlib.import_module(f"{fakedet.models.__name__}.{module.name}")
    return sorted(_FACTORIES)


@buildable
def build(name: str, *, weights: str | Sequence[str] | None = None, **options: Any) -> Network:
    """Build a network by its name.

    Args:
        name: one of `names()`.
        weights: `imagenet` for the published weights, the path of a state dict or checkpoint, several paths for
            the mean of their weights, or None for random ones (needs no network and no cache).
        options: what the architecture offers, such as `dropout`.

    Returns:
        The network in training mode; its head is new unless the file at `weights` has one that fits.

    Raises:
        UserError: for an unknown name or option, and for weights that cannot be had or do not fit.
    """
    known = names()
    if name not in known:
        raise UserError(f"There is no model {name!r}{did_you_mean(name, known)}; choose {', '.join(known)}.")
    network = _construct(name, options)
    if weights == "imagenet":
        if network.pretrained is None:
            raise UserError(f"Nobody published weights for {name} {network.options}; take weights=null.")
        adopt(network, network.pretrained.load(), f"the published weights of {network.pretrained.name}")
    elif isinstance(weights, str):
        adopt(network, read_weights(Path(weights)), weights)
    elif weights is not None:
        if not weights:
            raise UserError("weights=[] names no file; write weights=null for random weights.")
        adopt(network, mean_weights([Path(path) for path in weights]), f"the mean of {len(weights)} files")
    network.weights = weights
    return network


def _construct(name: str, options: dict[str, Any]) -> Network:
    signature = inspect.signature(_FACTORIES[name])
    for option in options:
        if option not in signature.parameters:
            offered = list(signature.parameters)
            meant = did_you_mean(option, offered)
            raise UserError(f"The model {name} has no option {option!r}{meant}; it has {', '.join(offered)}.")
    try:
        bound = signature.bind(**options)
        bound.apply_defaults()
        network = _FACTORIES[name](**bound.arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f"The model {name} cannot be built with {options}: {error}.") from error
    network.name = name
    network.options = dict(bound.arguments)
    return network
