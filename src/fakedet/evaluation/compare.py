"""The story of a comparison: runs side by side, from what their folders hold."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fakedet.config import CompareConfig, check_keys
from fakedet.errors import UserError, did_you_mean
from fakedet.evaluation.comparison import Comparison
from fakedet.evaluation.runs import EVALUATE, TRAIN, Run, find_runs, runs_below
from fakedet.evaluation.summary import GAP, cell
from fakedet.metrics.scores import TITLES

LEVELS = ("frame", "video")


def compare(config: CompareConfig) -> None:
    """Print the trainings, best validation AUC first; and of evaluations the matrix, which is written too.

    Raises:
        UserError: when there is no run, or a setting fits none.
    """
    check_keys(config)
    for name, value, known in (("metric", config.metric, tuple(TITLES)), ("level", config.level, LEVELS)):
        if value not in known:
            raise UserError(f"{name}={value}{did_you_mean(value, known)} is none of {', '.join(known)}.")
    runs = find_runs(map(Path, config.runs))
    if not any(run.entry == EVALUATE for run in runs) and (config.metric, config.level, config.against) != (
        "auc", "frame", None
    ):  # fmt: skip
        raise UserError(
            f"metric, level and against are of evaluations, and below {', '.join(config.runs)} there are trainings "
            "alone: evaluate them first, with evaluate.py -m ckpt=…,…."
        )
    _show(runs, Path(config.run.dir), config.metric, config.level, config.against)


def show_sweep(folder: Path) -> None:
    """Print what the runs of a sweep reached, and write the matrix of its evaluations into its folder."""
    _show(runs_below(folder), folder)


def _show(
    runs: Sequence[Run], folder: Path, metric: str = "auc", level: str = "frame", against: str | None = None
) -> None:
    console = Console()
    trainings = [run for run in runs if run.entry == TRAIN]
    if trainings:
        console.print(_training_table(trainings))
    if len(trainings) < len(runs):
        comparison = Comparison.of(runs, metric, level, against)
        comparison.show(console)
        console.print(f"Comparison: {comparison.write(folder)}", soft_wrap=True, highlight=False, markup=False)


def _training_table(runs: Sequence[Run]) -> Table:
    """By validation AUC, for choosing by a test score would make the test a part of training; failures come last."""
    table = Table(title=f"{len(runs)} runs, best validation AUC first", title_justify="left")
    for name in ("run", "changed", "validation AUC", "test AUC"):
        table.add_column(name, overflow="fold")
    for run in sorted(runs, key=lambda run: (-_order(run), str(run.folder))):
        scores = [run.reason, ""] if run.metrics is None else [_auc(run, split) for split in ("val", "test")]
        table.add_row(*map(Text, (str(run.folder), " ".join(run.overrides), *scores)))
    return table


def _order(run: Run) -> float:
    if run.metrics is None:
        return -1.0
    value = _entry(run, "val").get("value")
    return 0.0 if value is None else float(value)


def _entry(run: Run, split: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (run.metrics or {})["splits"].get(split, {}).get("metrics", {}).get("auc", {})
    return found


def _auc(run: Run, split: str) -> str:
    entry = _entry(run, split)
    return cell(entry) if entry else GAP
