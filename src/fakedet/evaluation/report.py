"""The report of one detector: numbers with intervals, figures, pictures, and what they do not show."""

import contextlib
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from fakedet.errors import UserError
from fakedet.evaluation import summary
from fakedet.evaluation.sections import decision_section, sections_of_parts
from fakedet.figures import canvas
from fakedet.figures.confusion import confusion_figure
from fakedet.figures.curves import Curve, pr_figure, roc_figure
from fakedet.figures.histogram import histogram_figure
from fakedet.figures.page import Facts, Gallery, Grid, Picture, Section, render
from fakedet.figures.panel import OUTCOMES, PanelItem, pair, panel_figure
from fakedet.metrics.curves import pr_curve, roc_curve
from fakedet.metrics.scores import TITLES

MISTAKES = 12
_UNKNOWN = "not recorded"


def write_report(
    run_dir: Path,
    metrics: Mapping[str, Any],
    predictions: pd.DataFrame,
    panels: Mapping[str, Sequence[PanelItem]],
    *,
    detector: Mapping[str, object],
    environment: Mapping[str, object],
    checks: Sequence[Section] = (),
) -> Path:
    """Write `metrics.json`, `figures/*.png` and `report.html` into a run folder.

    Every file is whole or absent, whenever the process is killed. The page holds its pictures itself.

    Args:
        run_dir: the run's folder; made when absent.
        metrics: what `metrics.json` will hold: checkpoint, model, dataset, protocol, latency
            (median_ms, p95_ms, device; optional) and splits (name -> what `summary.summarise` gave).
        predictions: the rows of these splits, told apart by `split`; see `summary.summarise`.
        panels: heading -> pictures with their heat maps.
        detector: name -> value, such as the fields of the preprocessing.
        environment: name -> version of what ran.
        checks: sections on what was asked beyond the score.

    Returns:
        The path of the page.

    Raises:
        UserError: when there is no split, its predictions are incomplete, or a file cannot be written.
    """
    if not metrics["splits"]:
        raise UserError("There is no split to report on; name data with images to evaluate.")
    rows = {
        split: summary.scored(predictions[predictions["split"] == split]).reset_index(drop=True)
        for split in metrics["splits"]
    }
    drawn = {name: canvas.png(figure) for name, figure in _figures(metrics, rows).items()}
    decision = decision_section(metrics, rows)
    title = f"{metrics['model']} on {metrics['dataset']}"
    sections = [
        Section("Numbers", [_numbers(metrics)], _how_to_read(metrics)),
        Section("Curves and scores", [Gallery([Picture(data, name) for name, data in drawn.items()])]),
        decision,
        *sections_of_parts(metrics),
        *checks,
        *_panel_sections(panels, metrics),
        Section("Speed", [Facts(_latency(metrics.get("latency")))]),
        Section("Data", [Facts(_data(metrics))]),
        Section("Detector", [Facts(_text({"checkpoint": metrics["checkpoint"], **detector}))]),
        Section("Environment", [Facts(_text(environment))]),
    ]
    page = render(title, verdict(metrics), summary.notes(metrics), sections)
    for heading, items in panels.items():
        if items:
            drawn[f"Panel {heading}"] = canvas.png(panel_figure(items, _threshold(metrics)), dpi=100)
    for name, data in drawn.items():
        _write(run_dir / "figures" / f"{_slug(name)}.png", data)
    _write(run_dir / "metrics.json", to_json(metrics).encode())
    _write(run_dir / "report.html", page.encode("utf-8", errors="replace"))
    return run_dir / "report.html"


def verdict(metrics: Mapping[str, Any]) -> str:
    """Two sentences: how well the detector does on which data, and what that does not show."""
    split = "test" if "test" in metrics["splits"] else next(iter(metrics["splits"]))
    entry = metrics["splits"][split]
    auc = entry["metrics"]["auc"]
    part = f"all of {metrics['dataset']}" if split == "all" else f"the {split} split of {metrics['dataset']}"
    where = f"On {part} ({entry['images']:,} images of {entry['groups']:,} groups)"
    if auc["value"] is None:
        finding = f"{where}, an AUC of {metrics['model']} cannot be given, because not both classes are there."
    else:
        known = auc["low"] is not None and auc["high"] is not None
        interval = f"95 % interval {auc['low']:.3f} to {auc['high']:.3f}" if known else "no interval can be given"
        reached = f"an AUC of {auc['value']:.3f} at {entry['level']} level"
        finding = f"{where}, {metrics['model']} reaches {reached} ({interval})."
    chosen = ", and its checkpoint was chosen on this split, which flatters it" if split == "val" else ""
    return (
        f"{finding} This is one data set: it says little about pictures from other sources, other forgery "
        f"methods or other compression, where the same detector may do no better than a guess{chosen}."
    )


def most_confident_mistakes(rows: pd.DataFrame, threshold: float, limit: int = MISTAKES) -> pd.DataFrame:
    """The rows on the wrong side of the threshold, the farthest from it first.

    Args:
        rows: rows with `label`, `score` and `path`, all scored.
        threshold: an image is called fake above it.
        limit: at most so many rows.
    """
    wrong = rows[(rows["score"] > threshold) != (rows["label"] == 1)]
    # As a share of what lies on that side, so that a threshold of 0.9 does not hide one kind of mistake.
    span = np.where(wrong["label"] == 1, max(threshold, 1e-12), max(1 - threshold, 1e-12))
    ranked = wrong.assign(distance=(wrong["score"] - threshold).abs() / span).sort_values(
        ["distance", "path"], ascending=[False, True]
    )
    return ranked.drop(columns="distance").head(limit)


