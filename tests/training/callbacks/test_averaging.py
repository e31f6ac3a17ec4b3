"""The average of the weights is what is validated, kept and evaluated."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from runs import PANEL, evaluate_here, metrics, train_here

from fakedet.metrics.ranking import Ranking
from fakedet.metrics.scores import measure
from fakedet.models import checkpoint

EMA = ("callbacks=[default,ema]", "callbacks.ema.decay=0.8", "callbacks.progress=null", "callbacks.summary=null")


def test_the_best_checkpoint_holds_the_average_and_evaluates_to_what_validation_logged(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    images = make_folder(tmp_path / "images", groups=30, size=40)
    run = train_here(tmp_path / "run", images, *EMA, PANEL, "logger=csv")
    logged = pd.read_csv(run / "csv" / "metrics.csv").dropna(subset=["val/auc"])
    best = checkpoint.read(run / "checkpoints" / "best.ckpt")
    epoch = logged[logged["epoch"] == best["epoch"]].iloc[0]
    assert epoch["val/auc"] == logged["val/auc"].max()
    found = metrics(run)["splits"]["val"]["metrics"]
    scored = pd.read_parquet(run / "predictions.parquet").query("split == 'val'")
    # Validation counts at 0.5 and in float32, where two of these scores are one; the report does neither.
    raw = torch.from_numpy(scored["logit"].to_numpy(np.float32)).sigmoid().numpy()
    measured = measure(Ranking(scored["label"].to_numpy(), raw))
    for name in ("auc", "ap", "eer", "accuracy", "balanced_accuracy"):
        assert float(measured[name]) == pytest.approx(epoch[f"val/{name}"], abs=1e-6), name
    again = evaluate_here(tmp_path / "again", f"ckpt={run}", "split=val")
    assert metrics(again)["splits"]["val"]["metrics"] == found

    averaged, trained = best["state_dict"], best["current_model_state"]
    assert any(not torch.equal(averaged[name], trained[name]) for name in averaged)
    # The panel of the epoch explains the weights that were scored: its scores are those of the report.
    panel = pd.read_csv(run / "csv" / "val" / "panel" / f"step_{best['global_step']}.csv").set_index("file")["score"]
    logits = pd.read_parquet(run / "predictions.parquet").set_index("path")["logit"]
    np.testing.assert_allclose(panel, 1 / (1 + np.exp(-logits[panel.index])), atol=1e-6)


def test_the_average_leaves_the_training_as_it_is(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    images = make_folder(tmp_path / "images", groups=12, size=40)
    short = ("trainer.max_epochs=3", "data.batch_size=4")
    plain = train_here(tmp_path / "plain", images, *short)
    averaged = train_here(tmp_path / "averaged", images, *EMA, "callbacks.panel=null", *short)
    trained = checkpoint.read(averaged / "checkpoints" / "last.ckpt")["current_model_state"]
    for name, value in checkpoint.read(plain / "checkpoints" / "last.ckpt")["state_dict"].items():
        torch.testing.assert_close(trained[name], value, rtol=0, atol=1e-6, msg=name)
