"""Typed root configs, registered with Hydra, and what a config may name with `_target_`.

Importing this module loads no torch: `--help` and `--cfg job` answer at once.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import hydra.utils
from hydra.core.config_store import ConfigStore
from hydra.types import RunMode
from omegaconf import MISSING, DictConfig, OmegaConf

from fakedet.detector.spec import FaceSpec, PreprocessSpec
from fakedet.errors import UserError, did_you_mean

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass
class FaceConfig:
    """The twin of `FaceSpec`; `version` is filled in by the finder that is installed."""

    margin: float = 1.3
    align: str = "box"
    finder: str = "mtcnn"
    version: str | None = None
    choice: str = "largest"


@dataclass
class PreprocessConfig:
    """The twin of `PreprocessSpec` that Hydra can override; a model's YAML sets what its weights want."""

    face: Any = None  # null, or the fields of FaceConfig; OmegaConf cannot override an optional dataclass
    size: int = 224
    interpolation: str = "area"
    mean: list[float] = field(default_factory=lambda: list(PreprocessSpec.mean))
    std: list[float] = field(default_factory=lambda: list(PreprocessSpec.std))
    no_face: str = PreprocessSpec.no_face


@dataclass
class RunFolderConfig:
    """Where a run leaves its files."""

    dir: str = MISSING


@dataclass
class RunConfig(RunFolderConfig):
    """And what it is called in the trackers."""

    name: str = MISSING
    group: str | None = None
    tags: list[str] = field(default_factory=list)


@dataclass
class LossConfig:
    """Binary cross-entropy; label smoothing as in Szegedy et al., CVPR 2016, section 7."""

    label_smoothing: float = 0.0


@dataclass
class ScheduleConfig:
    """Linear warm-up, then cosine (Loshchilov & Hutter, ICLR 2017), both counted in optimiser steps."""

    warmup: float = 0.1  # share of all steps
    final: float = 0.01  # last learning rate as a share of the highest


@dataclass
class TrainConfig:
    """What `src/train.py` runs on."""

    seed: int = 42
    resume: str | None = None
    model: dict[str, Any] = field(default_factory=dict)
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    data: dict[str, Any] = field(default_factory=dict)
    augmentation: dict[str, Any] = field(default_factory=dict)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: dict[str, Any] = field(default_factory=dict)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    trainer: dict[str, Any] = field(default_factory=dict)
    callbacks: dict[str, Any] = field(default_factory=dict)
    logger: dict[str, Any] = field(default_factory=dict)
    run: RunConfig = field(default_factory=RunConfig)


@dataclass
class EvaluateConfig:
    """What `src/evaluate.py` runs on; the network and its preprocessing come from the checkpoint alone."""

    ckpt: str = MISSING
    data: dict[str, Any] | None = None
    robustness: dict[str, Any] | None = None
    shortcut: bool = True
    explanations: int = 32
    split: str | None = None
    device: str = "auto"
    allow_leak: bool = False
    run: RunFolderConfig = field(default_factory=RunFolderConfig)


@dataclass
class PrepareConfig:
    """What `src/prepare.py` runs on."""

    data: dict[str, Any] | None = None
    frames: str = "32"
    faces: bool | None = None
    face: FaceConfig = field(default_factory=FaceConfig)
    finder_file: str | None = None
    picture_format: str = "png"
    workers: int | None = None


@dataclass
class AuditConfig:
    """What `src/audit.py` runs on."""

    data: dict[str, Any] | None = None
    sample: int = 2000
    max_auc: float = 0.6
    seed: int = 0
    run: RunFolderConfig = field(default_factory=RunFolderConfig)


@dataclass
class CompareConfig:
    """What `src/compare.py` runs on: folders that hold finished runs, at any depth."""

    runs: list[str] = field(default_factory=lambda: ["outputs/train"])


_SCHEMAS = {
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
    "compare": CompareConfig,
    "prepare": PrepareConfig,
    "audit": AuditConfig,
}
for _name, _schema in _SCHEMAS.items():
    ConfigStore.instance().store(name=f"{_name}_schema", node=_schema)


def _sweep_name(mode: RunMode, folder: str) -> str | None:
    """What the runs of one sweep have in common; None outside of a sweep."""
    return Path(folder).name if mode is RunMode.MULTIRUN else None


OmegaConf.register_new_resolver("sweep_name", _sweep_name, replace=True)
OmegaConf.register_new_resolver("folder_name", lambda folder: Path(folder).name, replace=True)

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


def check_keys(config: Any) -> None:
    """Refuse what `+key=value` added to a typed part of the config, where nothing would read it.

    Raises:
        UserError: naming the first such key.
    """
    kind = OmegaConf.get_type(config)
    if not (isinstance(config, DictConfig) and is_dataclass(kind)):
        return
    known = [field.name for field in fields(kind)]
    for key in config:
        if key not in known and key != "hydra":
            raise UserError(f"there is no setting {config._get_full_key(key)}{did_you_mean(str(key), known)}.")
        check_keys(config._get_node(key))


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
            raise cause from error
        reason = " ".join(str(cause or error).split())
        raise UserError(f"{plain['_target_']} cannot be built: {reason}") from error


def face_spec(config: FaceConfig | DictConfig, finder_file: Path | None = None) -> FaceSpec:
    """The frozen spec of its config, with the version of the finder that is installed.

    Raises:
        UserError: for a value that is not possible, or a finder that cannot be opened.
    """
    from fakedet.detector.finders import open_finder

    plain = OmegaConf.to_container(config) if isinstance(config, DictConfig) else asdict(config)
    spec = FaceSpec.from_json({str(key): value for key, value in dict(plain).items()})  # type: ignore[arg-type]
    return replace(spec, version=open_finder(spec.finder, finder_file).version)


def preprocess_spec(config: PreprocessConfig | DictConfig) -> PreprocessSpec:
    """The frozen spec of its config, checked."""
    plain = OmegaConf.to_container(config) if isinstance(config, DictConfig) else asdict(config)
    spec = PreprocessSpec.from_json({str(key): value for key, value in dict(plain).items()})  # type: ignore[arg-type]
    if spec.face is None or spec.face.version is not None:
        return spec
    return replace(spec, face=face_spec(FaceConfig(**spec.face.to_json())))
