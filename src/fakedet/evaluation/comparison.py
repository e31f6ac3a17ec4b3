"""What a comparison leaves behind: the page, the heat map and the tables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from fakedet.data import manifest
from fakedet.evaluation import pair_tables
from fakedet.evaluation.columns import read_cells
from fakedet.evaluation.matrix import (
    Matrix,
    cell_text,
    heat_map,
    how_to_read,
    matrix_table,
    mean_text,
    trained_text,
)
from fakedet.evaluation.pairs import Pair, examine, reference
from fakedet.evaluation.runs import Run
from fakedet.figures import canvas
from fakedet.figures.page import Block, Gallery, Grid, Picture, Section, render
from fakedet.metrics.scores import TITLES

PAGE = "comparison.html"
_FRAMED = "Framed: tested on the data set that it was trained on. Hatched: no number."


@dataclass(frozen=True)
class Comparison:
    """Detectors on data sets, and two at a time.

    Attributes:
        matrix: every number that its predictions bear out.
        pairs: detectors that were scored on the same data set.
        notes: sentences on what was left out.
    """

    matrix: Matrix
    pairs: Sequence[Pair]
    notes: Sequence[str]

    @classmethod
    def of(cls, runs: Sequence[Run], metric: str, level: str, against: str | None) -> "Comparison":
        """Read the runs, and hold their detectors against each other.

        Raises:
            UserError: when `against` names no detector.
        """
        cells, left_out = read_cells(runs, metric, level)
        matrix = Matrix.of(cells, metric, level)
        chosen = None if against is None else reference(matrix, against)
        matrix, pairs, unlisted = examine(matrix, chosen)
        return cls(matrix, pairs, [*unlisted, *left_out])

    def show(self, console: Console) -> None:
        """Print the matrix, and the pairs where there are any."""
        console.print(matrix_table(self.matrix))
        if self.pairs:
            console.print(pair_tables.pairs_table(self.matrix, self.pairs))
        for note in self.notes:
            console.print(note, markup=False, highlight=False)

    def write(self, folder: Path) -> Path:
        """Write `comparison.html`, `matrix.png`, `matrix.parquet` and `differences.parquet`; returns the page."""
        folder.mkdir(parents=True, exist_ok=True)
        picture = Picture(canvas.png(heat_map(self.matrix)), "heat map of the table below", (_FRAMED,))
        (folder / "matrix.png").write_bytes(picture.data)
        manifest.write_table(self.matrix.frame(), folder / "matrix.parquet")
        manifest.write_table(pair_tables.frame(self.matrix, self.pairs), folder / "differences.parquet")
        page = folder / PAGE
        page.write_text(self._page(picture), "utf-8", errors="replace")
        return page

    def _page(self, picture: Picture) -> str:
        matrix = self.matrix
        title = f"{len(matrix.detectors)} detectors on {len(matrix.columns)} data sets"
        sections = [
            Section("Detectors on data sets", [Gallery([picture], wide=True), self._numbers()], how_to_read(matrix)),
            *self._differences(),
            Section("Detectors", [self._detectors()]),
            Section("Runs", [self._runs()]),
        ]
        notes = [*matrix.notes(), *self.notes]
        return render(title, verdict(matrix, self.pairs), notes, sections, alarms=matrix.leaks())

    def _numbers(self) -> Block:
        matrix = self.matrix
        header = ["Detector", "Trained on", *(matrix.title(column) for column in matrix.columns), "Cross mean"]
        rows = [
            [
                matrix.called(detector),
                trained_text(detector),
                *(cell_text(each).replace(", ", ",\N{NO-BREAK SPACE}") for each in matrix.row(detector)),
                mean_text(*matrix.cross_mean(detector)),
            ]
            for detector in matrix.detectors
        ]
        return Grid(header, rows, names_first=True)

    def _differences(self) -> list[Section]:
        rows = pair_tables.lines(self.matrix, self.pairs)
        if not rows:
            return []
        return [
            Section(
                "Paired differences",
                [Grid(pair_tables.HEADER, rows, names_first=True)],
                pair_tables.how_to_read(self.matrix),
            )
        ]

    def _detectors(self) -> Block:
        rows = [
            [
                self.matrix.called(detector),
                trained_text(detector),
                detector.protocol or "not recorded",
                _preprocessing(detector.preprocess),
                canvas.printable(detector.key),
            ]
            for detector in self.matrix.detectors
        ]
        return Grid(["Detector", "Trained on", "Protocol", "Preprocessing", "Checkpoint"], rows, names_first=True)

    def _runs(self) -> Block:
        rows = [
            [
                canvas.printable(str(each.run)),
                self.matrix.letter(detector),
                self.matrix.title(each.column),
                f"{each.real:,}",
                f"{each.fake:,}",
                "—" if each.groups is None else f"{each.groups:,}",
                "—" if math.isnan(each.coverage) else f"{each.coverage:.1%}",
            ]
            for detector in self.matrix.detectors
            for each in self.matrix.row(detector)
            if each is not None
        ]
        counted = "videos" if self.matrix.level == "video" else "images"
        header = ["Run", "Detector", "Tested on", f"Real {counted}", f"Fake {counted}", "Groups", "With a score"]
        return Grid(header, rows, names_first=True)


def _preprocessing(fields: object) -> str:
    if not isinstance(fields, dict) or not fields:
        return "not recorded"
    face = fields.get("face")
    cut = f"faces with margin {face['margin']:g} by {face['finder']}" if isinstance(face, dict) else "pictures as given"
    return f"{cut}, {fields.get('size', '?')} px"


def verdict(matrix: Matrix, pairs: Sequence[Pair]) -> str:
    """What a hurried reader takes away: at home and elsewhere, and how many differences are no chance."""
    title = TITLES[matrix.metric]
    known = [each for each in matrix.cells.values() if not math.isnan(each.value) and not each.leak]
    if not known:
        return f"No {title} can be given: what is missing is listed below."
    parts = []
    for own, where in ((True, "on what a detector was trained on"), (False, "on other data")):
        values = [each.value for each in known if each.own is own]
        if values:
            between = f"{min(values):.3f} to {max(values):.3f}" if len(values) > 1 else f"{values[0]:.3f}"
            parts.append(f"{between} {where}")
    sentences = [f"{title} at {matrix.level} level is {' and '.join(parts)}."]
    tested = [pair.found.metrics[matrix.metric] for pair in pairs if pair.found is not None]
    if tested:
        apart = sum(each.low > 0 or each.high < 0 for each in tested)
        sentences.append(
            f"In {apart} of {len(tested)} pair{'s' if len(tested) > 1 else ''} on the same images the 95 % interval of "
            "the difference leaves out 0, before any adjustment for their number."
        )
    elif len(matrix.detectors) > 1:
        sentences.append("No two detectors were compared on the same images, so none can be called the better one.")
    return " ".join(sentences)
