"""What the benches left as JSON, as one page."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakedet.errors import UserError
from fakedet.figures.page import Block, Facts, Grid, Section, render


@dataclass(frozen=True)
class Failure:
    """A bench that broke off.

    Attributes:
        command: that was run.
        reason: the last line that it printed.
        log: name of the file with all that it printed.
    """

    command: str
    reason: str
    log: str


def load(folder: Path, name: str) -> dict[str, Any] | None:
    """What a bench left, or None where it left nothing.

    Raises:
        UserError: for a file that is not what `benching.Bench.save` writes.
    """
    file = folder / f"{name}.json"
    if not file.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(file.read_text())
        _section(found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file} is damaged: delete it and run this again.") from error
    return found


def draw(
    found: Mapping[str, dict[str, Any] | Failure | str], machine: Mapping[str, str], versions: Mapping[str, str]
) -> str:
    """The page as text.

    Args:
        found: bench -> what `load` gives, how it failed, or the sentence that says how it is run, in reading order.
        machine: `benching.machine()` of now.
        versions: `benching.versions()` of now.
    """
    measured = {name: one for name, one in found.items() if isinstance(one, dict)}
    failed = {name: one for name, one in found.items() if isinstance(one, Failure)}
    missing = {name: one for name, one in found.items() if isinstance(one, str)}
    verdict = f"{len(measured)} of {len(found)} benches are measured"
    if failed:
        verdict += f", {len(failed)} failed"
    if missing:
        verdict += f", {len(missing)} are left out"
    notes = [
        f"bench-{name} was taken {one['taken']} on another machine or with other versions than those below: "
        f"{_joined({**one['machine'], **one['versions']})}."
        for name, one in measured.items()
        if (one["machine"], one["versions"]) != (dict(machine), dict(versions))
    ]
    sections = [
        *(_section(one) if isinstance(one, dict) else _failed(name, one)
          for name, one in found.items() if not isinstance(one, str)),
        Section("Machine and versions", [Facts({**machine, **versions})]),
    ]  # fmt: skip
    if missing:
        sections.append(Section("Left out", [Facts(missing)]))
    alarms = [f"bench-{name} failed: {one.reason}" for name, one in failed.items()]
    return render("Benches", f"{verdict}.", notes, sections, alarms)


def _section(found: Mapping[str, Any]) -> Section:
    facts = {"command": found["command"], "taken": found["taken"], "took": f"{found['seconds']:.0f} s"}
    blocks: list[Block] = [Facts(facts)]
    if found["ratios"]:
        rows = [[one["what"], *(_number(one[name]) for name in ("value", "low", "high")), one["wanted"]]
                for one in found["ratios"]]  # fmt: skip
        blocks.append(Grid(["", "ratio", "from", "to", "wanted"], rows))
    for table in found["tables"]:
        first, *others = table["header"]
        blocks.append(Grid([f"{table['title']}: {first}" if first else table["title"], *others], table["rows"]))
    if found["notes"]:
        blocks.append(Facts({str(number): note for number, note in enumerate(found["notes"], start=1)}))
    return Section(f"bench-{found['bench']}", blocks, found["title"])


def _failed(name: str, failure: Failure) -> Section:
    return Section(f"bench-{name}", [Facts({"command": failure.command, "output": failure.log})], failure.reason)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _joined(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
