"""Detectors on the same images, two at a time, from the predictions of their runs."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from fakedet.errors import UserError, did_you_mean
from fakedet.evaluation import predictions
from fakedet.evaluation.cells import NAN, Cell, Column, Detector
from fakedet.evaluation.differences import Differences, differences_of_pairs, matched
from fakedet.evaluation.levels import to_videos
from fakedet.evaluation.matrix import Matrix
from fakedet.evaluation.summary import scored
from fakedet.metrics.ranking import Ranking
from fakedet.metrics.scores import TITLES, measure

MOST = 10  # detectors of which all pairs are reported
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Pair:
    """Two detectors on one data set.

    Attributes:
        column: data set, split and variant.
        first: its cell.
        second: its cell.
        found: how they differ, first less second; None where they cannot be held against each other.
        reason: why they cannot, a clause; empty where they can.
    """

    column: Column
    first: Cell
    second: Cell
    found: Differences | None = None
    reason: str = ""

    @property
    def note(self) -> str:
        """How they prepare pictures differently, which is a part of what is compared; empty where they do not."""
        one, other = (_flat(cell.detector.preprocess) for cell in (self.first, self.second))
        fields = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
        texts = [f"{name} {_shown(one.get(name))} and {_shown(other.get(name))}" for name in fields]
        return f"other preprocessing: {'; '.join(texts)}" if texts else ""


def _flat(preprocess: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in preprocess.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": each for inner, each in value.items()}
        elif value is not None:
            found[name] = value
    return found


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)


def reference(matrix: Matrix, against: str) -> Detector:
    """The detector that a name, a checkpoint, the folder of its training or of an evaluation stands for.

    Raises:
        UserError: when there is none.
    """
    place = Path(against).resolve()
    for detector in matrix.detectors:
        runs = [cell.run.resolve() for cell in matrix.row(detector) if cell is not None]
        if against == detector.name or place in (Path(detector.key), *Path(detector.key).parents[:2], *runs):
            return detector
    names = [detector.name for detector in matrix.detectors]
    raise UserError(f"against={against}{did_you_mean(against, names)} is none of the detectors {', '.join(names)}.")


def examine(matrix: Matrix, against: Detector | None) -> tuple[Matrix, list[Pair], list[str]]:
    """Hold every number against the predictions it was made from, and the detectors against each other.

    Args:
        matrix: as the runs say.
        against: all others are held against this one; None takes all pairs of `MOST` detectors at most.

    Returns:
        The matrix, in which a number that its predictions do not give is a gap; the pairs, by column; and
        sentences on what was not compared.
    """
    cells = dict(matrix.cells)
    pairs: list[Pair] = []
    notes: list[str] = []
    for column in matrix.columns:
        tables: dict[str, pd.DataFrame] = {}
        here = [cells[detector.key, column] for detector in matrix.detectors if (detector.key, column) in cells]
        for cell in here:
            if math.isnan(cell.value) or not (cell.run / predictions.FILE).is_file():
                continue
            try:
                rows = predicted(cell, matrix.metric, matrix.level)
                tables[cell.detector.key] = rows
                cells[cell.detector.key, column] = replace(cell, groups=int(rows["group"].nunique()))
            except UserError as error:
                reason = str(error).removesuffix(".")
                cells[cell.detector.key, column] = replace(cell, value=NAN, low=NAN, high=NAN, reason=reason)
        known = [cell for cell in (cells[each.detector.key, column] for each in here) if not math.isnan(cell.value)]
        wanted = [two for two in combinations(known, 2) if against is None or against in _detectors(two)]
        if against is None and len(known) > MOST:
            notes.append(
                f"{matrix.title(column)}: {len(known)} detectors make {len(wanted)} pairs, which are not listed: name "
                "the one to hold the others against with against=….",
            )
        else:
            turned = [two if against is None or two[1].detector == against else (two[1], two[0]) for two in wanted]
            pairs += _compared(column, turned, tables)
    return replace(matrix, cells=cells), pairs, notes


def _detectors(two: tuple[Cell, Cell]) -> tuple[Detector, Detector]:
    return two[0].detector, two[1].detector


def predicted(cell: Cell, metric: str, level: str) -> pd.DataFrame:
    """The scored rows that a cell's number was made from.

    Raises:
        UserError: when they cannot be read, hold a score that is none, or do not give the number.
    """
    rows, _ = predictions.read(cell.run)
    rows = rows[rows["split"] == cell.split]
    if cell.part:
        rows = rows[rows["dataset"] == cell.dataset]
    if level == "video":
        rows = to_videos(rows, cell.pooling)
    rows = scored(rows).sort_values("path", ignore_index=True)  # resamples follow the order of the groups
    fake = int((rows["label"] == 1).sum())
    value = float(measure(Ranking(rows["label"], rows["score"]), threshold=cell.threshold)[metric])
    if (len(rows) - fake, fake) != (cell.real, cell.fake) or not abs(value - cell.value) <= _ROUNDING:
        found = f"{TITLES[metric]} {value:.3f} of {len(rows) - fake:,} real and {fake:,} fake"
        raise UserError(
            f"its {predictions.FILE} gives another number ({found}) than its metrics.json ({cell.value:.3f} of "
            f"{cell.real:,} and {cell.fake:,}): evaluate again."
        )
    return rows


def _compared(
    column: Column, wanted: Sequence[tuple[Cell, Cell]], tables: Mapping[str, pd.DataFrame]
) -> Iterator[Pair]:
    """Pairs in the given order; detectors that scored the same images are measured once."""
    alike: dict[int, list[str]] = defaultdict(list)
    used = {cell.detector.key: cell for two in wanted for cell in two}
    for key, rows in tables.items():
        if key in used and not used[key].leak:
            alike[_fingerprint(rows)].append(key)
    found: dict[tuple[str, str], Differences] = {}
    for keys in alike.values():
        pairs = [(one.detector.key, other.detector.key) for one, other in wanted]
        pairs = [two for two in pairs if set(two) <= set(keys)]
        if pairs:
            ordered = [tables[keys[0]], *(matched(tables[keys[0]], tables[key])[1] for key in keys[1:])]
            places = [(keys.index(one), keys.index(other)) for one, other in pairs]
            thresholds = [used[key].threshold for key in keys]
            found |= dict(zip(pairs, differences_of_pairs(ordered, places, thresholds=thresholds), strict=True))
    for one, other in wanted:
        two = found.get((one.detector.key, other.detector.key))
        yield Pair(column, one, other, two, "" if two else _why_not(one, other, tables))


def _fingerprint(rows: pd.DataFrame) -> int:
    """Equal for the same images with the same labels and groups, in any order."""
    plain = pd.DataFrame({name: rows[name].astype(str).to_numpy(object) for name in ("path", "label", "group")})
    return int(pd.util.hash_pandas_object(plain, index=False).sum())


def _why_not(one: Cell, other: Cell, tables: Mapping[str, pd.DataFrame]) -> str:
    for cell in (one, other):
        if cell.leak:
            return f"{cell.detector.name} was trained on some of these images"
        if cell.detector.key not in tables:
            return f"the run of {cell.detector.name} has no {predictions.FILE}"
    try:
        matched(tables[one.detector.key], tables[other.detector.key])
    except UserError as error:
        return str(error).removesuffix(".")
    raise AssertionError("the same images have the same fingerprint")
