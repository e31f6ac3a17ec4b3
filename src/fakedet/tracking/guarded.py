"""Trackers that may fail without stopping or losing a training."""

import logging
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers.logger import DummyExperiment
from numpy.typing import ArrayLike

from fakedet.errors import UserError
from fakedet.tracking.tracker import Figure, Summary, Tracker

log = logging.getLogger(__name__)
T = TypeVar("T")


class Guarded(Tracker):
    """A tracker around another: the first failure is said once, then the inner one is left alone.

    This is the one place of the project where a broad `except` is right: hours of training are worth
    more than their log, and a tracker can fail in any way that a disk, a network or a server can. What
    is not an `Exception` (Ctrl-C, exit) passes.

    Args:
        tracker: What does the work.
        name: What the warning calls it.
    """

    def __init__(self, tracker: Tracker, name: str) -> None:
        super().__init__()
        self._tracker = tracker
        self._label = name
        self._off = False

    def _try(self, act: Callable[[], T], otherwise: T) -> T:
        if self._off:
            return otherwise
        try:
            return act()
        except Exception as error:
            self._off = True
            _say_off(self._label, error)
            # It may hold something open (a W&B run) that the next run of a sweep would go on with.
            with suppress(Exception):
                self._tracker.close(failed=True)
            return otherwise

    @property
    def name(self) -> str | None:
        """The inner tracker's name for the experiment."""
        return self._try(lambda: self._tracker.name, None)

    @property
    def version(self) -> int | str | None:
        """The inner tracker's name for the run."""
        return self._try(lambda: self._tracker.version, None)

    @property
    def root_dir(self) -> str | None:
        """The inner tracker's folder for all runs."""
        return self._try(lambda: self._tracker.root_dir, None)

    @property
    def save_dir(self) -> str | None:
        """The inner tracker's save folder."""
        return self._try(lambda: self._tracker.save_dir, None)

    @property
    def log_dir(self) -> str | None:
        """The inner tracker's folder for this run."""
        return self._try(lambda: self._tracker.log_dir, None)

    @property
    def group_separator(self) -> str:
        """What joins the parts of a key."""
        return self._tracker.group_separator

    @property
    def experiment(self) -> Any:
        """The inner tracker's own handle; when it is off, an object that takes any call and does nothing."""
        nothing: Any = DummyExperiment()
        return self._try(lambda: getattr(self._tracker, "experiment", nothing), nothing)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Passes metrics on."""
        self._try(lambda: self._tracker.log_metrics(dict(metrics), step), None)

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Passes hyper-parameters on."""
        self._try(lambda: self._tracker.log_hyperparams(params, *args, **kwargs), None)

    def log_graph(self, model: Any, input_array: Any = None) -> None:
        """Passes the model on."""
        self._try(lambda: self._tracker.log_graph(model, input_array), None)

    def log_curve(
        self, key: str, x: ArrayLike, y: ArrayLike, *, x_name: str, y_name: str, title: str, step: int
    ) -> None:
        """Passes a curve on."""
        names = {"x_name": x_name, "y_name": y_name, "title": title}
        self._try(lambda: self._tracker.log_curve(key, x, y, **names, step=step), None)

    def log_figure(self, key: str, figure: Figure, step: int) -> None:
        """Passes a figure on."""
        self._try(lambda: self._tracker.log_figure(key, figure, step), None)

    def log_table(self, key: str, table: pd.DataFrame, step: int) -> None:
        """Passes a table on."""
        self._try(lambda: self._tracker.log_table(key, table, step), None)

    def log_summary(self, values: Summary) -> None:
        """Passes a summary on."""
        self._try(lambda: self._tracker.log_summary(values), None)

    def log_checkpoint(self, path: Path, metadata: Mapping[str, Any]) -> None:
        """Passes a checkpoint on."""
        self._try(lambda: self._tracker.log_checkpoint(path, metadata), None)

    def after_save_checkpoint(self, checkpoint_callback: ModelCheckpoint) -> None:
        """Tells the inner tracker that Lightning saved a checkpoint."""
        self._try(lambda: self._tracker.after_save_checkpoint(checkpoint_callback), None)

    def save(self) -> None:
        """Has the inner tracker write what it holds."""
        self._try(self._tracker.save, None)

    def finalize(self, status: str) -> None:
        """Tells the inner tracker that fit, validate or test is over."""
        self._try(lambda: self._tracker.finalize(status), None)

    def close(self, *, failed: bool = False) -> None:
        """Ends the inner tracker's run; nothing is logged afterwards."""
        self._try(lambda: self._tracker.close(failed=failed), None)
        self._off = True


@contextmanager
def open_trackers(factories: Mapping[str, Callable[[], Tracker]]) -> Iterator[list[Guarded]]:
    """Makes trackers, each guarded, and closes them when the block is left, also by an exception.

    Args:
        factories: For each tracker its name and what makes it. One that cannot be made is left out
            with one warning.

    Raises:
        UserError: A factory raised it: the configuration is wrong, which is the caller's to mend.
    """
    trackers = []
    for name, make in factories.items():
        try:
            trackers.append(Guarded(make(), name))
        except UserError:
            raise
        except Exception as error:  # as in Guarded
            _say_off(name, error)
    failed = True
    try:
        yield trackers
        failed = False
    finally:
        for tracker in trackers:
            tracker.close(failed=failed)


def _say_off(name: str, error: Exception) -> None:
    reason = " ".join(str(error).split()) or "no reason given"
    log.warning("Tracking with %s is switched off for this run: %s: %s", name, type(error).__name__, reason)
