"""The story of an audit: a data set in; what its splits share, and what gives its classes away."""

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fakedet.config import AuditConfig, check_keys, check_seed
from fakedet.data import coverage
from fakedet.data.audit.findings import FINDING, Line, lines, verdict
from fakedet.data.audit.fingerprints import fingerprints
from fakedet.data.audit.leaks import find_leaks
from fakedet.data.audit.properties import properties
from fakedet.data.audit.report import Audit, write_report
from fakedet.data.audit.shortcuts import Intervals, find_shortcuts
from fakedet.data.datamodule import DataModule
from fakedet.data.prepared import keep_audit
from fakedet.data.splits import limit_by_group
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError
from fakedet.instantiation import instantiate

_LEAST_SAMPLE = 20
_STYLES = {FINDING: "bold red", "fine": "green"}


class Findings(UserError):
    """The audit went well, and something was found: the sentence says what."""

    status = 3


def audit(config: AuditConfig, intervals: Intervals) -> None:
    """Look for leaks and shortcuts; write `audit.html`, `audit.json` and `near_duplicates.csv` into the run folder.

    Args:
        config: see `conf/audit.yaml`.
        intervals: of an AUC, by a bootstrap over groups.

    Raises:
        UserError: for data or settings that cannot be used.
        Findings: when something was found, once all is written.
    """
    check_keys(config)
    _check(config)
    run = Path(config.run.dir)
    data: DataModule = instantiate(config.data, spec=PreprocessSpec(), quarantine_file=run / "quarantine.csv")
    data.prepare()
    sample = limit_by_group(data.rows, config.sample, config.seed)
    prints = fingerprints(data, np.flatnonzero(data.rows["path"].isin(sample["path"])))
    leaks = find_leaks(data, prints, run)
    table = properties(data, sample)
    shortcuts = find_shortcuts(table, intervals, config.max_auc, config.seed)
    covered = coverage.read(data.root)
    found = lines(leaks, prints, data.rows["path"].tolist(), shortcuts, covered)
    name = data.root.name if data.rows["dataset"].nunique() > 1 else str(data.rows["dataset"].iloc[0])
    sentence = verdict(name, len(data.rows), data.rows["group"].nunique(), found)
    page = write_report(run, Audit(name, sentence, found, leaks, shortcuts, covered, table, config.max_auc), data)
    keep_audit(data.root, [line.says for line in found if line.verdict == FINDING])
    console = Console()
    console.print(_table(name, found))
    console.print(f"Report: {page}", soft_wrap=True, highlight=False)
    if any(line.verdict == FINDING for line in found):
        raise Findings(sentence)
    console.print(Text(sentence))


def _check(config: AuditConfig) -> None:
    if config.data is None:
        raise UserError("data must be given: data=folder data.root=…, or another file of conf/data.")
    check_seed(config.seed)
    if config.sample < _LEAST_SAMPLE:
        raise UserError(f"sample={config.sample} is too few to look for shortcuts in; take {_LEAST_SAMPLE} at least.")
    if not 0.5 <= config.max_auc < 1:
        raise UserError(f"max_auc={config.max_auc} is not between 0.5 (a guess) and 1.")


def _table(name: str, found: list[Line]) -> Table:
    table = Table(title=Text(f"Audit of {name}"), title_justify="left")
    table.add_column("what")
    table.add_column("found", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    part = found[0].part
    for line in found:
        if line.part != part:
            table.add_section()
            part = line.part
        found_text = f"{line.found}: {line.examples}" if line.examples else line.found
        table.add_row(line.what, Text(found_text), Text(line.verdict, _STYLES.get(line.verdict, "yellow")))
    return table
