"""Detectors on data sets: what each reaches where, on what it was trained on and elsewhere."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_uppercase

import numpy as np
import pandas as pd
from rich.table import Table
from rich.text import Text

from fakedet.evaluation.cells import NAN, Cell, Column, Detector
from fakedet.evaluation.summary import GAP, cell
from fakedet.figures import canvas
from fakedet.figures.matrix import matrix_figure
from fakedet.metrics.scores import LOWER_IS_BETTER, TITLES

OWN, LEAKED = "\N{NO-BREAK SPACE}*", "\N{NO-BREAK SPACE}†"
WHOLE = ("test", "all")  # splits that tell how a detector does on a data set, the first one before the second
# What a detector that only guesses gets of equally many real and fake images; of the others 0.
_GUESS = {
    "auc": 0.5, "partial_auc": 0.5, "accuracy": 0.5, "balanced_accuracy": 0.5,
    "eer": 0.5, "brier": 0.25, "log_loss": math.log(2), "ece": 0.25,
}  # fmt: skip


@dataclass(frozen=True)
class Matrix:
    """Cells in order.

    Attributes:
        metric: one of `TITLES`.
        level: `frame` or `video`.
        detectors: the rows, those of one training set together; their names differ.
        columns: data set, split and variant; what was trained on comes first, in the order of the rows.
        cells: at most one for each detector's key and column.
    """

    metric: str
    level: str
    detectors: Sequence[Detector]
    columns: Sequence[Column]
    cells: dict[tuple[str, Column], Cell]

    @classmethod
    def of(cls, cells: Sequence[Cell], metric: str, level: str) -> "Matrix":
        """Put cells in order."""
        detectors = sorted(
            _told_apart({cell.detector.key: cell.detector for cell in cells}.values()),
            key=lambda each: (each.trained_on is None, each.trained_on or (), each.name),
        )
        first = [name for detector in detectors for name in detector.trained_on or ()]
        rank = {name: place for place, name in reversed(list(enumerate(first)))}
        columns = sorted({cell.column for cell in cells}, key=lambda column: (rank.get(column[0], len(rank)), *column))
        names = {detector.key: detector for detector in detectors}
        placed = {(each.detector.key, each.column): replace(each, detector=names[each.detector.key]) for each in cells}
        return cls(metric, level, detectors, columns, placed)

    def called(self, detector: Detector) -> str:
        """A detector with the letter that it goes by where its name is too long."""
        return f"{self.letter(detector)}  {detector.name}"

    def letter(self, detector: Detector) -> str:
        """A to Z by row, then A2 and so on."""
        place = [each.key for each in self.detectors].index(detector.key)
        turn = place // len(ascii_uppercase)
        return ascii_uppercase[place % len(ascii_uppercase)] + (str(turn + 1) if turn else "")

    def title(self, column: Column) -> str:
        """The data set, and its split and variant where that has to be said."""
        name, split, variant = column
        alone = len({other for same, other, _ in self.columns if same == name}) == 1
        told = "" if alone and split in WHOLE else split
        return ", ".join(part for part in (name, told, variant) if part)

    def row(self, detector: Detector) -> list[Cell | None]:
        """A detector's cells; None where nobody evaluated it."""
        return [self.cells.get((detector.key, column)) for column in self.columns]

    def cross_mean(self, detector: Detector) -> tuple[float, int]:
        """Mean over the data sets that it was not trained on, each once, and their number; NaN where there are none.

        Splits for training and validation, and images that it was trained on, are left out. A data set that was
        evaluated in several ways counts with their mean.
        """
        found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for each in self.row(detector):
            if each is not None and each.own is False and not each.leak and not math.isnan(each.value):
                found[each.dataset][each.split].append(each.value)
        chosen = [next((splits[split] for split in WHOLE if split in splits), None) for splits in found.values()]
        means = [float(np.mean(values)) for values in chosen if values]
        return (float(np.mean(means)) if means else NAN), len(means)

    def gaps(self) -> list[Cell]:
        """Cells without a number, by detector."""
        return [
            each
            for detector in self.detectors
            for each in self.row(detector)
            if each is not None and math.isnan(each.value)
        ]

    def frame(self) -> pd.DataFrame:
        """One row a cell, by detector: what `matrix.parquet` holds."""
        rows = [
            {
                "detector": detector.name,
                "checkpoint": detector.key,
                "trained_on": None if detector.trained_on is None else ", ".join(detector.trained_on),
                "dataset": each.dataset,
                "split": each.split,
                "variant": each.variant,
                "level": self.level,
                "metric": self.metric,
                "value": each.value,
                "low": each.low,
                "high": each.high,
                "real": each.real,
                "fake": each.fake,
                "groups": each.groups,
                "own": each.own,
                "leak": each.leak,
                "coverage": each.coverage,
                "run": str(each.run),
                "reason": each.reason,
            }
            for detector in self.detectors
            for each in self.row(detector)
            if each is not None
        ]
        return pd.DataFrame(rows).astype({"groups": "Int64", "own": "boolean", "trained_on": "string"})

    def notes(self) -> list[str]:
        """Why numbers are missing, a sentence each."""
        return [
            f"{each.detector.name} on {self.title(each.column)}: {each.reason.removesuffix('.')}."
            for each in self.gaps()
        ]

    def leaks(self) -> list[str]:
        """Which numbers say nothing, a sentence each."""
        return [
            f"LEAK, {each.detector.name} on {self.title(each.column)}: {each.leak.removesuffix('.')}; this number says "
            "nothing of new images, and counts in no mean."
            for each in self.cells.values()
            if each.leak
        ]


