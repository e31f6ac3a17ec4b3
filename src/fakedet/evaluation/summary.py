"""Predictions to the numbers of `metrics.json`, and these to a table in the terminal."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from fakedet.errors import UserError
from fakedet.evaluation.bootstrap import LEVEL, MIN_GROUPS
from fakedet.evaluation.intervals import FEW_GROUPS, Intervals, intervals
from fakedet.metrics import scores
from fakedet.metrics.ranking import Ranking

UNREADABLE = "unreadable"
GAP = "—"


def scored(predictions: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a score: all whose picture could be read.

    Raises:
        UserError: when a column is missing, or a readable picture has no score.
    """
    absent = [name for name in ("path", "label", "group", "score", "face_status") if name not in predictions]
    if absent:
        raise UserError(f"The predictions lack the column {', '.join(absent)}; write them again with evaluate.py.")
    rows = predictions[predictions["face_status"] != UNREADABLE]
    missing = rows["score"].isna()
    if missing.any():
        raise UserError(
            f"{int(missing.sum())} readable images have no score, the first is "
            f"{rows[missing].iloc[0]['path']}: write the predictions again with evaluate.py."
        )
    return rows


def summarise(
    predictions: pd.DataFrame,
    threshold: float = scores.THRESHOLD,
    resamples: int = 1000,
    seed: int = 0,
    level: str = "frame",
) -> dict[str, Any]:
    """The entry of one split under "splits" of `metrics.json`, of plain JSON types.

    Args:
        predictions: one row an image of one split: the manifest's columns, `score` and `face_status`.
            Rows whose face_status is `unreadable` are counted and left out of every number.
        threshold: an image is called fake above it.
        resamples: bootstrap resamples behind the intervals.
        seed: of the resamples.
        level: what a row is: `frame`, or `video`.

    Returns:
        level, images, real, fake, groups, unreadable, threshold, metrics (name -> value, low, high, each
        None where there is none), confusion [[true reals, false fakes], [missed fakes, true fakes]], and
        bootstrap (interval, resamples, dropped).

    Raises:
        UserError: when a column is missing, or a readable picture has no score.
    """
    rows = scored(predictions)
    labels, values = rows["label"].to_numpy(), rows["score"].to_numpy(dtype="float64")
    metrics, spread = plain_metrics(rows, threshold=threshold, resamples=resamples, seed=seed)
    fake = int((labels == 1).sum())
    return {
        "level": level,
        "images": len(rows),
        "real": len(rows) - fake,
        "fake": fake,
        "groups": spread.groups,
        "unreadable": len(predictions) - len(rows),
        "threshold": float(threshold),
        "metrics": metrics,
        "confusion": scores.confusion(labels, values, threshold=threshold).astype(int).tolist(),
        "bootstrap": {"interval": LEVEL, "resamples": resamples, "dropped": spread.dropped},
    }


def plain_metrics(
    rows: pd.DataFrame, *, threshold: float, resamples: int, seed: int
) -> tuple[dict[str, dict[str, float | None]], Intervals]:
    """Every metric of scored rows with its interval, as plain JSON, and what the intervals were made from.

    Args:
        rows: `label`, `score` and `group`.
        threshold: an image is called fake above it.
        resamples: bootstrap resamples behind the intervals.
        seed: of the resamples.
    """
    labels, values = rows["label"].to_numpy(), rows["score"].to_numpy(dtype="float64")
    points = scores.measure(Ranking(labels, values), threshold=threshold)
    spread = intervals(labels, values, rows["group"], threshold=threshold, resamples=resamples, seed=seed)
    metrics = {
        name: {
            "value": _plain(float(points[name])),
            "low": _plain(spread.bounds[name][0]),
            "high": _plain(spread.bounds[name][1]),
        }
        for name in scores.TITLES
    }
    return metrics, spread


def cell(entry: Mapping[str, float | None]) -> str:
    """A metric as text: value [low, high], without brackets where no interval is known, or a dash."""
    value, low, high = entry["value"], entry["low"], entry["high"]
    if value is None:
        return GAP
    if low is None or high is None:
        return f"{value:.3f}"
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def notes(metrics: Mapping[str, Any]) -> list[str]:
    """What a reader of the numbers has to know: gaps, few groups, dropped resamples, unread images."""
    lines = []
    if metrics.get("leaked"):
        seen = f"{metrics['leaked']:,} of these images were trained on"
        lines.append(f"LEAK: {seen}, so no number here holds for new images.")
    lines.extend(metrics.get("doubts", []))
    for split, entry in metrics["splits"].items():
        gap = scores.gap(split, entry["real"], entry["fake"])
        if gap:
            lines.append(gap)
        if entry["images"] and all(metric["low"] is None for metric in entry["metrics"].values()):
            lines.append(f"{split}: no interval, because a class comes from fewer than {MIN_GROUPS} groups.")
        elif entry["images"] and entry["groups"] < FEW_GROUPS:
            lines.append(
                f"{split}: {entry['groups']} groups only; with fewer than {FEW_GROUPS} the true value lies "
                "outside such an interval more often than one time in twenty."
            )
        dropped, resamples = entry["bootstrap"]["dropped"], entry["bootstrap"]["resamples"]
        if dropped:
            lines.append(f"{split}: {dropped} of {resamples} resamples missed a class and were dropped.")
        if entry["unreadable"]:
            lines.append(f"{split}: unreadable and in no number: {entry['unreadable']} of the images.")
    return lines


def levels(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Heading -> entry of every split, first by image (`test, frame`), then by video where there are any."""
    found = {}
    for split, entry in metrics["splits"].items():
        found[f"{split}, {entry['level']}"] = entry
        if "video" in entry:
            found[f"{split}, video"] = entry["video"]
    return found


def table(metrics: Mapping[str, Any]) -> Table:
    """The metrics of every split with their intervals, for the terminal.

    Args:
        metrics: what `metrics.json` holds: "splits" maps a split's name to what `summarise` gave.
    """
    splits = levels(metrics)
    caption = "\n".join([f"[low, high]: {100 * LEVEL:g} % interval, whole groups drawn again", *notes(metrics)])
    result = Table(caption=Text(caption), caption_justify="left")  # brackets in a str would be markup
    result.add_column("metric")
    for split in splits:
        result.add_column(split, justify="right")
    for name, title in scores.TITLES.items():
        result.add_row(title, *(cell(entry["metrics"][name]) for entry in splits.values()))
    result.add_section()
    for name in ("images", "real", "fake", "groups", "unreadable"):
        result.add_row(name, *(f"{entry[name]:,}" for entry in splits.values()))
    return result


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
