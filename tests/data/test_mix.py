from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig, OmegaConf

from fakedet.augment import Pipeline
from fakedet.config import instantiate
from fakedet.data import manifest, prepared
from fakedet.data.datamodule import LEVELS
from fakedet.data.mix import Mix, drop_shared
from fakedet.data.protocols import APART
from fakedet.detector.spec import FaceSpec, PreprocessSpec
from fakedet.errors import UserError

REAL, FAKE = 0, 1
FACE = FaceSpec()


def _row(clip: str, label: int, target: str | None, source: str | None, **known: Any) -> dict[str, Any]:
    return {
        "path": f"crops/{clip}/000000.png", "label": label, "method": known.pop("method", "real" if label == REAL else "swap"),
        "video": clip, "source_clip": clip, "target_identity": target, "source_identity": source, **known,
    }  # fmt: skip


def _pairs(name: str, count: int, *, labels: tuple[int, ...] = (REAL, FAKE), people: str | None = None) -> pd.DataFrame:
    """Pairs of people who are swapped with each other; the last pairs are for validation and for testing."""
    rows = []
    for number in range(2 * count):
        split = "test" if number >= 2 * count - 4 else "val" if number >= 2 * count - 8 else "train"
        target, source = (f"{people or name}:{person}" for person in (number, number ^ 1))
        for label in labels:
            kind = "f" if label == FAKE else "r"
            row = _row(f"{name}/{kind}{number}", label, target, source if label == FAKE else None, split=split)
            rows.append(row | {"source_clip": f"{people or name}:clip{number}", "dataset": name})
    return pd.DataFrame(rows)


def _write(folder: Path, rows: pd.DataFrame, face: FaceSpec | None = FACE, **record: Any) -> Path:
    """What `prepare.py` leaves of a data set."""
    folder.mkdir(parents=True)
    manifest.write_table(manifest.complete(rows, manifest.PREPARED), folder / prepared.MANIFEST)
    settings = {"dataset": rows["dataset"].iloc[0], "frames": "1", "picture_format": "png", **record}
    (folder / prepared.RECORD).write_text(prepared.Prepared(face=face, **settings).dump())
    return folder


def _mix(root: Path, *names: str, **options: Any) -> Mix:
    defaults: dict[str, Any] = {
        "root": str(root), "sets": {name: name for name in names}, "batch_size": 4, "workers": 0, "balance": list(LEVELS),
        "limit": None, "val_share": 0.2, "test_share": 0.2, "split_seed": 0, "max_unreadable": 0.05,
        "spec": PreprocessSpec(size=32), "augment": Pipeline(),
    }  # fmt: skip
    return Mix(**{**defaults, **options})


def _where(rows: pd.DataFrame) -> dict[str, set[str]]:
    """The splits that each person stands in."""
    names = pd.concat([rows[["target_identity", "split"]], rows[["source_identity", "split"]].set_axis(["target_identity", "split"], axis=1)])
    return {str(name): set(part["split"]) for name, part in names.dropna().groupby("target_identity")}


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Two sets that have nothing in common, in folders of different depth."""
    _write(tmp_path / "a", _pairs("aset", 12).assign(mask="masks/one.png"))
    _write(tmp_path / "deep/b", _pairs("bset", 12))
    return tmp_path


def test_paths_are_relative_to_the_common_folder(two: Path) -> None:
    data = _mix(two / "deep", a="", sets={"a": "../a", "b": str(two / "deep/b")}) if False else _mix(
        two / "deep", sets={"a": "../a", "b": str(two / "deep/b")}
    )
    rows = data.prepare().rows
    assert data.root == two
    assert set(rows["path"].str.rsplit("/", n=4).str[0]) >= {"a", "deep/b"}
    assert len(rows) == 96