def cell_text(each: Cell | None) -> str:
    """Value [low, high] with its mark, or a dash; a failed run says so."""
    if each is None:
        return GAP
    if math.isnan(each.value):
        return f"{GAP} failed" if each.reason.startswith("failed") else GAP
    bounds = {
        name: None if math.isnan(value) else value
        for name, value in {"value": each.value, "low": each.low, "high": each.high}.items()
    }
    value, _, interval = cell(bounds).partition(" ")
    return f"{value}{mark(each)} {interval}".rstrip()


def mark(each: Cell | None) -> str:
    """What stands behind a value."""
    return "" if each is None else LEAKED if each.leak else OWN if each.own else ""


def mean_text(mean: float, number: int) -> str:
    """A cross mean and over how many data sets."""
    return GAP if not number else f"{mean:.3f} ({number})"


def trained_text(detector: Detector) -> str:
    """What a detector was trained on."""
    return "not recorded" if detector.trained_on is None else ", ".join(detector.trained_on)


def how_to_read(matrix: Matrix) -> str:
    """The marks, in words."""
    title = TITLES[matrix.metric]
    better = ", the lower the better" if matrix.metric in LOWER_IS_BETTER else ""
    return (
        f"{title} at {matrix.level} level{better}; in brackets its 95 % interval, where one is known. * is tested on "
        "the data set that it was trained on, † on the very images. Cross mean: over the other data sets, with their "
        "number; means over different data sets do not compare, and overlapping intervals tell nothing of a "
        "difference: the paired differences do."
    )


def matrix_table(matrix: Matrix) -> Table:
    """The matrix for the terminal."""
    caption = "\n".join([*matrix.leaks(), how_to_read(matrix), *matrix.notes()])
    title = f"{len(matrix.detectors)} detectors on {len(matrix.columns)} data sets"
    table = Table(title=title, title_justify="left", caption=Text(caption), caption_justify="left", show_lines=True)
    table.add_column("detector", overflow="fold")
    table.add_column("trained on", overflow="fold")
    for column in matrix.columns:
        table.add_column(Text(matrix.title(column)), overflow="fold", justify="right")
    table.add_column("cross mean", justify="right")
    for detector in matrix.detectors:
        cells = [
            Text(cell_text(each).replace(" [", "\n["), "bold" if each is not None and each.own else "")
            for each in matrix.row(detector)
        ]
        cross = mean_text(*matrix.cross_mean(detector))
        table.add_row(Text(matrix.called(detector)), Text(trained_text(detector)), *cells, cross)
    return table


def heat_map(matrix: Matrix) -> canvas.Figure:
    """The matrix as a figure, from a guess (white) to perfection."""
    grid = [matrix.row(detector) for detector in matrix.detectors]
    numbers = {
        name: np.array([[NAN if each is None else getattr(each, name) for each in row] for row in grid])
        for name in ("value", "low", "high")
    }
    found = numbers["value"][~np.isnan(numbers["value"])]
    guess, best = _GUESS.get(matrix.metric, 0.0), 0.0 if matrix.metric in LOWER_IS_BETTER else 1.0
    worst = max(guess, *found, guess) if matrix.metric in LOWER_IS_BETTER else min(guess, *found, guess)
    return matrix_figure(
        numbers["value"],
        numbers["low"],
        numbers["high"],
        rows=[f"{matrix.called(detector)}\ntrained on {trained_text(detector)}" for detector in matrix.detectors],
        columns=[matrix.title(column) for column in matrix.columns],
        own=[[each is not None and bool(each.own) for each in row] for row in grid],
        marks=[[_drawn_mark(each) for each in row] for row in grid],
        title=f"{TITLES[matrix.metric]}, {matrix.level} level",
        scale=(worst, best),
    )


def _drawn_mark(each: Cell | None) -> str:
    if each is None:
        return ""
    if math.isnan(each.value):
        return "failed" if each.reason.startswith("failed") else ""
    return LEAKED if each.leak else ""


def _told_apart(detectors: Iterable[Detector]) -> list[Detector]:
    """Detectors whose names differ: by as much of the checkpoint's path as it takes."""
    found = list(detectors)
    names = {each.key: each.name for each in found}
    longest = max((len(Path(each.key).parts) for each in found), default=0)
    depth = 0
    while len(set(names.values())) < len(found) and depth < longest:
        depth += 1
        count = Counter(names.values())
        for each in found:
            if count[names[each.key]] > 1:
                parts = Path(each.key.removesuffix("/checkpoints/best.ckpt")).parts
                names[each.key] = f"{each.name} ({'/'.join(parts[-depth:])})"
    count = Counter(names.values())  # a run and its checkpoint are called alike to the end
    for each in found:
        if count[names[each.key]] > 1:
            names[each.key] = f"{each.name} ({each.key})"
    return [replace(each, name=names[each.key]) for each in found]
