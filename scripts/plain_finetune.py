"""A plain PyTorch fine-tune beside a run of train.py: the same network, images, augmentation, splits and epochs.

    python src/train.py data=folder data.root=/images trainer.max_epochs=3 trainer.precision=auto
    python scripts/plain_finetune.py outputs/train/RUN

What train.py adds is left out: clipping, its own schedule and what is spared the weight decay. It is AdamW at the
run's highest learning rate in one cycle (Smith and Topin, 2018) as PyTorch has it, in bf16 where the processor
computes in it, each image once an epoch. Printed are the frame AUC on validation after each epoch, and of both on the
test images, with 95 % intervals from a bootstrap over groups. The last epoch is tested: nothing is chosen.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from omegaconf import OmegaConf
from sklearn.metrics import roc_auc_score
from torch.nn.functional import binary_cross_entropy_with_logits

from fakedet.data.datamodule import DataModule
from fakedet.errors import UserError
from fakedet.evaluation import predictions
from fakedet.evaluation.scoring import logits_of
from fakedet.evaluation.summary import cell, plain_metrics, scored
from fakedet.instantiation import instantiate
from fakedet.models import checkpoint
from fakedet.models.registry import Network
from fakedet.training.trainer import choose_precision


def finetune(run: Path) -> list[str]:
    """Train beside a run; the lines of a Markdown table with both.

    Raises:
        UserError: for a folder that is no run with test images.
    """
    config: Any = OmegaConf.load(_config(run))
    theirs, _ = predictions.read(run)
    theirs = scored(theirs[theirs["split"] == "test"])
    if theirs.empty:
        raise UserError(f"{run} was not tested: it has no test images.")
    _, card = checkpoint.load(checkpoint.find(run))
    augment = instantiate(config.augmentation)
    data: DataModule = instantiate(config.data, spec=card.preprocess, augment=augment, seed=config.seed).prepare()
    data.balance = ()  # every image once
    data.leave_out_duplicates()
    torch.manual_seed(config.seed)
    network: Network = instantiate(config.model)
    network = network.to(memory_format=torch.channels_last)
    _fit(network, data, config.optimizer.lr, config.trainer.max_epochs)
    rows = data.split("test")
    ours = rows.assign(score=_logits(network, data, rows))
    lines = ["| test images | real | fake | AUC |", "| --- | ---: | ---: | ---: |"]
    for name, table in (("train.py", theirs), ("plain", ours)):
        metrics, _ = plain_metrics(table.dropna(subset="score"), threshold=0.5, resamples=1000, seed=0)
        fakes = int(table["label"].sum())
        lines.append(f"| {name} | {len(table) - fakes} | {fakes} | {cell(metrics['auc'])} |")
    return lines


def _config(run: Path) -> Path:
    file = run / ".hydra" / "config.yaml"
    if not file.is_file():
        raise UserError(f"{run} is not the folder of a training: it has no {file.relative_to(run)}.")
    return file


def _fit(network: Network, data: DataModule, rate: float, epochs: int) -> None:
    loader = data.train_dataloader()
    optimizer = torch.optim.AdamW(network.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * len(loader))
    half = choose_precision("auto", "cpu") != "32-true"
    tested = data.split("val")
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        network.train()
        losses, start = [], time.perf_counter()
        for batch in loader:
            images = batch["image"].contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                loss = binary_cross_entropy_with_logits(network(images).float(), batch["label"].float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
        logits = np.asarray(_logits(network, data, tested))
        read = ~np.isnan(logits)  # a picture that cannot be read has none
        auc = roc_auc_score(tested["label"][read], logits[read])
        seconds = time.perf_counter() - start
        print(
            f"epoch {epoch + 1} of {epochs}: loss {np.mean(losses):.4f}, val AUC {auc:.4f} ({seconds:.0f} s)",
            flush=True,
        )


def _logits(network: Network, data: DataModule, rows: pd.DataFrame) -> Any:
    network.eval()
    return logits_of(network, data.evaluation_loader(rows), len(rows), torch.device("cpu"), "Scoring")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a training")
    try:
        print("\n".join(finetune(parser.parse_args(arguments).run)))
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
