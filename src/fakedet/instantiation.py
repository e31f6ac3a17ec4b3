"""What a config may name with `_target_`, and how it is built.

Importing this module loads no torch.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import hydra.utils
from omegaconf import OmegaConf

from fakedet.errors import UserError

Function = TypeVar("Function", bound=Callable[..., Any])

_BUILDABLE: set[Callable[..., Any]] = set()

# What a `_target_` may be: a class below one of these, or a function marked with `buildable`.
_BASES = (
    "fakedet.augment.Forger",  # before albumentations: its room sets what keeps that off the network
    "albumentations.BasicTransform",
    "lightning.pytorch.Callback",
    "lightning.pytorch.LightningDataModule",
    "lightning.pytorch.Trainer",
    "lightning.pytorch.loggers.Logger",
    "torch.nn.Module",
    "torch.optim.Optimizer",
    "torchmetrics.Metric",
)
_PACKAGES = frozenset({"albumentations", "fakedet", "lightning", "torch", "torchmetrics", "torchvision"})


def buildable(function: Function) -> Function:
    """Mark a function as one that a config may name with `_target_`."""
    _BUILDABLE.add(function)
    return function


def _locate(target: str) -> Any:
    """The object that a dotted name of a known package stands for: a module's own attribute."""
    module, _, name = target.rpartition(".")
    if target.split(".")[0] not in _PACKAGES or any(part.startswith("_") for part in target.split(".")):
        raise UserError(f"_target_: {target} is not allowed, only classes of {', '.join(sorted(_PACKAGES))} are.")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"_target_: {target} does not exist.") from error


def _nodes(node: Any) -> Iterator[Any]:
    """A node of a plain config and everything below it."""
    yield node
    if isinstance(node, Mapping):
        node = [*node.keys(), *node.values()]
    if isinstance(node, list):
        for child in node:
            yield from _nodes(child)


def check_targets(config: Any) -> None:
    """Refuse a plain config that names anything but the kinds of object listed here.

    Hydra would call whatever a `_target_` names, `os.system` included, so a config from a stranger
    would be a program. The kind of the object decides, not how its name begins. A `${…}` that is left
    is refused too: Hydra would fill it in after this check, with another `_target_` if it likes.

    Raises:
        UserError: naming the first target that is not allowed.
    """
    for node in _nodes(config):
        if isinstance(node, str) and "${" in node:
            raise UserError(f"The value {node} is refused: nothing may be filled in after the check of a config.")
        if isinstance(node, Mapping) and "_target_" in node:
            _check_target(node["_target_"])


def _check_target(target: Any) -> None:
    if not isinstance(target, str):
        raise UserError(f"_target_: {target!r} is not a dotted name.")
    found = _locate(target)
    allowed = (
        issubclass(found, tuple(_locate(base) for base in _BASES))
        if inspect.isclass(found)
        else any(found is function for function in _BUILDABLE)
    )
    if not allowed:
        raise UserError(f"_target_: {target} is not something that a config may build.")


def instantiate(config: Any, **injected: Any) -> Any:
    """Build what a config describes, once it is checked; lists and dicts arrive as plain Python.

    Raises:
        UserError: for a target that is missing or not allowed, or arguments that its constructor refuses.
            Anything else that goes wrong in the constructor is raised as it is.
        MissingMandatoryValue: for a value that is still `???`.
    """
    node = config if OmegaConf.is_config(config) else OmegaConf.create(config)
    plain: Any = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    check_targets(plain)
    if not isinstance(plain, dict) or "_target_" not in plain:
        raise UserError(f"The config {plain} names nothing to build: it has no _target_.")
    try:
        # Objects are injected by us: Hydra would turn a dataclass among them into a dict.
        built = hydra.utils.instantiate(plain, _convert_="all", **({"_partial_": True} if injected else {}))
        return built(**injected) if injected else built
    except (TypeError, ValueError) as error:
        raise UserError(f"{plain['_target_']} cannot be built: {' '.join(str(error).split())}") from error
    except hydra.errors.InstantiationException as error:
        cause = error.__cause__
        if cause is not None and not isinstance(cause, TypeError | ValueError):
            raise cause from cause.__cause__  # not from `error`, whose cause it is: a chain must end
        reason = " ".join(str(cause or error).split())
        raise UserError(f"{plain['_target_']} cannot be built: {reason}") from error