def to_json(metrics: Mapping[str, Any]) -> str:
    """Strict JSON: NaN and infinity become null, NumPy numbers plain ones."""
    return json.dumps(_strict(metrics), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _figures(metrics: Mapping[str, Any], rows: Mapping[str, pd.DataFrame]) -> dict[str, canvas.Figure]:
    roc: dict[str, Curve] = {}
    precision_recall: dict[str, Curve] = {}
    per_split: dict[str, canvas.Figure] = {}
    for split, table in rows.items():
        entry = metrics["splits"][split]
        labels, values = table["label"].to_numpy(), table["score"].to_numpy(dtype="float64")
        auc, precision_area = (_number(entry["metrics"][name]["value"]) for name in ("auc", "ap"))
        false_rate, true_rate, _ = roc_curve(labels, values)
        roc[split] = Curve(false_rate, true_rate, auc)
        precision, recall, _ = pr_curve(labels, values)
        share = entry["fake"] / entry["images"] if entry["images"] else None
        precision_recall[split] = Curve(recall, precision, precision_area, chance=share)
        limit = entry["threshold"]
        per_split[f"Scores {split}"] = histogram_figure(labels, values, limit, f"Scores, {split}")
        per_split[f"Confusion {split}"] = confusion_figure(entry["confusion"], f"{split}, fake above {limit:.3g}")
    return {"ROC": roc_figure(roc), "Precision-recall": pr_figure(precision_recall), **per_split}


def _numbers(metrics: Mapping[str, Any]) -> Grid:
    entries = summary.levels(metrics)
    rows = [
        [
            title,
            *(summary.cell(entry["metrics"][name]).replace(", ", ",\N{NO-BREAK SPACE}") for entry in entries.values()),
        ]
        for name, title in TITLES.items()
    ]
    rows += [
        [name.capitalize(), *(f"{entry[name]:,}" for entry in entries.values())]
        for name in ("images", "real", "fake", "groups", "unreadable")
    ]
    return Grid(["Metric", *entries], rows)


def _how_to_read(metrics: Mapping[str, Any]) -> str:
    bootstrap = next(iter(metrics["splits"].values()))["bootstrap"]
    return (
        f"In brackets: {100 * bootstrap['interval']:g} % interval from {bootstrap['resamples']:,} resamples "
        "that draw whole groups (images of one photograph, clip or person stay together). An image is called "
        f"fake above {_threshold(metrics):.3g}; AUC, average precision and EER need no threshold."
    )


def _panel_sections(panels: Mapping[str, Sequence[PanelItem]], metrics: Mapping[str, Any]) -> list[Section]:
    return [
        Section(
            heading,
            [
                Gallery(
                    [_card(item, _threshold(metrics)) for item in _by_outcome(items, _threshold(metrics))],
                    small=True,
                )
            ],
            "Left the picture, right where the evidence lies (Grad-CAM; brighter is more).",
        )
        for heading, items in panels.items()
        if items
    ]


def _by_outcome(items: Sequence[PanelItem], threshold: float) -> list[PanelItem]:
    order = list(OUTCOMES.values())
    return sorted(items, key=lambda item: order.index(item.outcome(threshold)))


def _card(item: PanelItem, threshold: float) -> Picture:
    pixels = cv2.cvtColor(pair(item), cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    label = "fake" if item.label else "real"
    outcome = item.outcome(threshold)
    lines = [outcome.capitalize(), f"score {item.score:.3f}, is {label}", canvas.printable(item.name)]
    if item.remark:
        lines.append(item.remark)
    return Picture(data, f"{outcome}: picture and heat map", tuple(lines))


def _latency(latency: Mapping[str, Any] | None) -> dict[str, str]:
    if not latency:
        return {"latency": "not measured"}
    times = f"median {latency['median_ms']:.1f} ms, 95th percentile {latency['p95_ms']:.1f} ms"
    return {"one image at a time": times, "device": str(latency["device"])}


def _data(metrics: Mapping[str, Any]) -> dict[str, str]:
    counts = {
        split: f"{entry['images']:,} images ({entry['real']:,} real, {entry['fake']:,} fake) "
        f"of {entry['groups']:,} groups; unreadable: {entry['unreadable']:,}"
        for split, entry in metrics["splits"].items()
    }
    name = metrics.get("protocol_name", "")
    protocol = f"{name}, {metrics['protocol']} (hash of which image has which label in which split and group)"
    return {"data set": canvas.printable(str(metrics["dataset"])), "protocol": protocol, **counts}


def _text(values: Mapping[str, object]) -> dict[str, str]:
    return {name: _UNKNOWN if value is None else canvas.printable(str(value), 400) for name, value in values.items()}


def _threshold(metrics: Mapping[str, Any]) -> float:
    """The detector's threshold, which all splits share."""
    return float(next(iter(metrics["splits"].values()))["threshold"])


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _strict(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _strict(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(inner) for inner in value]
    if isinstance(value, np.generic | np.ndarray):
        return _strict(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise UserError(f"{path} cannot be written ({error.strerror}); check the folder's rights and space.") from error
