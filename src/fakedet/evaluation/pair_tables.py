"""Pairs of detectors as tables: for the terminal, the page and `differences.parquet`."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table
from rich.text import Text

from fakedet.evaluation.differences import holm
from fakedet.evaluation.matrix import Matrix
from fakedet.evaluation.pairs import Pair
from fakedet.evaluation.summary import GAP
from fakedet.metrics.scores import TITLES

HEADER = ("Tested on", "Pair", "Difference", "p", "p, Holm", "p, DeLong", "Note")
# Column of `differences.parquet` -> type.
_COLUMNS = {
    "dataset": "string", "split": "string", "variant": "string", "level": "string",
    "first": "string", "second": "string",
    "first_run": "string", "second_run": "string", "metric": "string",
    "first_value": "float64", "second_value": "float64", "difference": "float64", "low": "float64", "high": "float64",
    "p_value": "float64", "p_holm": "float64", "delong_error": "float64", "delong_p": "float64",
    "images": "Int64", "groups": "Int64", "resamples": "Int64", "dropped": "Int64",
    "preprocessing": "string", "reason": "string",
}  # fmt: skip


def frame(matrix: Matrix, pairs: Sequence[Pair]) -> pd.DataFrame:
    """One row for each pair and metric: what `differences.parquet` holds; a pair without one has a reason.

    `difference` is the first less the second, and `p_holm` is adjusted for the pairs of a data set and metric.
    """
    rows = [row for pair in pairs for row in _rows(matrix, pair)]
    table = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)
    tests = table.groupby(["dataset", "split", "variant", "metric"])["p_value"]
    return table.assign(p_holm=tests.transform(lambda values: holm(values.to_numpy())))


def _rows(matrix: Matrix, pair: Pair) -> Iterator[dict[str, Any]]:
    row: dict[str, Any] = {
        "dataset": pair.column[0],
        "split": pair.column[1],
        "variant": pair.column[2],
        "level": matrix.level,
        "first": pair.first.detector.name,
        "second": pair.second.detector.name,
        "first_run": str(pair.first.run),
        "second_run": str(pair.second.run),
        "metric": matrix.metric,
        "preprocessing": pair.note,
        "reason": pair.reason,
    }
    found = pair.found
    if found is None:
        yield row
        return
    row |= {name: getattr(found, name) for name in ("images", "groups", "resamples", "dropped")}
    for name, each in found.metrics.items():
        tested = {"delong_error": found.delong.error, "delong_p": found.delong.p_value} if name == "auc" else {}
        values = {"first_value": found.first[name], "second_value": found.second[name], "difference": each.value}
        interval = {"low": each.low, "high": each.high, "p_value": each.p_value}
        yield {**row, "metric": name, **values, **interval, **tested}


def lines(matrix: Matrix, pairs: Sequence[Pair]) -> list[list[str]]:
    """A row of text for each pair, under `HEADER`, of the matrix's metric."""
    table = frame(matrix, pairs)
    letters = {detector.name: matrix.letter(detector) for detector in matrix.detectors}
    rows: list[dict[str, Any]] = table[table["metric"] == matrix.metric].to_dict("records")  # type: ignore[assignment]
    return [
        [
            matrix.title((row["dataset"], row["split"], row["variant"])),
            f"{letters[row['first']]} − {letters[row['second']]}".replace(" ", "\N{NO-BREAK SPACE}"),
            _signed(row["difference"], row["low"], row["high"]),
            *(_p(row[name]) for name in ("p_value", "p_holm", "delong_p")),
            "; ".join(text for text in (row["reason"], row["preprocessing"]) if text),
        ]
        for row in rows
    ]


def _signed(value: float, low: float, high: float) -> str:
    if math.isnan(value):
        return GAP
    return f"{value:+.3f}" + ("" if math.isnan(low) else f" [{low:+.3f},\N{NO-BREAK SPACE}{high:+.3f}]")


def _p(value: float) -> str:
    return GAP if np.isnan(value) else "<\N{NO-BREAK SPACE}0.001" if value < 0.001 else f"{value:.3f}"


def how_to_read(matrix: Matrix) -> str:
    """What the columns of `HEADER` mean."""
    return (
        f"{TITLES[matrix.metric]} of the first less the second on the same images, with the 95 % interval and p value "
        "of a bootstrap that draws whole groups for both at once. Holm: adjusted for the number of pairs on that data "
        "set, not for there being other metrics and data sets. DeLong: of the AUC, by groups. A detector is taken "
        "with its own preprocessing and threshold."
    )


def pairs_table(matrix: Matrix, pairs: Sequence[Pair]) -> Table:
    """The pairs for the terminal."""
    table = Table(
        title="Paired differences", title_justify="left", caption=Text(how_to_read(matrix)), caption_justify="left"
    )
    for name in HEADER:
        table.add_column(name[0].lower() + name[1:], overflow="fold")
    for line in lines(matrix, pairs):
        table.add_row(*map(Text, line))
    return table
