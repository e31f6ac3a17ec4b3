"""What the trackers are told of an evaluated split: the same while training and at its end."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakedet.figures.confusion import confusion_figure
from fakedet.figures.panel import PanelItem, overlay, panel_figure
from fakedet.metrics.scores import THRESHOLD
from fakedet.tracking import Tracker
from fakedet.tracking.tracker import Figure


def track_curves(
    trackers: Iterable[Tracker],
    split: str,
    curves: Mapping[str, tuple[NDArray[np.float64], ...]],
    confusion: NDArray[np.int64],
    step: int,
    threshold: float = THRESHOLD,
) -> None:
    """Hand over ROC and precision-recall curves, where both classes are there, and the confusion matrix.

    Args:
        trackers: those that are told.
        split: what the keys begin with.
        curves: `roc` (false-positive rate, true-positive rate, …) and `pr` (precision, recall, …), or neither.
        confusion: counts, (2, 2).
        step: the optimiser step.
        threshold: that the confusion was counted at.
    """
    for tracker in trackers:
        if "roc" in curves:
            false_positives, true_positives = curves["roc"][:2]
            tracker.log_curve(
                f"{split}/roc", false_positives, true_positives,
                x_name="false-positive rate", y_name="true-positive rate", title=f"ROC, {split}", step=step,
            )  # fmt: skip
        if "pr" in curves:
            precision, recall = curves["pr"][:2]
            tracker.log_curve(
                f"{split}/pr", recall, precision,
                x_name="recall", y_name="precision", title=f"Precision-recall, {split}", step=step,
            )  # fmt: skip
        tracker.log_figure(
            f"{split}/confusion", confusion_figure(confusion, f"{split}, threshold {threshold:.3g}"), step
        )


def track_panel(
    trackers: Iterable[Tracker], split: str, items: Sequence[PanelItem], step: int, threshold: float = THRESHOLD
) -> None:
    """Hand over the Grad-CAM panel, as a table that can be sorted by score and as a picture."""
    if not items:
        return
    table = pd.DataFrame(
        [
            {
                "file": item.name,
                "label": "fake" if item.label else "real",
                "score": item.score,
                "outcome": item.outcome(threshold),
                "picture": item.image,
                "grad_cam": None if item.heat is None else overlay(item.image, item.heat),
            }
            for item in sorted(items, key=lambda item: -item.score)
        ]
    )
    for tracker in trackers:
        tracker.log_table(f"{split}/panel", table, step)
        tracker.log_figure(f"{split}/panel_figure", panel_figure(items, threshold), step)


def track_figures(trackers: Iterable[Tracker], figures: Mapping[str, Figure], step: int) -> None:
    """Hand over the figures of a report by name, so that runs can be laid side by side."""
    for tracker in trackers:
        for name, figure in figures.items():
            tracker.log_figure(f"report/{name}", figure, step)


def track_summary(trackers: Iterable[Tracker], metrics: Mapping[str, Any], ckpt: Path) -> None:
    """Hand over the best checkpoint's numbers, which runs are compared by, and the checkpoint."""
    values: dict[str, float | str] = {
        f"best/{split}/{name}": value
        for split, summary in metrics["splits"].items()
        for name, value in _numbers(summary, metrics.get("checks", {}).get(split, {}))
        if value is not None
    }
    values |= {f"latency/{name}": value for name, value in metrics["latency"].items()}
    values |= {name: metrics[name] for name in ("model", "dataset", "protocol")}
    for tracker in trackers:
        tracker.log_summary(values)
        tracker.log_checkpoint(ckpt, values)


def _numbers(summary: Mapping[str, Any], checks: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    """Names and values of a split: its images', its videos', its parts' AUC, and what corruptions cost."""
    for name, entry in summary["metrics"].items():
        yield name, entry["value"]
    for name, entry in summary.get("video", {}).get("metrics", {}).items():
        yield f"video/{name}", entry["value"]
    for column, parts in summary.get("parts", {}).items():
        for part, entry in parts.items():
            yield f"{column}/{part.replace('/', '_')}/auc", entry["metrics"]["auc"]["value"]
    for level, found in checks.get("robustness", {}).get("levels", {}).items():
        for name, entry in found["mean_corruption"].items():
            yield f"{'' if level == 'frame' else f'{level}/'}corrupted/{name}", entry["value"]
