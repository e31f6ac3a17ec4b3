"""Tracking with TensorBoard."""

import json
from argparse import Namespace
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from numpy.typing import ArrayLike
from PIL import Image

from fakedet.tracking.curves import thin
from fakedet.tracking.tracker import Figure, Summary, Tracker, is_picture, plain


class TensorBoardTracker(TensorBoardLogger, Tracker):
    """Lightning's TensorBoard logger; `tensorboard --logdir <save_dir>` shows all runs together.

    A run's folder below `save_dir` is named by the path of its run folder, so that no two runs share one
    and a resumed run goes on in its own.

    Args:
        save_dir: Folder of all runs.
        run_dir: The run folder.
    """

    def __init__(self, save_dir: str | Path, run_dir: str | Path) -> None:
        run, here = Path(run_dir).resolve(), Path.cwd()
        below = run.relative_to(here if run.is_relative_to(here) else run.anchor)
        super().__init__(Path(save_dir, below), name="", version="", default_hp_metric=False)

    @rank_zero_only
    def log_hyperparams(
        self,
        params: dict[str, Any] | Namespace,
        metrics: dict[str, Any] | None = None,
        step: int | None = None,
    ) -> None:
        """Keeps the parameters for the HPARAMS page and shows them whole on the TEXT page."""
        super().log_hyperparams(params, metrics, step)
        if metrics is None:
            self.experiment.add_text("config", f"```\n{json.dumps(self.hparams, indent=2, default=str)}\n```")

    @rank_zero_only
    def log_curve(
        self,
        key: str,
        x: ArrayLike,
        y: ArrayLike,
        *,
        x_name: str,  # noqa: ARG002
        y_name: str,  # noqa: ARG002
        title: str,  # noqa: ARG002
        step: int,
    ) -> None:
        """Records the curve as scalars whose horizontal axis is x in thousandths.

        TensorBoard has no chart of y over x that overlays runs; its scalar chart does, over whole numbers.
        """
        points = list(zip(*thin(x, y), strict=True))
        if points and points[0][0] > points[-1][0]:
            points.reverse()  # steps are expected to rise
        for place, value in points:
            self.experiment.add_scalar(f"{key}/step_{step}", value, round(1000 * place))

    @rank_zero_only
    def log_figure(self, key: str, figure: Figure, step: int) -> None:
        """Shows the figure on the IMAGES page."""
        drawn = BytesIO()
        figure.savefig(drawn, format="png")
        self._show(key, np.asarray(Image.open(drawn).convert("RGB")), step)

    @rank_zero_only
    def log_table(self, key: str, table: pd.DataFrame, step: int) -> None:
        """Shows the values on the TEXT page and the pictures, named by row and column, on the IMAGES page."""
        lines: list[list[Any]] = [list(table.columns), ["---"] * len(table.columns)]
        for row, cells in enumerate(table.itertuples(index=False, name=None)):
            shown = []
            for column, cell in zip(table.columns, cells, strict=True):
                tag = f"{row:03d}_{column}"
                if is_picture(cell):
                    self._show(f"{key}/{tag}", cell, step)
                shown.append(tag if is_picture(cell) else plain(cell))
            lines.append(shown)
        text = "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
        self.experiment.add_text(key, text, step)

    @rank_zero_only
    def log_summary(self, values: Summary) -> None:
        """Puts numbers beside the parameters on the HPARAMS page, and words on the TEXT page."""
        known = {name: plain(value) for name, value in values.items()}
        numbers = {name: value for name, value in known.items() if isinstance(value, int | float)}
        super().log_hyperparams(self.hparams, numbers)
        for name in known.keys() - numbers.keys():
            self.experiment.add_text(name, str(known[name]))

    def log_checkpoint(self, path: Path, metadata: Mapping[str, Any]) -> None:
        """Does nothing: TensorBoard keeps no files."""

    def close(self, *, failed: bool = False) -> None:
        """Writes what is still held and closes the event file."""
        self.finalize("failed" if failed else "success")

    def _show(self, tag: str, picture: np.ndarray, step: int) -> None:
        self.experiment.add_image(tag, picture, step, dataformats="HWC")
