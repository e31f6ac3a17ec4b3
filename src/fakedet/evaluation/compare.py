"""Several runs side by side, from what their folders hold."""

import json
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from fakedet.config import CompareConfig, check_keys
from fakedet.errors import UserError


def compare(config: CompareConfig) -> None:
    """Print a table of all runs below the given folders, best validation AUC first."""
    check_keys(config)
    folders = [Path(folder) for folder in config.runs]
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"runs={folder} is not a folder.")
    print_runs(folders)


def print_runs(folders: list[Path]) -> None:
    """Print the runs below these folders; those that failed or did not end come last, with the reason.

    They are ordered by validation AUC: choosing by a test score would make the test a part of training.

    Raises:
        UserError: when there is no run at all.
    """
    runs = sorted({file.parent.parent for folder in folders for file in folder.rglob(".hydra/overrides.yaml")})
    if not runs:
        raise UserError(f"There is no run below {', '.join(map(str, folders))}.")
    rows = sorted((_row(run) for run in runs), key=lambda row: (-row["order"], row["run"]))
    table = Table(title=f"{len(rows)} runs, best validation AUC first", title_justify="left")
    table.add_column("run", overflow="fold")
    table.add_column("changed", overflow="fold")
    for name in ("validation AUC", "test AUC"):
        table.add_column(name)
    for row in rows:
        table.add_row(row["run"], row["changed"], row["val"], row["test"])
    Console().print(table)


def _row(run: Path) -> dict[str, Any]:
    overrides = yaml.safe_load((run / ".hydra" / "overrides.yaml").read_text()) or []
    row: dict[str, Any] = {
        "run": str(run),
        "changed": " ".join(overrides),
        "order": -1.0,
        "val": "",
        "test": "",
    }
    metrics, failure = run / "metrics.json", run / "failure.txt"
    if metrics.is_file():
        splits = json.loads(metrics.read_text())["splits"]
        row["val"], row["test"] = (_auc(splits.get(split)) for split in ("val", "test"))
        value = splits.get("val", {}).get("metrics", {}).get("auc", {}).get("value")
        row["order"] = value if value is not None else 0.0
    elif failure.is_file():
        row["val"] = f"failed: {failure.read_text().strip()}"
    else:
        row["val"] = "not finished"
    return row


def _auc(split: dict[str, Any] | None) -> str:
    auc = (split or {}).get("metrics", {}).get("auc", {})
    if auc.get("value") is None:
        return "—"
    low, high = auc.get("low"), auc.get("high")
    return f"{auc['value']:.3f}" + (f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else "")
