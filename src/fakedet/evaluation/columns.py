"""Which evaluations stand in one column of a table: those of the same images, scored and pooled the same way."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fakedet.evaluation.cells import NAN, Cell, Column, detector_of, failed, measured
from fakedet.evaluation.runs import EVALUATE, TRAIN, Run

_STALE = "was made before its checkpoint was written over: evaluate again"
_DIGITS = 6  # of a hash, where nothing else tells images apart


def read_cells(runs: Iterable[Run], metric: str, level: str) -> tuple[list[Cell], list[str]]:
    """The cells of all evaluations, one for each detector and column.

    Of two evaluations of the same the newer one counts. The test split of a detector's own training stands
    where no evaluation did the same.

    Args:
        runs: of any entry.
        metric: one of `TITLES`.
        level: `frame` or `video`.

    Returns:
        The cells, and sentences on runs that were left out.
    """
    evaluations = sorted((run for run in runs if run.entry == EVALUATE), key=_age)
    newest = {detector_of(run.metrics).key: _state(run.metrics) for run in evaluations if run.metrics is not None}
    found: list[Cell] = []
    for run in evaluations:
        cells = failed(run, evaluations) if run.metrics is None else measured(run, run.metrics, metric, level)
        for cell in cells:
            stale = run.metrics is not None and _state(run.metrics) != newest[cell.detector.key]
            found.append(replace(cell, value=NAN, low=NAN, high=NAN, reason=_STALE) if stale else cell)
    evaluated = len(found)
    for run in runs:
        if run.entry != TRAIN or run.metrics is None:
            continue
        if _state(run.metrics) == newest.get(detector_of(run.metrics).key):
            found += [cell for cell in measured(run, run.metrics, metric, level) if cell.split == "test"]
    found = in_columns(found)
    ended = {run.folder for run in evaluations if run.metrics is not None}
    chosen: dict[tuple[str, Column], Cell] = {}
    left_out = []
    for cell in found[:evaluated]:
        place = (cell.detector.key, cell.column)
        if place in chosen and cell.run in ended and chosen[place].run in ended:
            left_out.append(f"{chosen[place].run} is left out: {cell.run} is a newer run of the same.")
        if place not in chosen or cell.run in ended:
            chosen[place] = cell
    for cell in found[evaluated:]:
        chosen.setdefault((cell.detector.key, cell.column), cell)
    return list(chosen.values()), left_out


def in_columns(cells: Sequence[Cell]) -> list[Cell]:
    """The cells with `variant` set wherever a data set and split was evaluated in more than one way.

    Other images are another way where one detector was tested on both: what two detectors were tested on may differ
    by a picture that could not be used, and their pair then says so. A cell that does not say how it was evaluated,
    as one of a run that failed, stands where all are alike.
    """
    places: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        places[cell.dataset, cell.split].append(cell)
    named = {place: _named(found) for place, found in places.items()}
    return [replace(cell, variant=named[cell.dataset, cell.split].get(_way(cell), "")) for cell in cells]


def _way(cell: Cell) -> tuple[str, ...]:
    return cell.protocol, cell.images, cell.pooling, cell.no_face


def _named(cells: Sequence[Cell]) -> dict[tuple[str, ...], str]:
    """Way -> what to call it, by what differs alone; empty where nothing does."""
    tested: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for cell in cells:
        if cell.images:  # earlier versions did not record them, and nobody knows those of a part of a mix
            tested[cell.detector.key, cell.protocol, cell.pooling, cell.no_face].add(cell.images)
    parts = {"protocol": "{}", "pooling": "pooling={}", "no_face": "no_face={}"}
    if any(len(images) > 1 for images in tested.values()):
        parts["images"] = f"images {{:.{_DIGITS}}}"
    cells = [cell for cell in cells if cell.protocol or cell.no_face]  # the others did not end
    differing = {name: text for name, text in parts.items() if len({getattr(cell, name) for cell in cells}) > 1}
    return {
        _way(cell): ", ".join(
            text.format(getattr(cell, name)) for name, text in differing.items() if getattr(cell, name)
        )
        for cell in cells
    }


def _state(metrics: Mapping[str, Any]) -> tuple[Any, Any]:
    """Differs where a checkpoint was written over by another."""
    return metrics.get("detector"), metrics.get("step")


def _age(run: Run) -> tuple[float, str]:
    file = run.folder / "metrics.json"
    return (file.stat().st_mtime if file.is_file() else 0.0), str(run.folder)
