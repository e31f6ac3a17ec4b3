"""The report of one detector: numbers with intervals, figures, pictures, and what they do not show."""

import contextlib
import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from fakedet.errors import UserError
from fakedet.evaluation import summary
from fakedet.evaluation.levels import to_videos
from fakedet.evaluation.model_card import audit_in_words, covered_in_words, latency_in_words, model_card
from fakedet.evaluation.plots import overlays, pictures_of_split
from fakedet.evaluation.sections import decision_section, numbers_section, sections_of_parts
from fakedet.evaluation.tracked import track_figures
from fakedet.figures import canvas
from fakedet.figures.page import Facts, Gallery, Picture, Section, render
from fakedet.figures.panel import OUTCOMES, PanelItem, pair, panel_figure
from fakedet.tracking import Tracker

MISTAKES = 12
_GUESS = 0.5
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
    trackers: Iterable[Tracker] = (),
    step: int = 0,
) -> Path:
    """Write `metrics.json`, `figures/*.png`, `model_card.md` and `report.html` into a run folder.

    Every file is whole or absent, whenever the process is killed. The page holds its pictures itself.

    Args:
        run_dir: the run's folder; made when absent.
        metrics: what `metrics.json` will hold: checkpoint, model, dataset, protocol and splits (name -> what
            `summary.summarise` gave, with `coverage` and `video` where there are any); and, where they are known,
            detector (name, trained_on, images, protocol), leaks, doubts, decision, pooling, audit (when, findings)
            and latency (median_ms, p95_ms, device).
        predictions: the rows of these splits, told apart by `split`; see `summary.summarise`.
        panels: heading -> pictures with their heat maps.
        detector: name -> value, such as the fields of the preprocessing.
        environment: name -> version of what ran.
        checks: sections on what was asked beyond the score.
        trackers: are handed the page's figures.
        step: the optimiser step that the detector is of.

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
    title = f"{metrics['model']} on {metrics['dataset']}"
    sections = [
        numbers_section(metrics),
        Section("Curves and scores", [Gallery(_plots(metrics, rows))]),
        decision_section(metrics, rows),
        *sections_of_parts(metrics),
        *checks,
        *_panel_sections(panels, metrics),
        Section("Speed", [Facts(latency_in_words(metrics.get("latency")))]),
        Section("Data", [Facts(_data(metrics))]),
        Section("Detector", [Facts(_text({**_trained(metrics), "checkpoint": metrics["checkpoint"], **detector}))]),
        Section("Environment", [Facts(_text({"command": metrics.get("entry"), **environment}))]),
    ]
    page = render(title, verdict(metrics), summary.notes(metrics), sections, summary.leaks(metrics))
    shown = _shown(sections)
    drawn = {name: picture.data for name, picture in shown.items()}
    for heading, items in panels.items():
        if items:
            drawn[_slug(f"Panel {heading}")] = canvas.png(panel_figure(items, _threshold(metrics)), dpi=100)
    for name, data in drawn.items():
        _write(run_dir / "figures" / f"{name}.png", data)
    _write(run_dir / "model_card.md", model_card(metrics, detector, environment).encode("utf-8", errors="replace"))
    _write(run_dir / "metrics.json", to_json(metrics).encode())
    _write(run_dir / "report.html", page.encode("utf-8", errors="replace"))
    track_figures(trackers, {name: picture.figure for name, picture in shown.items() if picture.figure}, step)
    return run_dir / "report.html"


def verdict(metrics: Mapping[str, Any]) -> str:
    """Two sentences: how well the detector does on which data, and what that does not show."""
    split = "test" if "test" in metrics["splits"] else next(iter(metrics["splits"]))
    entry = metrics["splits"][split]
    auc = entry["metrics"]["auc"]
    part = f"all of {metrics['dataset']}" if split == "all" else f"the {split} split of {metrics['dataset']}"
    covered = entry.get("coverage", {}).get("share", 1.0)
    share = f", {summary.percent(covered)} of what was given" if covered < 1 else ""
    where = f"On {part} ({entry['images']:,} images of {entry['groups']:,} groups{share})"
    trained = (metrics.get("detector") or {}).get("trained_on")
    who = f"{metrics['model']}, trained on {', '.join(trained)}," if trained else metrics["model"]
    if auc["value"] is None:
        finding = f"{where}, an AUC of {metrics['model']} cannot be given, because not both classes are there."
    else:
        reached = f"an AUC of {auc['value']:.3f} at {entry['level']} level ({_interval(auc)})"
        if "video" in entry and entry["video"]["metrics"]["auc"]["value"] is not None:
            video = entry["video"]["metrics"]["auc"]
            reached += f" and of {video['value']:.3f} at video level ({_interval(video)})"
        guess = ", which a guess may reach too" if auc["low"] is not None and auc["low"] <= _GUESS else ""
        finding = f"{where}, {who} reaches {reached}{guess}."
    own = not trained or bool(set(metrics["dataset"].split(", ")) & set(trained))
    chosen = ", and its checkpoint was chosen on this split, which flatters it" if split == "val" and own else ""
    return (
        f"{finding} This says little about pictures from other sources, other forgery methods or other compression, "
        f"where the same detector may do no better than a guess{chosen}."
    )


def _interval(auc: Mapping[str, float | None]) -> str:
    if auc["low"] is None or auc["high"] is None:
        return "no interval can be given"
    return f"95 % interval {auc['low']:.3f} to {auc['high']:.3f}"


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


def _plots(metrics: Mapping[str, Any], rows: Mapping[str, pd.DataFrame]) -> list[Picture]:
    pictures = overlays(metrics["splits"], rows)
    entries = {split: entry["video"] for split, entry in metrics["splits"].items() if "video" in entry}
    if entries:
        pooling = metrics.get("pooling", "mean")
        pictures += overlays(entries, {split: to_videos(rows[split], pooling) for split in entries}, ", videos")
    for split, table in rows.items():
        pictures += pictures_of_split(split, metrics["splits"][split], table)
    return pictures


def _shown(sections: Iterable[Section]) -> dict[str, Picture]:
    """File name -> every figure of the page; one of the same name as another has a number."""
    found: dict[str, Picture] = {}
    galleries = [block for section in sections for block in section.blocks if isinstance(block, Gallery)]
    for picture in (picture for gallery in galleries for picture in gallery.pictures if picture.figure is not None):
        name = _slug(picture.alt)
        number = sum(other == name or other.startswith(f"{name}_again_") for other in found)
        found[f"{name}_again_{number}" if number else name] = picture
    return found


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


def _data(metrics: Mapping[str, Any]) -> dict[str, str]:
    facts = {
        "data set": canvas.printable(str(metrics["dataset"])),
        "protocol": str(metrics.get("protocol_name") or _UNKNOWN),
        "its hash": f"{metrics['protocol']} (of which image has which label in which split and group)",
    }
    for split, entry in metrics["splits"].items():
        facts[split] = (
            f"{entry['images']:,} images ({entry['real']:,} real, {entry['fake']:,} fake) of {entry['groups']:,} "
            f"groups; unreadable: {entry['unreadable']:,}"
        )
        if "coverage" in entry:
            facts[f"{split}, coverage"] = covered_in_words(entry["coverage"])
    return {**facts, "audit": audit_in_words(metrics)}


def _trained(metrics: Mapping[str, Any]) -> dict[str, object]:
    about = metrics.get("detector")
    if about is None:
        return {}
    names, images = ", ".join(about["trained_on"]) or _UNKNOWN, about["images"]
    number = "" if images is None else f" ({images:,} images in its own training)"
    return {"detector": about["name"], "trained on": f"{names}{number}", "split by": about["protocol"]}


def _text(values: Mapping[str, object]) -> dict[str, str]:
    return {name: _UNKNOWN if value is None else canvas.printable(str(value), 400) for name, value in values.items()}


def _threshold(metrics: Mapping[str, Any]) -> float:
    """The detector's threshold, which all splits share."""
    return float(next(iter(metrics["splits"].values()))["threshold"])


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


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
