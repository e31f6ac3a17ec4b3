"""Predictions to the numbers of `metrics.json`, and these to a table in the terminal."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table
from rich.text import Text

from fakedet.errors import UserError
from fakedet.evaluation.bootstrap import LEVEL, MIN_GROUPS, Floats, Groups, resample
from fakedet.evaluation.intervals import FEW_GROUPS, Intervals, intervals
from fakedet.evaluation.statuses import ABSTAINED, NO_FACE, STATUSES, UNREADABLE, WHOLE_IMAGE, WITHOUT_SCORE
from fakedet.metrics import scores
from fakedet.metrics.ranking import Ranking

GAP = "—"
# Status -> what it means for the numbers.
_TOLD = {
    NO_FACE: "no face was found in {} of the images, which are in no number",
    ABSTAINED: "no face was found in {} of the images, which count with the score 0.5 and the verdict uncertain",
    WHOLE_IMAGE: "no face was found in {} of the images, which count with the score of the whole picture",
    UNREADABLE: "{} of the images could not be read and are in no number",
}


def scored(predictions: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a score: all but the pictures that could not be read, and those left out for want of a face.

    Raises:
        UserError: when a column is missing, or a row of another status has no score.
    """
    absent = [name for name in ("path", "label", "group", "score", "face_status") if name not in predictions]
    if absent:
        raise UserError(f"The predictions lack the column {', '.join(absent)}; write them again with evaluate.py.")
    rows = predictions[~predictions["face_status"].isin(WITHOUT_SCORE)]
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
            Rows that have no score, which their face_status tells, are counted and left out of every number.
        threshold: an image is called fake above it.
        resamples: bootstrap resamples behind the intervals.
        seed: of the resamples.
        level: what a row is: `frame`, or `video`.

    Returns:
        level, images (that have a score), real, fake, groups, unreadable, statuses (face_status -> rows, where
        there are any), threshold, metrics (name -> value, low, high, each None where there is none),
        false_positive_rate (likewise: share of the reals above the threshold), confusion [[true reals, false
        fakes], [missed fakes, true fakes]], and bootstrap (interval, resamples, dropped).

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
        "unreadable": int((predictions["face_status"] == UNREADABLE).sum()),
        "statuses": _statuses(predictions["face_status"]),
        "threshold": float(threshold),
        "metrics": metrics,
        "false_positive_rate": _false_positive_rate(rows[labels == 0], threshold, resamples, seed),
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


def _statuses(column: pd.Series) -> dict[str, int]:
    counts = column.value_counts()
    return {status: int(counts[status]) for status in STATUSES if status in counts}


def _false_positive_rate(reals: pd.DataFrame, threshold: float, resamples: int, seed: int) -> dict[str, float | None]:
    """Share of the reals above the threshold; its interval is one of reals alone, for no fake has a part in it."""
    if reals.empty:
        return {"value": None, "low": None, "high": None}
    called = (reals["score"] > threshold).to_numpy(dtype="float64")
    clusters = Groups(np.zeros(len(reals), dtype=int), reals["group"])
    sums = np.stack([np.bincount(clusters.codes), np.bincount(clusters.codes, called)])

    def measured(drawn: Floats) -> dict[str, Floats]:
        images, fakes = (np.einsum("bg,g->b", drawn, each) for each in sums)
        return {"rate": fakes / images}

    low, high = float("nan"), float("nan")
    if clusters.enough:
        low, high = resample(clusters, measured, resamples, seed).bounds("rate")
    return {"value": float(called.mean()), "low": _plain(low), "high": _plain(high)}


def cell(entry: Mapping[str, float | None]) -> str:
    """A metric as text: value [low, high], without brackets where no interval is known, or a dash."""
    value, low, high = entry["value"], entry["low"], entry["high"]
    if value is None:
        return GAP
    if low is None or high is None:
        return f"{value:.3f}"
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def unbroken(entry: Mapping[str, float | None]) -> str:
    """As `cell`, with an interval that is not broken over lines."""
    return cell(entry).replace(", ", ",\N{NO-BREAK SPACE}")


