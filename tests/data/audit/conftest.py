"""Generated image sets in which every picture is another, and what is planted is the only fault."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from fakedet.data.benchmarks.folder import Folder
from fakedet.detector.spec import PreprocessSpec

SPLITS = ("train", "train", "train", "val", "test")


def _picture(rng: np.random.Generator, side: int = 64) -> NDArray[np.uint8]:
    """Soft random shapes: no two are alike, and no class is in them."""
    coarse = rng.uniform(0, 255, (6, 6, 3)).astype(np.float32)
    smooth = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(smooth + rng.normal(0, 4, smooth.shape), 0, 255), np.uint8)


def _make_set(root: Path, count: int = 60) -> pd.DataFrame:
    """Write `count` JPEG files, every other one fake; returns `path`, `label`, `split` and `group` (of one pair)."""
    rng = np.random.default_rng(5)
    rows = []
    for number in range(count):
        path = f"{number:03d}.jpg"
        _save(root / path, _picture(rng))
        pair = number // 2
        rows.append({"path": path, "label": number % 2, "split": SPLITS[pair % 5], "group": f"g{pair:02d}"})
    return pd.DataFrame(rows)


def _save(file: Path, image: NDArray[np.uint8], quality: int = 92) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(file), cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])


def _open_set(root: Path, rows: pd.DataFrame, **options: Any) -> Folder:
    """The rows as `data=folder` reads them, prepared."""
    rows.to_csv(root / "labels.csv", index=False)
    settings: dict[str, Any] = {
        "batch_size": 8, "workers": 0, "balance": [], "limit": None, "val_share": 0.1, "test_share": 0.1,
        "split_seed": 0, "max_unreadable": 0.1, "spec": PreprocessSpec(), **options,
    }  # fmt: skip
    folder = Folder(root=str(root), manifest="labels.csv", **settings)
    folder.prepare()
    return folder


@pytest.fixture(scope="session")
def make_set() -> Callable[..., pd.DataFrame]:
    """The function above: `make_set(tmp_path, count=40)`."""
    return _make_set


@pytest.fixture(scope="session")
def open_set() -> Callable[..., Folder]:
    """The function above: `open_set(tmp_path, rows)`."""
    return _open_set


@pytest.fixture(scope="session")
def save() -> Callable[..., None]:
    """The function above: `save(file, image, quality=50)`."""
    return _save
