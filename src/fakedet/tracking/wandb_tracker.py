"""Tracking with Weights & Biases: without an account, without a prompt, without a network."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.loggers.logger import rank_zero_experiment
from lightning.pytorch.utilities import rank_zero_only
from numpy.typing import ArrayLike
from PIL import Image

from fakedet.tracking.curves import thin
from fakedet.tracking.tracker import Figure, Summary, Tracker, is_picture, plain

if TYPE_CHECKING:
    import wandb

log = logging.getLogger(__name__)

# Kept in the run folder, so that a resumed training goes on with its W&B run.
ID_FILE = "wandb_id.txt"
# Uploading a checkpoint over a slow line may take minutes; a dead line must not hold the program for ever.
FINISH_TIMEOUT = 600.0


class WandbTracker(WandbLogger, Tracker):
    """Lightning's W&B logger: online where a key is configured, else offline, and one line says which.

    The run starts when it is first used. `WANDB_MODE` and the other variables of W&B are respected.

    Args:
        project: Name of the W&B project.
        run_dir: The run folder, which keeps the run's id.
        save_dir: Folder in which W&B makes its folder `wandb`.
        name: What the dashboard calls the run.
        group: What the runs of one sweep share.
        tags: Words to filter runs by.
        entity: Account or team; null for the key's own.
        init_timeout: Seconds that the server has for an answer before the run goes on offline.
    """

    def __init__(
        self,
        project: str,
        run_dir: str | Path,
        save_dir: str | Path = "logs",
        name: str | None = None,
        group: str | None = None,
        tags: Sequence[str] = (),
        entity: str | None = None,
        init_timeout: float = 15.0,
    ) -> None:
        super().__init__(name=name, project=project, save_dir=save_dir, group=group, tags=list(tags), entity=entity)
        self._run_dir = Path(run_dir)
        self._init_timeout = init_timeout

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The W&B run, started when first asked for."""
        if self._experiment is None:
            self._start()
        return self._experiment

    def _start(self) -> None:
        # W&B's own chatter would be many lines, and its error reports go to its server even offline.
        os.environ.setdefault("WANDB_SILENT", "true")
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        # Where pictures of tables wait for their upload; W&B's default is the home folder.
        os.environ.setdefault("WANDB_DATA_DIR", str(Path(self._wandb_init["dir"], "wandb").resolve()))
        import wandb

        Path(self._wandb_init["dir"]).mkdir(parents=True, exist_ok=True)
        self._id = self._wandb_init["id"] = self._stored_id()
        self._wandb_init["settings"] = wandb.Settings(
            console="off", init_timeout=self._init_timeout, finish_timeout=FINISH_TIMEOUT
        )
        mode, reason = _mode()
        try:
            run = self._begin(mode)
        except wandb.Error as error:
            if mode == "offline":
                raise
            wandb.teardown(exit_code=1)  # else the service holds on to the run's id
            reason = f"the server could not be used ({str(error).splitlines()[0]})"
            run = self._begin("offline")
        if run.offline:
            folder = Path(run.dir).parent
            log.info("W&B is offline: %s. To upload: `wandb login`, then `wandb sync %s`.", reason, folder)
        else:
            log.info("W&B is %s.", f"online: {run.url}" if run.url else "disabled by WANDB_MODE")

    def _begin(self, mode: str) -> wandb.Run:
        import wandb

        self._wandb_init["mode"] = mode
        # Not through Lightning, which would go on with a run that something else left open.
        run = wandb.init(**self._wandb_init, reinit="create_new")
        run.define_metric("trainer/global_step")
        run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        run.define_metric("epoch")
        for split in ("val", "test"):
            run.define_metric(f"{split}/*", step_metric="epoch", step_sync=True)
        self._experiment = run
        return run

    def _stored_id(self) -> str:
        file = self._run_dir / ID_FILE
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(secrets.token_hex(4))
        return file.read_text().strip()

    @rank_zero_only
    def log_curve(
        self, key: str, x: ArrayLike, y: ArrayLike, *, x_name: str, y_name: str, title: str, step: int
    ) -> None:
        """Logs a line chart of at most 500 points; runs with the same key share one chart."""
        import wandb

        points = np.stack(thin(x, y), axis=1)
        table = wandb.Table(columns=[x_name, y_name], data=points)
        self._log(key, wandb.plot.line(table, x_name, y_name, title=title), step)

    @rank_zero_only
    def log_figure(self, key: str, figure: Figure, step: int) -> None:
        """Logs the figure as a picture."""
        import wandb

        drawn = BytesIO()
        figure.savefig(drawn, format="png")
        self._log(key, wandb.Image(Image.open(drawn)), step)

    @rank_zero_only
    def log_table(self, key: str, table: pd.DataFrame, step: int) -> None:  # type: ignore[override]
        """Logs a W&B table, which the dashboard sorts and filters by any column."""
        import wandb

        def shown(cell: Any) -> Any:
            return wandb.Image(Image.fromarray(cell)) if is_picture(cell) else plain(cell)

        rows: list[Iterable[Any]] = [[shown(cell) for cell in row] for row in table.itertuples(index=False, name=None)]
        self._log(key, wandb.Table(columns=[str(name) for name in table], data=rows), step)

    @rank_zero_only
    def log_summary(self, values: Summary) -> None:
        """Writes the values into the run's summary."""
        self.experiment.summary.update({name: plain(value) for name, value in values.items()})

    @rank_zero_only
    def log_checkpoint(self, path: Path, metadata: Mapping[str, Any]) -> None:
        """Uploads the checkpoint as an artifact; offline it stays where it is."""
        import wandb

        if self.experiment.offline or self.experiment.disabled:
            return
        artifact = wandb.Artifact(f"model-{self.experiment.id}", type="model", metadata=dict(metadata))
        artifact.add_file(str(path))
        self.experiment.log_artifact(artifact, aliases=["best"])

    @rank_zero_only
    def close(self, *, failed: bool = False) -> None:
        """Finishes the W&B run, so that the next one of a sweep is its own."""
        run, self._experiment = self._experiment, None
        if run is None:
            return
        import wandb

        try:
            run.finish(exit_code=int(failed))
        finally:
            # The run's file is whole only when W&B's service has stopped; the next run starts a fresh one.
            wandb.teardown(exit_code=int(failed))

    def _log(self, key: str, value: Any, step: int) -> None:
        self.log_metrics({key: value}, step)


def _mode() -> tuple[str, str]:
    """W&B's mode for this run and, where it is offline, why."""
    import wandb

    asked = wandb.setup().settings.mode
    if asked in ("offline", "dryrun"):
        return "offline", "WANDB_MODE or `wandb offline` asks for it"
    if asked not in ("online", "run"):
        return asked, ""
    try:
        if wandb.login(prompt=False, verify=False):
            return "online", ""
    except wandb.errors.AuthenticationError as error:
        return "offline", str(error).rstrip(".")
    return "offline", "no API key is configured"
