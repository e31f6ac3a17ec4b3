"""Training runs of the real commands on tiny folders: in this process, or as the command itself."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from torch import Tensor

import fakedet.config  # noqa: F401 (registers the schemas that conf/ builds on)

# As in the commands that `start` runs: another number of threads adds numbers up in another order, and
# the weights of runs that are compared would differ in the last digits.
torch.set_num_threads(1)

ROOT = Path(__file__).parents[1]
# The smallest networks of timm train in seconds; what is random in them is off, so that runs can be compared.
TINY = (
    "model=timm",
    "model.model_name=test_efficientnet",
    "model.weights=null",
    "preprocess.size=32",
    "augmentation=none",
    "data=folder",
    "data.workers=0",
    "data.batch_size=8",
    "data.val_share=0.2",
    "data.test_share=0.2",
    "optimizer.lr=3e-3",
    "trainer.accelerator=cpu",
    "trainer.max_epochs=3",
    "callbacks.progress=null",
    "callbacks.summary=null",
    "callbacks.panel=null",
    "logger=none",
)
PANEL = "callbacks.panel={_target_: fakedet.training.callbacks.reporting.Panel, count: 2, seed: 0, every_n_epochs: 1}"


def train_overrides(images: Path, *overrides: str) -> list[str]:
    """The command line of a tiny training; later overrides win."""
    return [*TINY, f"data.root={images}", *overrides]


def train_config(run: Path, images: Path, *overrides: str) -> DictConfig:
    """The config that the command would get, for a run folder that exists afterwards as Hydra makes it."""
    plain = [f"run.dir={run}", "run.name=test", "run.group=null", "run.tags=[]"]
    chosen = train_overrides(images, *overrides)
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("train", [*plain, *chosen])
    (run / ".hydra").mkdir(parents=True, exist_ok=True)
    (run / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(chosen))
    return config


def train_here(run: Path, images: Path, *overrides: str) -> Path:
    """Train in this process; returns the run folder."""
    from fakedet.training.train import train

    train(train_config(run, images, *overrides))  # type: ignore[arg-type]
    return run


def evaluate_here(run: Path, *overrides: str) -> Path:
    """Evaluate in this process; returns the run folder."""
    from fakedet.evaluation.evaluate import evaluate

    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        unchecked = ["shortcut=false", "explanations=0"]  # a test that wants them says so
        plain = [f"run.dir={run}", "run.name=test", "run.group=null", "run.tags=[]", "device=cpu"]
        config = compose("evaluate", [*plain, *unchecked, *overrides])
    run.mkdir(parents=True, exist_ok=True)
    evaluate(config)  # type: ignore[arg-type]
    return run


def prepare_here(name: str, raw: Path, root: Path, *overrides: str) -> Path:
    """Prepare a download in this process and two of its own, three frames a video; returns the prepared folder."""
    from fakedet.data.prepare import prepare

    chosen = [f"data={name}", f"data.raw={raw}", f"data.root={root}", "frames=3", "workers=2", *overrides]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("prepare", chosen)
    prepare(config)  # type: ignore[arg-type]
    return root


def start(command: str, *overrides: str, folder: Path) -> subprocess.Popen[str]:
    """Start `python src/<command>.py …` in a folder, on one thread, with a process group of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline", "COLUMNS": "200"}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "src" / f"{command}.py"), *overrides],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def metrics(run: Path) -> dict[str, Any]:
    """What the run's `metrics.json` holds."""
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    return found


def weights(run: Path, name: str = "last.ckpt") -> dict[str, Tensor]:
    """The weights that a checkpoint of the run holds."""
    state: dict[str, Tensor] = torch.load(run / "checkpoints" / name, weights_only=True)["state_dict"]
    return state
