"""How much of a bare PyTorch loop's speed `train.py` keeps, and how long its loop waits for data.

Run with `make bench-train`; `args="--root /images"` reads real images instead of generated ones, and what else
stands there is an override of train.py's config, such as `model=resnet50`. Both loops train the same network on the
same batches in memory, in turn, and each pair gives a ratio: speeds drift on a shared machine, ratios do not.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import hydra
import numpy as np
import torch
from benching import Bench
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch import Callback, LightningDataModule
from lightning.pytorch.profilers import SimpleProfiler
from omegaconf import OmegaConf, open_dict
from torch.utils.data import DataLoader

from fakedet.config import TrainConfig, preprocess_spec
from fakedet.data.images import Batch
from fakedet.detector.trained_on import TrainedOn
from fakedet.instantiation import instantiate
from fakedet.models.checkpoint import Card
from fakedet.models.registry import Network
from fakedet.training.module import DetectorModule
from fakedet.training.trainer import build_trainer, choose_precision

WARM_UP = 3
CONF = Path(__file__).resolve().parent.parent / "conf"


class InMemory(LightningDataModule):
    """The same batches again and again."""

    def __init__(self, batches: list[Batch]) -> None:
        super().__init__()
        self.batches = batches

    def train_dataloader(self) -> DataLoader[Batch]:
        """The batches themselves: nothing is loaded."""
        return DataLoader(self.batches, batch_size=None)  # type: ignore[arg-type]


class Clock(Callback):
    """When each step ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_end(self, *_: Any) -> None:
        """Note the time."""
        self.times.append(time.perf_counter())


def compose(folder: Path, overrides: list[str]) -> TrainConfig:
    """The config that train.py would run on."""
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose("train", overrides, return_hydra_config=True)
    with open_dict(config):
        config.hydra.runtime.output_dir = str(folder)
    HydraConfig.instance().set_config(config)
    OmegaConf.set_readonly(config, False)
    return config  # type: ignore[return-value]


def lightning_speed(config: TrainConfig, batches: list[Batch]) -> float:
    """Images per second of train.py's module and trainer on batches in memory."""
    module = new_module(config)
    clock = Clock()
    trainer = build_trainer(config, [])
    trainer.callbacks.append(clock)  # type: ignore[attr-defined]
    trainer.fit(module, datamodule=InMemory(batches))
    return speed(clock.times, batches)


def bare_speed(config: TrainConfig, batches: list[Batch]) -> float:
    """Images per second of a loop that does nothing but train the network."""
    module = new_module(config)
    network = module.network.train()
    optimizer = module.optimizer_factory([{"params": list(network.parameters())}])
    bf16 = choose_precision(str(config.trainer["precision"]), str(config.trainer["accelerator"])) == "bf16-mixed"
    times = []
    for batch in batches:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = network(batch["image"].contiguous(memory_format=torch.channels_last))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), batch["label"].float())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.trainer["gradient_clip_val"])
        optimizer.step()
        times.append(time.perf_counter())
    return speed(times, batches)


def new_module(config: TrainConfig) -> DetectorModule:
    """A fresh network in train.py's module."""
    torch.manual_seed(0)
    network: Network = instantiate(config.model)
    card = Card(network.name, network.options, preprocess_spec(config.preprocess), {}, "", "", (), 0, TrainedOn())
    return DetectorModule(network, card, instantiate(config.optimizer), config.schedule, config.loss)


def speed(times: list[float], batches: list[Batch]) -> float:
    """Images per second after the warm-up."""
    images = sum(len(batch["label"]) for batch in batches[WARM_UP:])
    return images / (times[-1] - times[WARM_UP - 1])


