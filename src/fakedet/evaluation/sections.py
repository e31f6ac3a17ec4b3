"""Sections of a report: the numbers, what the threshold does, and how the parts of the data fare."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from scipy.special import expit

from fakedet.evaluation import summary
from fakedet.evaluation.breakdown import SHOWN, worst_method
from fakedet.evaluation.plots import picture_of_parts
from fakedet.evaluation.summary import percent, unbroken
from fakedet.figures import canvas
from fakedet.figures.page import Block, Facts, Gallery, Grid, Picture, Section
from fakedet.figures.reliability import reliability_figure
from fakedet.metrics.scores import PROBABILISTIC, REALS_WANTED, THRESHOLDED, TITLES

_PERSONS = ("Brier",)
_HEADINGS = {"dataset": "By data set", "method": "By method", "compression": "By compression"}


def numbers_section(metrics: Mapping[str, Any]) -> Section:
    """Every metric of every split and level with its interval, what they rest on, and how to read them."""
    entries = summary.levels(metrics)
    rows = [
        [title, *(unbroken(entry["metrics"][name]) for entry in entries.values())] for name, title in TITLES.items()
    ]
    rows += [[name.capitalize(), *cells] for name, cells in summary.counts(metrics).items()]
    return Section("Numbers", [Grid(["Metric", *entries], rows)], _how_to_read(metrics))


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
                shares = (percent((part["verdict"] == verdict).mean()) for verdict in ("real", "uncertain", "fake"))
                verdicts.append([f"{split}, {name} ({len(part):,})", *shares])
        judged = table[table["logit"].notna()]  # who abstains claims no probability
        if {0, 1} <= set(judged["label"]):
            before = expit(judged["logit"].to_numpy(dtype="float64"))
            diagrams = {"before calibration": before, "after": judged["score"].to_numpy(dtype="float64")}
            figure = reliability_figure(judged["label"], diagrams, f"Reliability, {split}")
            pictures.append(Picture.of(figure, f"Reliability {split}"))
    text = (
        "Calibration and threshold are fitted on validation images alone and stored in the checkpoint. "
        "A probability holds where reals and fakes are equally frequent."
    )
    blocks: list[Block] = [
        Facts({"decision": str(metrics.get("decision", {}).get("words", "not recorded"))}),
        Grid(["At the threshold", "Reals called fake", "Promised at most", "Kept", "Fakes found"], promises(metrics)),
        Grid(["Called", "real", "uncertain", "fake"], verdicts),
        Gallery(pictures, wide=True),
    ]
    return Section("Verdicts and probabilities", blocks, text)


def promises(metrics: Mapping[str, Any]) -> list[list[str]]:
    """A row for each split and level: reals called fake, how many were promised, whether that held, fakes found."""
    promised = metrics.get("decision", {}).get("false_positive_rate")
    return [
        [
            name,
            _share(entry["false_positive_rate"]),
            summary.GAP if promised is None else percent(promised),
            _kept(entry["false_positive_rate"], promised),
            _share(entry["metrics"]["recall"]),
        ]
        for name, entry in summary.levels(metrics).items()
    ]


def sections_of_parts(metrics: Mapping[str, Any]) -> list[Section]:
    """A plot and a table for every split and column that has parts; the worst method is named."""
    sections = []
    for split, entry in metrics["splits"].items():
        for column, parts in entry.get("parts", {}).items():
            lines = [
                [
                    canvas.printable(name, 60),
                    *(unbroken(part["metrics"][metric]) for metric in SHOWN),
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
            picture = picture_of_parts(column, split, entry)
            blocks: list[Block] = [] if picture is None else [Gallery([picture])]
            sections.append(Section(f"{_HEADINGS[column]}, {split}", [*blocks, Grid(header, lines)], text))
    return sections


def _how_to_read(metrics: Mapping[str, Any]) -> str:
    first = next(iter(metrics["splits"].values()))
    bootstrap = first["bootstrap"]
    ranked = [_small(title) for name, title in TITLES.items() if name not in (*THRESHOLDED, *PROBABILISTIC)]
    claimed = [_small(TITLES[name]) for name in PROBABILISTIC]
    videos = any("video" in entry for entry in metrics["splits"].values())
    pooled = (
        f" A video's score is the {metrics['pooling']} of its frames' scores."
        if videos and "pooling" in metrics
        else ""
    )
    return (
        f"In brackets: {100 * bootstrap['interval']:g} % interval from {bootstrap['resamples']:,} resamples that "
        f"draw whole groups (images of one photograph, clip or person stay together). {_listed(ranked)} need no "
        f"threshold; {_listed(claimed)} ask how far the probabilities hold. For the rest an image is called fake above "
        f"{first['threshold']:.3g}. A dash is a number that these images cannot give. No interval stands where all "
        f"resamples agree, at ECE, whose resamples are biased, and at {_wanted()}.{pooled}"
    )


def _small(title: str) -> str:
    """As within a sentence; what is spelt in capitals stays."""
    return title if title[1].isupper() or title.split()[0] in _PERSONS else title[0].lower() + title[1:]


def _wanted() -> str:
    each = [f"{TITLES[name]} below {10 * count:,} reals" for name, count in REALS_WANTED.items()]
    return _listed(each)


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _share(rate: Mapping[str, float | None]) -> str:
    value, low, high = rate["value"], rate["low"], rate["high"]
    if value is None:
        return summary.GAP
    return (
        percent(value)
        if low is None or high is None
        else f"{percent(value)} [{100 * low:.1f},\N{NO-BREAK SPACE}{100 * high:.1f}]"
    )


def _kept(rate: Mapping[str, float | None], promised: float | None) -> str:
    value, low, high = rate["value"], rate["low"], rate["high"]
    if promised is None:
        return "nothing promised"
    if value is None:
        return summary.GAP
    sure = low is not None and high is not None and not low <= promised < high
    return f"{'yes' if value <= promised else 'no'}{'' if sure else ', but perhaps by chance'}"
