"""What every tracker can do beside a Lightning logger's metrics and hyper-parameters."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from lightning.pytorch.loggers import Logger
from numpy.typing import ArrayLike

Summary = Mapping[str, float | str]


class Figure(Protocol):
    """The part of a matplotlib figure that tracking needs, so that matplotlib stays in `figures`."""

    def savefig(self, fname: Any, *, format: str | None = None) -> None:  # noqa: A002 (matplotlib's name)
        """Draws the figure into a file or buffer."""


class Tracker(Logger):
    """A Lightning logger that also takes curves, figures, tables, summaries and checkpoints.

    Keys are paths like `val/roc`. `step` is the optimiser step at which the thing was made. Every
    method does nothing on ranks above zero.
    """

    @abstractmethod
    def log_curve(
        self, key: str, x: ArrayLike, y: ArrayLike, *, x_name: str, y_name: str, title: str, step: int
    ) -> None:
        """Records y over x, two equally long sequences of finite numbers in the order they are joined.

        The same key in several runs is meant to be seen in one chart.
        """

    @abstractmethod
    def log_figure(self, key: str, figure: Figure, step: int) -> None:
        """Records a matplotlib figure as a picture."""

    @abstractmethod
    def log_table(self, key: str, table: pd.DataFrame, step: int) -> None:
        """Records a table; cells that are uint8 arrays of shape (H, W, 3) are shown as pictures."""

    @abstractmethod
    def log_summary(self, values: Summary) -> None:
        """Records one value a name for the whole run: what runs are compared by.

        A later value replaces an earlier one of the same name.
        """

    @abstractmethod
    def log_checkpoint(self, path: Path, metadata: Mapping[str, Any]) -> None:
        """Keeps a copy of a checkpoint where the tracker has a place for files beyond this machine."""

    @abstractmethod
    def close(self, *, failed: bool = False) -> None:
        """Ends the run; called once, after everything was logged.

        Lightning's `finalize` is no such end: it is called after each of fit, validate and test.
        """


def is_picture(cell: object) -> bool:
    """Whether a table's cell is an RGB picture: uint8 of shape (H, W, 3)."""
    return isinstance(cell, np.ndarray) and cell.dtype == np.uint8 and cell.ndim == 3 and cell.shape[2] == 3


def plain(cell: Any) -> Any:
    """A table's cell as Python's own type; what is missing (NaN, NA, NaT) becomes None."""
    if not pd.api.types.is_scalar(cell):
        return str(cell)
    if pd.isna(cell):
        return None
    return cell.item() if isinstance(cell, np.generic) else cell
