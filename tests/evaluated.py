"""Folders of evaluations with made-up scores, as the real command leaves them but for its pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from fakedet.data import manifest
from fakedet.detector.decision import Decision
from fakedet.detector.spec import PreprocessSpec
from fakedet.evaluation import predictions
from fakedet.evaluation.conclusion import analyse
from fakedet.evaluation.report import to_json
from fakedet.evaluation.scoring import decided


def some_rows(
    dataset: str, skill: float, *, groups: int = 40, per_group: int = 4, seed: int = 0, split: str = "test"
) -> pd.DataFrame:
    """Predictions of one detector; all find the same groups hard that have the same seed."""
    rng = np.random.default_rng(seed)
    own = np.random.default_rng(round(1000 * skill))
    labels = np.repeat(np.arange(groups) % 2, per_group)
    codes = np.repeat(np.arange(groups), per_group)
    hard = rng.normal(size=groups)[codes]
    logits = skill * (2 * labels - 1) + hard + own.normal(size=len(labels))
    rows = pd.DataFrame(
        {
            "path": [f"{dataset}/{number:04d}.png" for number in range(len(labels))],
            "label": labels,
            "dataset": dataset,
            "method": np.where(labels == 1, "swap", "real"),
            "video": [f"{dataset}:{code}" for code in codes],
            "group": [f"g{code}" for code in codes],
            "split": "test",
        }
    )
    scored = manifest.complete(rows).assign(logit=logits, face_status="given", split=split)
    return decided(scored, Decision())


def write_run(
    folder: Path,
    detector: str,
    trained_on: Sequence[str],
    rows: pd.DataFrame,
    *,
    entry: str = "evaluate",
    preprocess: PreprocessSpec | None = None,
    **about: Any,
) -> Path:
    """A run's folder; `about` adds to or replaces what its `metrics.json` holds."""
    checkpoint = f"/detectors/{detector}/checkpoints/best.ckpt"
    splits = {str(split): part for split, part in rows.groupby("split")}
    known: dict[str, Any] = {
        "entry": entry,
        "checkpoint": checkpoint,
        "model": "net",
        "detector": {
            "name": f"net ({Path(detector).name})",
            "trained_on": list(trained_on),
            "protocol": "official",
            "preprocess": (preprocess or PreprocessSpec()).to_json(),
        },
        "leaks": [],
        "pooling": "mean",
        "decision": Decision().to_json(),
        **about,
    }
    metrics = {
        **known,
        "dataset": ", ".join(sorted(set(rows["dataset"]))),
        "splits": {
            split: analyse(part, 0.5, known["pooling"]) | {"images_hash": manifest.protocol_hash(part)}
            for split, part in splits.items()
        },
    }
    overrides = [f"ckpt={checkpoint}", f"data={rows['dataset'].iloc[0]}"] if entry == "evaluate" else []
    write_overrides(folder, *overrides)
    predictions.write(rows, known, folder)
    (folder / "metrics.json").write_text(to_json(metrics))
    return folder


def write_overrides(folder: Path, *overrides: str, failure: str = "") -> Path:
    """A run's folder as Hydra makes it, and why the run failed."""
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(list(overrides)))
    if failure:
        (folder / "failure.txt").write_text(f"{failure}\n")
    return folder
