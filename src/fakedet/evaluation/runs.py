"""Runs as their folders tell of them: what they measured, or why they did not."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fakedet.errors import UserError

TRAIN, EVALUATE = "train", "evaluate"
_OVERRIDES = Path(".hydra") / "overrides.yaml"


@dataclass(frozen=True)
class Run:
    """A training or an evaluation.

    Attributes:
        folder: the run's folder.
        entry: `TRAIN` or `EVALUATE`.
        overrides: what was said on its command line.
        metrics: what its `metrics.json` holds; None where it has none that can be read.
        reason: why there are no metrics, a clause; empty where there are.
    """

    folder: Path
    entry: str
    overrides: tuple[str, ...]
    metrics: Mapping[str, Any] | None
    reason: str = ""

    def chosen(self, group: str) -> tuple[str, ...]:
        """The overrides of one group, `data=folder` and `data.root=/images` for `data`."""
        return tuple(text for text in self.overrides if text.partition("=")[0].split(".")[0].lstrip("+~") == group)


def find_runs(folders: Iterable[Path]) -> list[Run]:
    """All trainings and evaluations at or below these folders, finished or not, by folder.

    Raises:
        UserError: when a folder is none, or there is no run at all.
    """
    places = list(folders)
    for place in places:
        if not place.is_dir():
            raise UserError(f"runs={place} is not a folder.")
    runs = [run for place in places for run in runs_below(place)]
    if not runs:
        raise UserError(f"There is no run below {', '.join(map(str, places))}.")
    return sorted({run.folder.resolve(): run for run in runs}.values(), key=lambda run: run.folder)


def runs_below(place: Path) -> list[Run]:
    """All trainings and evaluations at or below a folder, by folder; audits and the like are none."""
    found = {file.parent.parent for file in place.rglob(str(_OVERRIDES))}
    found |= {file.parent for file in place.rglob("metrics.json")}
    return [run for run in map(_read, sorted(found)) if run.entry in (TRAIN, EVALUATE)]


def _read(folder: Path) -> Run:
    recorded = folder / _OVERRIDES
    overrides = tuple(map(str, yaml.safe_load(recorded.read_text()) or [])) if recorded.is_file() else ()
    metrics, reason = _metrics(folder)
    entry = None if metrics is None else metrics.get("entry")
    return Run(folder, str(entry or _entry(folder, overrides)), overrides, metrics, reason)


def _metrics(folder: Path) -> tuple[Mapping[str, Any] | None, str]:
    file, failure = folder / "metrics.json", folder / "failure.txt"
    if not file.is_file():
        return None, f"failed: {failure.read_text().strip()}" if failure.is_file() else "not finished"
    try:
        metrics = json.loads(file.read_text())
    except ValueError:
        return None, "its metrics.json is damaged: run it again"
    if not isinstance(metrics, dict) or not isinstance(metrics.get("splits"), dict):
        return None, "its metrics.json was not written by this program: run it again"
    return metrics, ""


def _entry(folder: Path, overrides: tuple[str, ...]) -> str:
    """The command that a folder is of, where no metrics say so."""
    settings = folder / ".hydra" / "hydra.yaml"
    if settings.is_file():
        return str(yaml.safe_load(settings.read_text())["hydra"]["job"]["config_name"])
    return EVALUATE if any(text.startswith(("ckpt=", "predictions=")) for text in overrides) else TRAIN
