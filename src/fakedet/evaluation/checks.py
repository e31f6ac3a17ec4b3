"""What is asked of a detector beyond its score: shortcuts, robustness, and maps that can be believed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from fakedet.augment.suite import Suite
from fakedet.data.datamodule import DataModule
from fakedet.detector.decision import Decision
from fakedet.evaluation.bootstrap import Floats, Groups, resample
from fakedet.evaluation.robustness import corrupted_scores, robustness_figures, summarise_robustness
from fakedet.evaluation.shortcut import shortcut_check
from fakedet.evaluation.summary import GAP, unbroken
from fakedet.explain.check import check_explanations
from fakedet.figures import canvas
from fakedet.figures.faithfulness import MAPS, MEASURES, overlap_figure, removal_figure
from fakedet.figures.page import Block, Gallery, Grid, Picture, Section
from fakedet.models.registry import Network

_RESAMPLES = 1000
_ALL_METHODS = "all methods"
_KINDS: tuple[Literal["deletion"], Literal["insertion"]] = ("deletion", "insertion")


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
    """

    metrics: dict[str, Any] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)


def run_checks(
    checks: Checks,
    network: Network,
    data: DataModule,
    predictions: pd.DataFrame,
    device: torch.device,
    decision: Decision,
    pooling: str = "mean",
) -> Checked:
    """Make the checks on the rows of one split.

    Args:
        checks: which.
        network: in evaluation mode.
        data: where the images lie.
        predictions: the split's rows, scored.
        device: where the network runs.
        decision: what makes a verdict of a logit.
        pooling: how the scores of a video's frames become the video's.
    """
    done = Checked()
    both = set(predictions["label"][predictions["score"].notna()]) == {0, 1}
    if checks.shortcut and both:
        found = shortcut_check(network, data, predictions, device, decision)
        done.metrics["shortcut"] = found
        if found["finding"]:
            done.findings.append(f"SHORTCUT: {found['says']}")
    if checks.suite is not None and both:
        table = corrupted_scores(network, data, predictions, device, decision, checks.suite)
        done.metrics["robustness"] = summarise_robustness(table, pooling=pooling)
    if checks.explanations:
        done.metrics["explanations"] = check_explanations(
            network, data, predictions, device, mean_interval, threshold=decision.threshold, count=checks.explanations
        )
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


def sections_of(found: Mapping[str, Any], split: str | None = None) -> list[Section]:
    """A section of the report for each check that was made.

    Args:
        found: the `metrics` of what `run_checks` gave.
        split: whose images they are, for headings and names of figures; None where there is one split.
    """
    of = "" if split is None else f", {split}"
    sections = []
    if "shortcut" in found:
        sections.append(Section(f"Scaled and re-encoded alike{of}", [], found["shortcut"]["says"]))
    if "robustness" in found:
        sections.append(_robustness(found["robustness"], of))
    if "explanations" in found:
        sections.append(_explanations(found["explanations"], of))
    return sections


def _robustness(found: Mapping[str, Any], of: str) -> Section:
    rows, blocks = [], []
    for name, level in found["levels"].items():
        mean = level["mean_corruption"]
        pooled = f" ({level['pooling']} of frames)" if "pooling" in level else ""
        rows.append(
            [f"{name} level{pooled}", *(unbroken(each) for each in (level["clean"], mean["auc"], mean["loss"]))]
        )
        pictures = [
            Picture.of(figure, f"{title}, {name} level{of}") for title, figure in robustness_figures(level).items()
        ]
        blocks.append(Gallery(pictures, wide=True))
    text = (
        f"On {found['images']:,} images ({found['real']:,} real, {found['fake']:,} fake), each as it is and corrupted: "
        "the mean is over strengths, then over corruptions."
    )
    header = ["AUC", "clean", "mean over corruptions", "lost"]
    return Section(f"Robustness{of}", [Grid(header, rows), *blocks], text)


def _explanations(found: Mapping[str, Any], of: str) -> Section:
    notes = " ".join(found["notes"])
    if not found["images"]:
        return Section(f"Whether the Grad-CAM maps can be believed{of}", [], notes)
    kinds = [kind for kind in _KINDS if found[kind] is not None]
    blocks: list[Block] = [
        Gallery([Picture.of(removal_figure(kind, found[kind]), f"{kind.capitalize()}{of}") for kind in kinds]),
        Grid(
            ["Area under the curve", *(title for title, *_ in MAPS.values())], [_areas(kind, found) for kind in kinds]
        ),
    ]
    if found["overlap"]:
        several = {_ALL_METHODS: found["overlap_all"]} if len(found["overlap"]) > 1 else {}
        parts = {**found["overlap"], **several}
        blocks.append(Gallery([Picture.of(overlap_figure(parts), f"Overlap with forged regions{of}")], wide=True))
        rows = [
            [canvas.printable(name, 60), f"{part['images']:,}", *(unbroken(part[measure]) for measure in MEASURES)]
            for name, part in parts.items()
        ]
        blocks.append(Grid(["Maps on forged regions", "Images", *MEASURES.values()], rows))
    text = (
        f"On {found['images']:,} images that were called fake, {found['zero_maps']:,} of their maps zero everywhere. "
        "A map that can be believed lowers the score sooner, where its pixels are removed, and raises it sooner, where "
        f"they are put in, than the same map moved elsewhere and than the mean of other images' maps. {notes}"
    )
    return Section(f"Whether the Grad-CAM maps can be believed{of}", blocks, text.strip())


def _areas(kind: str, found: Mapping[str, Any]) -> list[str]:
    return [kind.capitalize(), *(unbroken(found[kind][name]["area"]) if name in found[kind] else GAP for name in MAPS)]
