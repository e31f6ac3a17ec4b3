"""Sections of a report beside its numbers: what the threshold does, and how the parts of the data fare."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from scipy.special import expit

from fakedet.evaluation.breakdown import SHOWN, worst_method
from fakedet.evaluation.summary import cell
from fakedet.figures import canvas
from fakedet.figures.page import Block, Facts, Gallery, Grid, Picture, Section
from fakedet.figures.reliability import reliability_figure
from fakedet.metrics.scores import TITLES

_HEADINGS = {"dataset": "By data set", "method": "By method", "compression": "By compression"}


def decision_section(metrics: Mapping[str, Any], rows: Mapping[str, pd.DataFrame]) -> Section:
    """What turns scores into verdicts, what that does on each split, and how far the probabilities hold.

    Args:
        metrics: what `metrics.json` holds.
        rows: split -> scored rows with `logit`, `score`, `verdict` and `label`.
    """
    verdicts, pictures = [], []
    for split, table in rows.items():
        for label, name in ((0, "real"), (1, "fake")):
            part = table[table["label"] == label]
            if len(part):
                shares = (f"{(part['verdict'] == verdict).mean():.1%}" for verdict in ("real", "uncertain", "fake"))
                verdicts.append([f"{split}, {name} ({len(part):,})", *shares])
        if {0, 1} <= set(table["label"]):
            before = expit(table["logit"].to_numpy(dtype="float64"))
            diagrams = {"before calibration": before, "after": table["score"].to_numpy(dtype="float64")}
            figure = reliability_figure(table["label"], diagrams, f"Reliability, {split}")
            pictures.append(Picture(canvas.png(figure), f"Reliability diagrams, {split}"))
    text = (
        "Calibration and threshold are fitted on validation images alone and stored in the checkpoint. "
        "A probability holds where reals and fakes are equally frequent."
    )
    blocks: list[Block] = [
        Facts({"decision": str(metrics.get("decision", {}).get("words", "not recorded"))}),
        Grid(["Called", "real", "uncertain", "fake"], verdicts),
        Gallery(pictures),
    ]
    return Section("Verdicts and probabilities", blocks, text)


def sections_of_parts(metrics: Mapping[str, Any]) -> list[Section]:
    """A table for every split and column that has parts; the worst method is named."""
    sections = []
    for split, entry in metrics["splits"].items():
        for column, parts in entry.get("parts", {}).items():
            lines = [
                [
                    canvas.printable(name, 60),
                    *(cell(part["metrics"][metric]) for metric in SHOWN),
                    f"{part['real']:,}",
                    f"{part['fake']:,}",
                ]
                for name, part in parts.items()
            ]
            worst = worst_method(entry["parts"]) if column == "method" else None
            text = (
                "" if worst is None else f"Worst: {worst}. A method's fakes stand against all reals of its data sets."
            )
            header = [column.capitalize(), *(TITLES[metric] for metric in SHOWN), "Real", "Fake"]
            sections.append(Section(f"{_HEADINGS[column]}, {split}", [Grid(header, lines)], text))
    return sections
