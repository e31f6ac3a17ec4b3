"""Typed root configs, registered with Hydra.

Importing this module loads no torch: `--help` and `--cfg job` answer at once.
"""

from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.types import RunMode
from omegaconf import MISSING, DictConfig, OmegaConf

from fakedet.detector.spec import FaceSpec, PreprocessSpec
from fakedet.errors import UserError, did_you_mean


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
class DecisionConfig:
    """What is fitted on validation predictions at the end; see `evaluation.decision.fit_decision`."""

    false_positive_rate: float = 0.05  # share of reals that may be called fake
    calibration: str = "temperature"  # or isotonic, which wants a thousand images; or none


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
    decision: DecisionConfig = field(default_factory=DecisionConfig)
    trainer: dict[str, Any] = field(default_factory=dict)
    callbacks: dict[str, Any] = field(default_factory=dict)
    logger: dict[str, Any] = field(default_factory=dict)
    run: RunConfig = field(default_factory=RunConfig)


@dataclass
class EvaluateConfig:
    """What `src/evaluate.py` runs on; the network and its preprocessing come from the checkpoint alone."""

    ckpt: str = MISSING
    data: dict[str, Any] | None = None
    predictions: str | None = None
    robustness: dict[str, Any] | None = None
    pooling: str = "mean"
    no_face: str | None = None
    shortcut: bool = True
    explanations: int = 32
    split: str | None = None
    device: str = "auto"
    allow_leak: bool = False
    logger: dict[str, Any] = field(default_factory=dict)
    run: RunConfig = field(default_factory=RunConfig)


@dataclass
class PrepareConfig:
    """What `src/prepare.py` runs on."""

    data: dict[str, Any] | None = None
    frames: str = "32"
    faces: bool | None = None
    face: FaceConfig = field(default_factory=FaceConfig)
    finder_file: str | None = None
    picture_format: str = "png"
    whole: str = "never"
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
    metric: str = "auc"
    level: str = "frame"
    against: str | None = None
    run: RunFolderConfig = field(default_factory=RunFolderConfig)


@dataclass
class ExportConfig:
    """What `src/export.py` runs on."""

    ckpt: str = MISSING
    output: str | None = None
    bare: str | None = None
    quantize: str | None = None
    licence: str | None = None
    threads: int | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass
class PredictConfig:
    """What `src/predict.py` runs on: a detector, and what `fakedet.detector.predict.Request` says."""

    ckpt: str = MISSING
    input: Any = None  # one, or a list
    urls: str | None = None
    json: str | None = None
    csv: str | None = None
    heatmaps: str | None = None
    frames: str = "32"
    crops: bool = False
    threads: int | None = None
    engine: str | None = None
    finder_file: str | None = None
    restart: bool = False
    strict: bool = False
    allow_private: bool = False


_SCHEMAS = {
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
    "compare": CompareConfig,
    "prepare": PrepareConfig,
    "audit": AuditConfig,
    "predict": PredictConfig,
    "export": ExportConfig,
}
for _name, _schema in _SCHEMAS.items():
    ConfigStore.instance().store(name=f"{_name}_schema", node=_schema)


def _sweep_name(mode: RunMode, folder: str) -> str | None:
    """What the runs of one sweep have in common; None outside of a sweep."""
    return Path(folder).name if mode is RunMode.MULTIRUN else None


OmegaConf.register_new_resolver("sweep_name", _sweep_name, replace=True)
OmegaConf.register_new_resolver("folder_name", lambda folder: Path(folder).name, replace=True)


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


def face_spec(config: FaceConfig | DictConfig, finder_file: Path | None = None) -> FaceSpec:
    """The frozen spec of its config, with the version of the finder that is installed.

    Raises:
        UserError: for a value that is not possible, or a finder that cannot be opened.
    """
    from fakedet.detector.finders import open_finder

    plain = OmegaConf.to_container(config) if isinstance(config, DictConfig) else asdict(config)
    spec = FaceSpec.from_json({str(key): value for key, value in dict(plain).items()})  # type: ignore[arg-type]
    return replace(spec, version=open_finder(spec.finder, finder_file).version)


def check_seed(seed: int) -> None:
    """Refuse a seed that a generator of random numbers would not take.

    Raises:
        UserError: for one that has not 32 bits.
    """
    if not 0 <= seed < 2**32:
        raise UserError(f"seed={seed} is not a whole number from 0 to {2**32 - 1}.")


def preprocess_spec(config: PreprocessConfig | DictConfig) -> PreprocessSpec:
    """The frozen spec of its config, checked."""
    plain = OmegaConf.to_container(config) if isinstance(config, DictConfig) else asdict(config)
    spec = PreprocessSpec.from_json({str(key): value for key, value in dict(plain).items()})  # type: ignore[arg-type]
    if spec.face is None or spec.face.version is not None:
        return spec
    return replace(spec, face=face_spec(FaceConfig(**spec.face.to_json())))
