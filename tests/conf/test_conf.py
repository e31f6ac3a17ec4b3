"""Every YAML file below conf/ is found here by itself, composed, checked and built."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf

from fakedet.augment import Pipeline
from fakedet.config import preprocess_spec
from fakedet.data.datamodule import DataModule
from fakedet.detector.spec import PreprocessSpec
from fakedet.instantiation import check_targets, instantiate
from fakedet.models.registry import Network
from fakedet.training.trainer import choose_precision

Compose = Callable[..., DictConfig]

CONF = Path(__file__).parents[2] / "conf"
ROOTS = sorted(file.stem for file in CONF.glob("*.yaml"))
# The corruptions of an evaluation have tests of their own.
CHOICES = sorted((file.parent.name, file.stem) for file in CONF.glob("*/*.yaml") if file.parent.name != "robustness")
WANTED = {
    "evaluate": ["ckpt=x"],
    "export": ["ckpt=x"],
    "predict": ["ckpt=x", "input=x"],
    "prepare": ["data=folder", "data.root=x"],
    "audit": ["data=folder", "data.root=x"],
}
NEEDS_OTHER_DEVICES = {"gpu", "ddp"}


def _model(config: DictConfig, name: str) -> None:
    network = instantiate(config.model)
    assert isinstance(network, Network)
    size = preprocess_spec(config.preprocess).size
    with torch.inference_mode():
        assert network.eval()(torch.zeros(1, 3, size, size)).shape == (1,)


def _data(config: DictConfig, name: str) -> None:
    assert isinstance(instantiate(config.data, spec=PreprocessSpec(), augment=Pipeline()), DataModule)


def _augmentation(config: DictConfig, name: str) -> None:
    assert isinstance(instantiate(config.augmentation), Pipeline)


def _optimizer(config: DictConfig, name: str) -> None:
    optimizer = instantiate(config.optimizer)([torch.nn.Parameter(torch.zeros(1))])
    assert isinstance(optimizer, torch.optim.Optimizer)


def _trainer(config: DictConfig, name: str) -> None:
    if name not in NEEDS_OTHER_DEVICES:
        settings = dict(config.trainer)
        settings["precision"] = choose_precision(str(settings["precision"]), str(settings["accelerator"]))
        assert isinstance(instantiate(settings, logger=False), pl.Trainer)


def _callbacks(config: DictConfig, name: str) -> None:
    built = [instantiate(callback) for callback in config.callbacks.values()]
    assert built
    assert all(isinstance(callback, pl.Callback) for callback in built)


def _logger(config: DictConfig, name: str) -> None:
    built = [instantiate(logger) for logger in config.logger.values()]
    assert len(built) == (0 if name == "none" else 1)
    assert all(isinstance(logger, Logger) for logger in built)


def _experiment(config: DictConfig, name: str) -> None:
    for build in (_model, _data, _augmentation, _optimizer, _trainer, _callbacks, _logger):
        build(config, name)


BUILD: dict[str, Callable[[DictConfig, str], None]] = {
    "model": _model, "data": _data, "augmentation": _augmentation, "optimizer": _optimizer, "trainer": _trainer,
    "callbacks": _callbacks, "logger": _logger, "experiment": _experiment,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")


@pytest.mark.parametrize("name", ROOTS)
def test_roots_compose_and_are_allowed(compose: Compose, name: str) -> None:
    _checked(compose(name, *WANTED.get(name, [])))


@pytest.mark.parametrize(("group", "name"), CHOICES)
def test_choices_build(compose: Compose, group: str, name: str, tmp_path: Path) -> None:
    overrides = [f"{group}={name}"]
    root = tmp_path / "images"
    config = compose("train", *overrides)
    own = ["model.weights=null"]
    if OmegaConf.is_missing(config.data, "root"):
        own.append(f"data.root={root}")
    config = compose("train", *overrides, *own)
    _checked(config)
    BUILD[group](config, name)


@pytest.mark.parametrize("name", sorted(name for group, name in CHOICES if group == "data"))
def test_data_can_be_named_in_an_evaluation(compose: Compose, name: str) -> None:
    config = compose("evaluate", "ckpt=x", f"data={name}", "data.batch_size=3")
    assert config.data.batch_size == 3
    if OmegaConf.is_missing(config.data, "root"):
        config.data.root = "images"
    _checked(config)


def _checked(config: DictConfig) -> None:
    plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    check_targets(plain)


def test_lists_of_choices_combine(compose: Compose) -> None:
    config = compose("train", "callbacks=[default,ema]", "logger=[csv,tensorboard]")
    assert {"checkpoint", "early_stopping", "ema"} <= set(config.callbacks)
    assert set(config.logger) == {"csv", "tensorboard"}


def test_a_model_brings_its_preprocessing_and_the_root_has_the_last_word(compose: Compose) -> None:
    assert compose("train", "model=efficientnet_b4").preprocess.size == 380
    assert compose("train", "model=efficientnet_b4", "preprocess.size=256").preprocess.size == 256
    assert compose("train", "model=timm").preprocess.mean == [0.5, 0.5, 0.5]


def test_the_users_example_is_an_experiment(compose: Compose) -> None:
    config = compose("train", "experiment=resnet_finetune", "data=folder", "data.root=x", "trainer.accelerator=gpu")
    found = (config.model.name, config.trainer.max_epochs, config.data.batch_size, config.trainer.accelerator)
    assert found == ("resnet50", 30, 32, "gpu")
