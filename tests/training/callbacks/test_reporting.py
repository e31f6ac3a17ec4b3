"""Curves, panels and lines: told to the trackers in fit, validate and test."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import Trainer

from fakedet.config import LossConfig, ScheduleConfig
from fakedet.data.benchmarks.folder import Folder
from fakedet.detector.spec import PreprocessSpec
from fakedet.detector.trained_on import TrainedOn
from fakedet.models import build
from fakedet.models.checkpoint import Card
from fakedet.tracking.csv_tracker import CsvTracker
from fakedet.training.callbacks.averaging import ExponentialMovingAverage
from fakedet.training.callbacks.reporting import Curves, EpochLines, Panel
from fakedet.training.module import DetectorModule

SPEC = PreprocessSpec(size=32)


@pytest.fixture
def data(make_folder: Callable[..., Path], tmp_path: Path) -> Folder:
    images = make_folder(tmp_path / "images", groups=10, size=40, layout="splits")
    bad = images / "val" / "real" / "g01_0.jpg"
    bad.write_bytes(bad.read_bytes()[:200])
    module = Folder(
        root=str(images), batch_size=4, workers=0, balance=["label"], limit=None, val_share=0.1, test_share=0.1,
        split_seed=0, max_unreadable=0.5, spec=SPEC, augment=lambda image, seed: image,
    )  # fmt: skip
    module.prepare()
    return module


def _module(name: str = "test_resnet") -> DetectorModule:
    network = build("timm", model_name=name, img_size=32 if "vit" in name else None)
    card = Card("timm", network.options, SPEC, {}, "", "", (), 0, TrainedOn())
    return DetectorModule(network, card, partial(torch.optim.AdamW, lr=1e-3), ScheduleConfig(), LossConfig())


def _trainer(folder: Path, *callbacks: object) -> Trainer:
    return Trainer(
        accelerator="cpu", max_epochs=2, logger=CsvTracker(str(folder)), callbacks=[*callbacks],  # type: ignore[list-item]
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
        use_distributed_sampler=False, log_every_n_steps=1,
    )  # fmt: skip


@pytest.mark.parametrize("inference", ["validate", "test"])
def test_validate_and_test_are_reported_like_an_epoch(inference: str, data: Folder, tmp_path: Path) -> None:
    module = _module()
    trainer = _trainer(tmp_path / "csv", Curves(), Panel(count=5))
    getattr(trainer, inference)(module, datamodule=data, verbose=False)
    split = {"validate": "val", "test": "test"}[inference]
    folder = tmp_path / "csv" / split
    curve = pd.read_csv(folder / "roc" / "step_0.csv")
    assert curve.iloc[0].tolist() == [0, 0]
    assert curve.iloc[-1].tolist() == [1, 1]
    assert (folder / "pr" / "step_0.csv").is_file()
    assert (folder / "confusion" / "step_0.png").is_file()
    table = pd.read_csv(folder / "panel" / "step_0.csv")
    readable = len(data.split(split)) - (split == "val")
    assert len(table) == readable, "what cannot be read has no score and no picture"
    assert table["score"].is_monotonic_decreasing
    assert module.scored is not None
    index, logits = module.scored
    expected = pd.Series(logits.sigmoid().numpy(), index=data.split(split)["path"].iloc[index.numpy()])
    np.testing.assert_allclose(table["score"], expected[table["file"]], atol=1e-6)
    assert (folder / "panel_figure" / "step_0.png").stat().st_size > 1000


def test_a_fit_is_reported_every_so_many_epochs_on_the_same_images(
    data: Folder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fakedet")
    trainer = _trainer(tmp_path / "csv", Curves(), Panel(count=1, every_n_epochs=2), EpochLines())
    module = _module()
    trainer.fit(module, datamodule=data)
    folder = tmp_path / "csv" / "val"
    assert sorted(file.name for file in (folder / "panel").glob("*.csv")) == ["step_6.csv"]
    assert sorted(file.name for file in (folder / "roc").glob("*.csv")) == ["step_3.csv", "step_6.csv"]
    lines = [record.message for record in caplog.records if record.message.startswith("epoch ")]
    assert [line.split(":")[0] for line in lines] == ["epoch 1 of 2", "epoch 2 of 2"]
    assert all("train/loss_epoch" in line and "val/loss" in line and "val/auc" in line for line in lines)
    assert all(layer.training for layer in module.modules()), "Grad-CAM leaves the modes as they were"


def test_a_transformer_has_no_map_and_its_cell_is_empty(data: Folder, tmp_path: Path) -> None:
    _trainer(tmp_path / "csv", Panel(count=1)).validate(_module("test_vit"), datamodule=data, verbose=False)
    table = pd.read_csv(tmp_path / "csv" / "val" / "panel" / "step_0.csv")
    assert table["grad_cam"].isna().all()
    assert table["picture"].notna().all()


def test_an_average_is_in_place_while_it_is_explained(data: Folder, tmp_path: Path) -> None:
    module = _module()
    trainer = _trainer(tmp_path / "csv", Panel(count=5), ExponentialMovingAverage(decay=0.5))
    trainer.fit(module, datamodule=data)
    assert module.scored is not None
    scores = pd.read_csv(tmp_path / "csv" / "val" / "panel" / "step_6.csv")["score"]
    np.testing.assert_allclose(sorted(scores), sorted(module.scored[1].sigmoid().tolist()), atol=1e-6)
