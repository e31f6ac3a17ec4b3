"""Reads back what an offline W&B run wrote, from its `.wandb` file alone.

The file is a 7-byte header and then LevelDB's log format: blocks of 32 KiB, in which each piece has a
7-byte header (checksum, length, kind) and a record is one piece or several; a record is a protobuf.
"""

import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

BLOCK, HEADER = 32 * 1024, 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


@dataclass
class WandbRun:
    """One run as its file tells it."""

    folder: Path
    id: str = ""
    project: str = ""
    group: str = ""
    name: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    step_metrics: dict[str, str] = field(default_factory=dict)  # key or glob -> key of its x axis
    pictures: dict[str, Path] = field(default_factory=dict)  # path that tables name -> file that holds it
    exit_code: int | None = None  # None: the run was never finished

    def series(self, key: str, over: str) -> list[tuple[Any, Any]]:
        """(x, value) of every history row that has both keys."""
        return [(row[over], row[key]) for row in self.history if key in row and over in row]

    def table(self, key: str) -> dict[str, Any]:
        """`columns` and `data` of the last table (or chart's table) logged under a key, as W&B shows it.

        A picture is a dict whose `path` is a key of `pictures`.
        """
        entry = next(row[key] for row in reversed(self.history) if key in row)
        for name, file in reversed(self.pictures.items()):
            if name == f"{key}.table.json":
                return json.loads(file.read_text())
        return json.loads((self.folder / "files" / entry["path"]).read_text())


def offline_runs(wandb_folder: Path) -> list[WandbRun]:
    """All offline runs below a `wandb` folder, in the order in which they ended."""
    files = wandb_folder.glob("offline-run-*/run-*.wandb")
    return [read_run(file) for file in sorted(files, key=lambda file: file.stat().st_mtime_ns)]


def read_run(file: Path) -> WandbRun:
    """The run that a `.wandb` file holds."""
    run = WandbRun(file.parent)
    for record in records(file):
        if record.HasField("run"):
            run.id, run.project, run.group = record.run.run_id, record.run.project, record.run.run_group
            run.name, run.tags = record.run.display_name, list(record.run.tags)
            _update(run.config, record.run.config.update)
        elif record.HasField("config"):
            _update(run.config, record.config.update)
        elif record.HasField("history"):
            row: dict[str, Any] = {}
            _update(row, record.history.item)
            run.history.append(row)
        elif record.HasField("summary"):
            _update(run.summary, record.summary.update)
        elif record.HasField("metric"):
            run.step_metrics[record.metric.name or record.metric.glob_name] = record.metric.step_metric
        elif record.HasField("artifact"):
            run.pictures.update((part.path, Path(part.local_path)) for part in record.artifact.manifest.contents)
        elif record.HasField("exit"):
            run.exit_code = record.exit.exit_code
    return run


def records(file: Path) -> Iterator[Record]:
    """Every record of a `.wandb` file, in order; a damaged piece fails the test that reads it."""
    content = file.read_bytes()
    assert content[:4] == b":W&B", f"{file} is no W&B file"
    at, parts = HEADER, b""
    while at + HEADER <= len(content):
        left = BLOCK - at % BLOCK
        if left < HEADER:  # the rest of a block is padding
            at += left
            continue
        checksum, length, kind = struct.unpack("<IHB", content[at : at + HEADER])
        if kind == 0:
            break
        piece = content[at + HEADER : at + HEADER + length]
        assert checksum == zlib.crc32(bytes([kind]) + piece), f"{file} is damaged at byte {at}"
        at += HEADER + length
        parts = piece if kind in (FULL, FIRST) else parts + piece
        if kind in (FULL, LAST):
            record = Record()
            record.ParseFromString(parts)
            yield record


def _update(target: dict[str, Any], items: Iterable[Any]) -> None:
    for item in items:
        *parents, last = list(item.nested_key) or [item.key]
        place = target
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = json.loads(item.value_json)