def waiting_share(config: TrainConfig, folder: Path) -> float:
    """Share of the time from the first step's end to the last's that the loop spent waiting for its loader."""
    data = instantiate(
        config.data,
        spec=preprocess_spec(config.preprocess),
        augment=instantiate(config.augmentation),
        seed=0,
        quarantine_file=folder / "quarantine.csv",
    ).prepare()
    profiler, clock = SimpleProfiler(), Clock()
    trainer = build_trainer(config, [])
    trainer.profiler = profiler  # type: ignore[attr-defined]
    trainer.callbacks.append(clock)  # type: ignore[attr-defined]
    trainer.fit(new_module(config), datamodule=data)
    waits = profiler.recorded_durations["[_TrainingEpochLoop].train_dataloader_next"]
    return sum(waits[WARM_UP + 1 :]) / (clock.times[-1] - clock.times[WARM_UP])


def generate(folder: Path, count: int, size: int) -> Path:
    """JPEG files of smooth noise, which decode as slowly as photographs."""
    rng = np.random.default_rng(0)
    for number in range(count):
        path = folder / ("fake" if number % 2 else "real") / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = rng.integers(0, 256, (size // 8, size // 8, 3), dtype=np.uint8)
        cv2.imwrite(str(path), cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC))
    return folder


def batches(count: int, batch_size: int, size: int) -> Iterator[Batch]:
    """Random batches of network input."""
    for _ in range(count):
        label = torch.arange(batch_size) % 2
        yield Batch(image=torch.randn(batch_size, 3, size, size), label=label, index=torch.arange(batch_size))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and save."""
    bench = Bench("train", __doc__)
    bench.parser.add_argument("--root", type=Path, help="folder with real/ and fake/ images; default: generated ones")
    bench.parser.add_argument("--pairs", type=int, default=5, help="pairs of runs (default 5)")
    bench.parser.add_argument("--steps", type=int, default=15, help="counted steps of a run (default 15)")
    bench.parser.add_argument("--precision", default="auto", help="trainer.precision (default auto)")
    bench.parser.add_argument("overrides", nargs="*", help="of train.py's config")
    options = bench.parse(arguments)
    if options.pairs < 1 or options.steps < 2:
        bench.parser.error("--pairs takes a number of at least 1, and --steps one of at least 2")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        steps = options.steps + WARM_UP
        quiet = [f"callbacks.{name}=null" for name in ("early_stopping", "progress", "summary", "lines")]
        config = compose(
            folder,
            [
                "model=mobilenetv2", "model.weights=null",
                "data=folder", f"data.root={options.root or folder / 'images'}", "data.workers=1",
                "trainer.accelerator=cpu",
                "logger=none", f"trainer.precision={options.precision}", "trainer.max_epochs=1",
                "callbacks.learning_rate=null",
                "callbacks.checkpoint.monitor=null", "callbacks.checkpoint.save_top_k=0",
                "trainer.limit_val_batches=0", f"trainer.limit_train_batches={steps}",
                *quiet, *options.overrides,
            ],
        )  # fmt: skip
        batch_size = int(config.data["batch_size"])
        if options.root is None:
            generate(folder / "images", 2 * steps * batch_size, 256)
        memory = list(batches(steps, batch_size, config.preprocess.size))
        pairs = [(lightning_speed(config, memory), bare_speed(config, memory)) for _ in range(options.pairs)]
        share = waiting_share(config, folder)
    bench.table(
        f"{config.model['name']}, {options.precision}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        ["images/s", "minimum", "median", "maximum"],
        [
            [title, *(f"{value:.1f}" for value in (min(speeds), statistics.median(speeds), max(speeds)))]
            for title, speeds in zip(["train.py's loop", "bare PyTorch loop"], zip(*pairs, strict=True), strict=True)
        ],
    )
    ratios = [ours / bare for ours, bare in pairs]
    bench.ratio(
        "Speed of train.py's loop against a bare PyTorch loop", statistics.median(ratios), min(ratios), max(ratios)
    )
    bench.note(f"Share of the time that the loop waits for its loader (one worker): {share:.1%}")
    bench.save()


if __name__ == "__main__":
    main()
