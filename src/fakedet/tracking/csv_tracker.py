"""Tracking in plain files: CSV, JSON and PNG."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.loggers.logger import rank_zero_experiment
from lightning.pytorch.utilities import rank_zero_only
from numpy.typing import ArrayLike
from PIL import Image

from fakedet.tracking.tracker import Figure, Summary, Tracker, is_picture, plain


class _Continued(ExperimentWriter):
    """Lightning's writer, except that a resumed run keeps its earlier rows."""

    def _check_log_dir_exists(self) -> None:
        file = Path(self.metrics_file_path)
        if file.is_file():
            with file.open(newline="") as rows:
                self.metrics_keys = next(csv.reader(rows), [])


class CsvTracker(CSVLogger, Tracker):
    """Lightning's CSV logger for metrics, and one file for each other thing.

    `metrics.csv`, `hparams.yaml` and `summary.json` lie in the folder itself; a curve, figure or table
    of key `val/roc` at step 40 is `val/roc/step_40.csv` or `.png`, and a table's pictures lie in a folder
    of that name, from where the table's cells name them.

    Args:
        folder: Where the files go; made when first needed.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__(folder, name="", version="")

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The writer of `metrics.csv`."""
        if self._experiment is None:
            Path(self.save_dir).mkdir(parents=True, exist_ok=True)
            self._experiment = _Continued(log_dir=self.save_dir)
        return self._experiment

    @property
    def log_dir(self) -> str:
        """The folder itself: a run has one."""
        return self.save_dir

    @rank_zero_only
    def log_curve(
        self,
        key: str,
        x: ArrayLike,
        y: ArrayLike,
        *,
        x_name: str,
        y_name: str,
        title: str,  # noqa: ARG002
        step: int,
    ) -> None:
        """Writes every point of the curve; a CSV has no place for a title."""
        pd.DataFrame({x_name: np.asarray(x), y_name: np.asarray(y)}).to_csv(self._file(key, step, "csv"), index=False)

    @rank_zero_only
    def log_figure(self, key: str, figure: Figure, step: int) -> None:
        """Writes the figure as PNG."""
        figure.savefig(self._file(key, step, "png"), format="png")

    @rank_zero_only
    def log_table(self, key: str, table: pd.DataFrame, step: int) -> None:
        """Writes the table as CSV and its pictures as PNG beside it."""
        file = self._file(key, step, "csv")
        written = table.astype(object)
        for column in table:
            cells = enumerate(table[column])
            written[column] = [self._cell(cell, file, f"{row}_{column}") for row, cell in cells]
        written.to_csv(file, index=False)

    @rank_zero_only
    def log_summary(self, values: Summary) -> None:
        """Adds the values to `summary.json`."""
        file = self._folder() / "summary.json"
        known = json.loads(file.read_text()) if file.is_file() else {}
        known.update({name: plain(value) for name, value in values.items()})
        file.write_text(json.dumps(known, indent=2))

    def log_checkpoint(self, path: Path, metadata: Mapping[str, Any]) -> None:
        """Does nothing: the checkpoint lies on this machine already."""

    def close(self, *, failed: bool = False) -> None:
        """Writes the rows that are still held."""
        self.finalize("failed" if failed else "success")

    def _folder(self) -> Path:
        folder = Path(self.save_dir)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _file(self, key: str, step: int, ending: str) -> Path:
        file = Path(self.save_dir, key, f"step_{step}.{ending}")
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    @staticmethod
    def _cell(cell: Any, table: Path, name: str) -> Any:
        """What stands in the CSV for a cell: a picture's path from the table's folder, else the value."""
        if not is_picture(cell):
            return plain(cell)
        picture = table.with_suffix("") / f"{name}.png"
        picture.parent.mkdir(exist_ok=True)
        Image.fromarray(cell).save(picture)
        return picture.relative_to(table.parent).as_posix()
