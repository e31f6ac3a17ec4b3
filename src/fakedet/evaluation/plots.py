"""The figures of a report: one overlay of all splits for each level, and what a split has to itself."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from fakedet.evaluation.bands import curve_bands
from fakedet.figures.confusion import confusion_figure
from fakedet.figures.curves import Curve, pr_figure, roc_figure
from fakedet.figures.histogram import histogram_figure
from fakedet.figures.page import Picture
from fakedet.figures.parts import Part, parts_figure
from fakedet.metrics.curves import pr_curve, roc_curve


def overlays(entries: Mapping[str, Mapping[str, Any]], rows: Mapping[str, pd.DataFrame], of: str = "") -> list[Picture]:
    """ROC and precision-recall curves of several splits, each with its band.

    Args:
        entries: name -> what `summary.summarise` gave.
        rows: name -> the scored rows that it was given: `label`, `score` and `group`.
        of: what the curves count, such as `, videos`.
    """
    roc: dict[str, Curve] = {}
    precision_recall: dict[str, Curve] = {}
    for name, table in rows.items():
        entry = entries[name]
        labels, values = table["label"].to_numpy(), table["score"].to_numpy(dtype="float64")
        auc, area = (_number(entry["metrics"][metric]["value"]) for metric in ("auc", "ap"))
        of_rates, of_recalls = curve_bands(labels, values, table["group"]) or (None, None)
        false_rate, true_rate, _ = roc_curve(labels, values)
        roc[name] = Curve(false_rate, true_rate, auc, band=of_rates)
        precision, recall, _ = pr_curve(labels, values)
        share = entry["fake"] / entry["images"] if entry["images"] else None
        precision_recall[name] = Curve(recall, precision, area, chance=share, band=of_recalls)
    return [
        Picture.of(roc_figure(roc, f"ROC curve{of}"), f"ROC{of}"),
        Picture.of(pr_figure(precision_recall, f"Precision-recall curve{of} (dotted: guess)"), f"Precision-recall{of}"),
    ]


def pictures_of_split(split: str, entry: Mapping[str, Any], table: pd.DataFrame) -> list[Picture]:
    """How the scores of both classes lie, and what the threshold makes of them."""
    labels, values = table["label"].to_numpy(), table["score"].to_numpy(dtype="float64")
    limit = entry["threshold"]
    scores = histogram_figure(labels, values, limit, f"Scores, {split}")
    confusion = confusion_figure(entry["confusion"], f"{split}, fake above {limit:.3g}")
    return [Picture.of(scores, f"Scores {split}"), Picture.of(confusion, f"Confusion {split}")]


def picture_of_parts(column: str, split: str, entry: Mapping[str, Any]) -> Picture | None:
    """The AUC of every part beside that of all; None where fewer than two parts have one."""
    parts = [
        Part(
            name,
            part["metrics"]["auc"]["value"],
            _number(part["metrics"]["auc"]["low"]),
            _number(part["metrics"]["auc"]["high"]),
            part["fake"],
        )
        for name, part in entry["parts"][column].items()
        if part["metrics"]["auc"]["value"] is not None
    ]
    if len(parts) < 2:
        return None
    figure = parts_figure(parts, _number(entry["metrics"]["auc"]["value"]), f"AUC by {column}, {split}")
    return Picture.of(figure, f"AUC by {column} {split}")


def _number(value: float | None) -> float:
    return math.nan if value is None else value