def percent(share: float) -> str:
    """A share in percent, with one decimal."""
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def leaks(metrics: Mapping[str, Any]) -> list[str]:
    """What was trained on, a sentence each: a report's first lines."""
    return [f"LEAK: {sentence}" for sentence in metrics.get("leaks", [])]


def notes(metrics: Mapping[str, Any]) -> list[str]:
    """What a reader of the numbers has to know: doubts, gaps, few groups, dropped resamples, lost images."""
    lines = list(metrics.get("doubts", []))
    for split, entry in metrics["splits"].items():
        of_one = {split: entry}
        for heading, part in (levels({"splits": of_one}) if "video" in entry else of_one).items():
            gap = scores.gap(heading, part["real"], part["fake"])
            lines += [gap] if gap else []
            lines += [f"{heading}: {line}" for line in _notes_of(part)]
    return lines


def _notes_of(entry: Mapping[str, Any]) -> list[str]:
    """Clauses on the numbers of one split at one level."""
    lines = []
    wanted = {name: count for name, count in scores.REALS_WANTED.items() if entry["metrics"][name]["value"] is None}
    if wanted and entry["real"] and entry["fake"]:
        parts = [f"{scores.TITLES[name]} wants {count:,} reals" for name, count in wanted.items()]
        lines.append(f"{' and '.join(parts)}; there are {entry['real']:,}.")
    if entry["images"] and all(metric["low"] is None for metric in entry["metrics"].values()):
        lines.append(f"no interval, because a class comes from fewer than {MIN_GROUPS} groups.")
    elif entry["images"] and entry["groups"] < FEW_GROUPS:
        lines.append(
            f"{entry['groups']} groups only; with fewer than {FEW_GROUPS} the true value lies outside such an "
            "interval more often than one time in twenty."
        )
    dropped, resamples = entry["bootstrap"]["dropped"], entry["bootstrap"]["resamples"]
    if dropped:
        lines.append(f"{dropped} of {resamples} resamples missed a class and were dropped.")
    statuses = entry["statuses"]
    if entry["level"] == "video":
        lost = sum(statuses.get(status, 0) for status in WITHOUT_SCORE)
        return [*lines, f"{lost:,} of the videos have no frame with a score and are in no number."] if lost else lines
    lines += [f"{told.format(f'{statuses[status]:,}')}." for status, told in _TOLD.items() if status in statuses]
    return lines


def levels(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Heading -> entry of every split, first by image (`test, frame`), then by video where there are any.

    Args:
        metrics: what `metrics.json` holds: "splits" maps a split's name to what `summarise` gave.
    """
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
    told = [f"[low, high]: {100 * LEVEL:g} % interval, whole groups drawn again", *leaks(metrics), *notes(metrics)]
    result = Table(caption=Text("\n".join(told)), caption_justify="left")  # brackets in a str would be markup
    result.add_column("metric")
    for split in splits:
        result.add_column(split, justify="right")
    for name, title in scores.TITLES.items():
        result.add_row(title, *(cell(entry["metrics"][name]) for entry in splits.values()))
    result.add_section()
    for name, cells in counts(metrics).items():
        result.add_row(name, *cells)
    return result


def counts(metrics: Mapping[str, Any]) -> dict[str, list[str]]:
    """What the numbers rest on, a row each: coverage, where it is known, and images, classes, groups and losses."""
    entries = list(levels(metrics).values())
    rows = {}
    if any("coverage" in entry for entry in entries):
        rows["coverage"] = [percent(entry["coverage"]["share"]) if "coverage" in entry else GAP for entry in entries]
    for name in ("images", "real", "fake", "groups"):
        rows[name] = [f"{entry[name]:,}" for entry in entries]
    for status in _TOLD:
        if status == UNREADABLE or any(status in entry["statuses"] for entry in entries):
            rows[status] = [f"{entry['statuses'].get(status, 0):,}" for entry in entries]
    return rows


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
