"""What is asked of a detector beyond its score: shortcuts, robustness, and maps that can be believed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch

from fakedet.augment.suite import Suite
from fakedet.data.datamodule import DataModule
from fakedet.detector.decision import Decision
from fakedet.evaluation.bootstrap import Floats, Groups, resample
from fakedet.evaluation.robustness import corrupted_scores, robustness_figures, summarise_robustness
from fakedet.evaluation.shortcut import shortcut_check
from fakedet.evaluation.summary import cell
from fakedet.explain.check import check_explanations
from fakedet.figures import canvas
from fakedet.figures.faithfulness import overlap_figure, removal_figure
from fakedet.figures.page import Block, Gallery, Grid, Picture, Section
from fakedet.models.registry import Network

_RESAMPLES = 1000


@dataclass(frozen=True)
class Checks:
    """Which checks are made of one split's images.

    Attributes:
        suite: corruptions to stand; None leaves robustness out.
        shortcut: whether both classes are scored again, scaled and re-encoded alike.
        explanations: how many Grad-CAM maps are held against random ones and true masks.
    """

    suite: Suite | None
    shortcut: bool
    explanations: int


@dataclass
class Checked:
    """What came of them.

    Attributes:
        metrics: name -> plain JSON, for `metrics.json`.
        findings: sentences that come first in a report.
        sections: of the report.
    """

    metrics: dict[str, Any] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)


def run_checks(
    checks: Checks,
    network: Network,
    data: DataModule,
    predictions: pd.DataFrame,
    device: torch.device,
    decision: Decision,
) -> Checked:
    """Make the checks on the rows of one split.

    Args:
        checks: which.
        network: in evaluation mode.
        data: where the images lie.
        predictions: the split's rows, scored.
        device: where the network runs.
        decision: what makes a verdict of a logit.
    """
    done = Checked()
    both = set(predictions["label"][predictions["score"].notna()]) == {0, 1}
    if checks.shortcut and both:
        found = shortcut_check(network, data, predictions, device, decision)
        done.metrics["shortcut"] = found
        done.sections.append(Section("Scaled and re-encoded alike", [], found["says"]))
        if found["finding"]:
            done.findings.append(f"SHORTCUT: {found['says']}")
    if checks.suite is not None and both:
        table = corrupted_scores(network, data, predictions, device, decision, checks.suite)
        done.metrics["robustness"] = summarise_robustness(table)
        done.sections.append(_robustness(done.metrics["robustness"]))
    if checks.explanations:
        maps = check_explanations(
            network, data, predictions, device, mean_interval, threshold=decision.threshold, count=checks.explanations
        )
        done.metrics["explanations"] = maps
        done.sections.append(_explanations(maps))
    return done


def mean_interval(values: Floats, groups: Sequence[Any]) -> tuple[float, float]:
    """Bounds of a mean's 95 % interval from a bootstrap over groups; NaN twice where none is known."""
    numbers = np.asarray(values, dtype=np.float64)
    clusters = Groups(np.ones(len(numbers), dtype=int), groups)
    if not clusters.enough:
        return float("nan"), float("nan")

    def measured(drawn: Floats) -> dict[str, Floats]:
        weights = drawn[:, clusters.codes]
        return {"mean": weights @ numbers / weights.sum(axis=1)}

    return resample(clusters, measured, _RESAMPLES, seed=0).bounds("mean")


def _robustness(found: dict[str, Any]) -> Section:
    blocks: list[Block] = []
    for name, level in found["levels"].items():
        loss = cell(level["mean_corruption"]["loss"])
        rows = [[f"{name} level", cell(level["clean"]), cell(level["mean_corruption"]["auc"]), loss]]
        blocks.append(Grid(["AUC", "clean", "mean over corruptions", "lost"], rows))
        figures = robustness_figures(level)
        blocks.append(Gallery([Picture(canvas.png(figure), title) for title, figure in figures.items()]))
    text = (
        f"On {found['images']:,} images ({found['real']:,} real, {found['fake']:,} fake), each as it is and corrupted."
    )
    return Section("Robustness", blocks, text)


def _explanations(found: dict[str, Any]) -> Section:
    pictures = [
        Picture(canvas.png(removal_figure(kind, found[kind])), f"Curves of {kind}")
        for kind in ("deletion", "insertion")
        if found[kind] is not None
    ]
    blocks: list[Block] = [Gallery(pictures)] if pictures else []
    if found["overlap"]:
        figure = canvas.png(overlap_figure(found["overlap"]))
        blocks.append(Gallery([Picture(figure, "Overlap of maps and forged regions, by method")]))
    checked = f"On {found['images']} images that were called fake, {found['zero_maps']} of their maps zero everywhere."
    return Section("Whether the Grad-CAM maps can be believed", blocks, " ".join([checked, *found["notes"]]))
