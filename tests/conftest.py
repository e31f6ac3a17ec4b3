"""What several rooms' tests share: tiny generated image folders in the real layouts, and composed configs."""

import csv
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from numpy.typing import NDArray
from omegaconf import DictConfig

import fakedet.config  # noqa: F401 (registers the schemas that conf/ builds on)

CONF = Path(__file__).parents[1] / "conf"

# Layout -> folder names of real and fake.
_CLASS_FOLDERS = {
    "real_fake": ("real", "fake"),
    "0_real_1_fake": ("0_real", "1_fake"),
    "nature_ai": ("nature", "ai"),
    "splits": ("real", "fake"),
    "csv": ("images", "images"),
}


def _picture(rng: np.random.Generator, size: int, marked: bool) -> NDArray[np.uint8]:
    """Grey noise of random brightness; the mark is a red square of a third of the side, somewhere."""
    noise = rng.normal(rng.integers(70, 180), 20, (size, size, 1)).clip(0, 255)
    image = np.repeat(noise, 3, axis=2).astype(np.uint8)
    if marked:
        side = size // 3
        top, left = rng.integers(0, size - side, 2)
        image[top : top + side, left : left + side] = (230, 20, 20)
    return image


def _make_folder(
    root: Path,
    *,
    groups: int = 12,
    per_group: int = 1,
    size: int = 64,
    learnable: bool = True,
    layout: str = "real_fake",
) -> Path:
    """Write `groups` groups of `per_group` real and as many fake JPEG files, `g00_0.jpg` and so on; return `root`.

    `learnable` marks the fakes with a red square, else nothing tells the classes apart. Layouts:
    `real_fake`, `0_real_1_fake` and `nature_ai` are class folders; `splits` has them below train, val and
    test (three, one and one of five groups); `csv` has all files in `images/` and a `labels.csv` with the
    columns file, label (1 = fake), original (the group) and method.
    """
    rng = np.random.default_rng(7)
    rows = []
    for number in range(groups):
        for label, folder in enumerate(_CLASS_FOLDERS[layout]):
            for copy in range(per_group):
                suffix = f"_{label}" if layout == "csv" else ""
                split = ("train", "val", "train", "test", "train")[number % 5] if layout == "splits" else ""
                path = Path(split) / folder / f"g{number:02d}_{copy}{suffix}.jpg"
                image = _picture(rng, size, marked=learnable and label == 1)
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                assert cv2.imwrite(str(root / path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
                method = "real" if label == 0 else ("swap", "paint")[number % 2]
                rows.append([path.as_posix(), label, f"o{number:02d}", method])
    if layout == "csv":
        with (root / "labels.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([["file", "label", "original", "method"], *rows])
    return root


@pytest.fixture(scope="session")
def make_folder() -> Callable[..., Path]:
    """The function above: `make_folder(tmp_path / "images", groups=6, layout="csv")`."""
    return _make_folder


@pytest.fixture(scope="session")
def detector_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny exported detector with class-activation maps and no face search; its logits spread around 0."""
    import torch

    from fakedet.detector.card import DetectorCard
    from fakedet.detector.decision import Calibration, Decision
    from fakedet.detector.spec import PreprocessSpec
    from fakedet.detector.trained_on import TrainedOn
    from fakedet.export.onnx_file import write_onnx
    from fakedet.models.registry import build

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = build("timm", model_name="test_resnet").eval()
    with torch.no_grad():
        for parameter in network.head.parameters():
            parameter.mul_(50)  # untrained, it would call every picture 0.50
    card = DetectorCard(
        model="test_resnet",
        preprocess=PreprocessSpec(size=64),
        decision=Decision(Calibration("temperature", 2.0), threshold=0.5, band=(0.4, 0.6)),
        protocol="by group",
        protocol_hash="0" * 16,
        training={"datasets": ["pictures"], "images": 16, "metrics": {}},
        trained_on=TrainedOn().to_json(),
        precision="fp32",
        licence="for tests only",
    )
    file = tmp_path_factory.mktemp("detector") / "detector.onnx"
    write_onnx(network, card, file)
    return file


@pytest.fixture
def compose(tmp_path: Path) -> Callable[..., DictConfig]:
    """`compose("train", "data=folder", …)`: the config of a command, as its Hydra entry would get it.

    Its run folder is `<tmp_path>/run`; what Hydra knows only in a job (name, group, tags) is given plainly.
    """

    def config(name: str, *overrides: str) -> DictConfig:
        run = {
            "train": [f"run.dir={tmp_path / 'run'}", "run.name=test", "run.group=null", "run.tags=[]"],
            "evaluate": [f"run.dir={tmp_path / 'run'}", "run.name=test", "run.group=null", "run.tags=[]"],
            "audit": [f"run.dir={tmp_path / 'run'}"],
            "compare": [],
            "export": [],
            "predict": [],
            "prepare": [],
        }
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return hydra_compose(name, [*run[name], *overrides])

    return config
