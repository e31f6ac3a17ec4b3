"""The numbers of parts of the data: each data set, method and compression, and the worst method."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from fakedet.evaluation.summary import plain_metrics
from fakedet.metrics.scores import THRESHOLD

# What a part is told by: those that need both classes, and those of its fakes alone.
SHOWN = ("auc", "ap", "tpr_at_fpr_1e-2", "balanced_accuracy", "recall")
PARTS = ("dataset", "method", "compression")
_RESAMPLES = 400


def breakdown(rows: pd.DataFrame, threshold: float = THRESHOLD, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Metrics with intervals of every part of the rows, by data set, method and compression.

    A method has no reals of its own: its fakes stand against all reals of the data sets that it occurs in.
    A column that has one value, or none, tells nothing and is left out.

    Args:
        rows: scored rows, one an image or a video, with `label`, `score`, `group` and the columns of `PARTS`.
        threshold: an image is called fake above it.
        seed: of the resamples.

    Returns:
        Column -> part -> {real, fake, metrics: name -> {value, low, high}}, plain JSON.
    """
    found: dict[str, dict[str, Any]] = {}
    for column in PARTS:
        if column not in rows:
            continue
        parts = _by_method(rows) if column == "method" else _by_value(rows, column)
        if len(parts) > 1:
            found[column] = {name: _entry(part, threshold, seed) for name, part in sorted(parts.items())}
    return found


def worst_method(parts: Mapping[str, Any]) -> str | None:
    """The method with the lowest AUC; None where there are no methods with one."""
    aucs = {name: entry["metrics"]["auc"]["value"] for name, entry in parts.get("method", {}).items()}
    known = {name: value for name, value in aucs.items() if value is not None}
    return min(known, key=lambda name: (known[name], name), default=None)


def _by_value(rows: pd.DataFrame, column: str) -> dict[str, pd.DataFrame]:
    return {str(value): part for value, part in rows.groupby(column)}


def _by_method(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    reals = rows[rows["label"] == 0]
    parts = {}
    for name, fakes in rows[rows["label"] == 1].groupby("method"):
        beside = reals[reals["dataset"].isin(fakes["dataset"])] if "dataset" in rows else reals
        parts[str(name)] = pd.concat([beside, fakes])
    return parts


def _entry(part: pd.DataFrame, threshold: float, seed: int) -> dict[str, Any]:
    metrics, _ = plain_metrics(part, threshold=threshold, resamples=_RESAMPLES, seed=seed)
    fake = int((part["label"] == 1).sum())
    return {"real": len(part) - fake, "fake": fake, "metrics": {name: metrics[name] for name in SHOWN}}
