"""What is done of a preparation: a line a file, so that a killed run goes on where it was."""

import fcntl
import json
import os
from pathlib import Path
from typing import IO, Any

from fakedet.data.prepared import JOURNAL, Prepared
from fakedet.errors import UserError

_LOCK = ".lock"


class Journal:
    """The records of the folder that is being prepared; open for one run at a time.

    Args:
        root: the folder, made where it is missing.
        settings: what decides which crops it holds.

    Raises:
        UserError: when another run works in the folder, it was prepared with other settings, or it cannot
            be written to.
    """

    def __init__(self, root: Path, settings: Prepared) -> None:
        self.file = root / JOURNAL
        self.records: dict[str, dict[str, Any]] = {}
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(root)
            self._read(settings)
            self._stream: IO[str] = self.file.open("a", encoding="utf-8")
        except OSError as error:
            raise UserError(f"data.root={root} cannot be written to ({error.strerror}).") from error
        if self.file.stat().st_size == 0:
            self._append({"settings": settings.to_json()})

    def _read(self, settings: Prepared) -> None:
        if not self.file.is_file():
            return
        # A line that a kill cut off has no end; it is dropped, and its file is done again.
        whole = self.file.read_bytes()
        whole = whole[: whole.rfind(b"\n") + 1]
        with self.file.open("r+b") as stream:
            stream.truncate(len(whole))
        lines = [json.loads(line) for line in whole.splitlines()]
        if not lines:
            return
        before, now = {"whole": "never", **lines[0]["settings"]}, settings.to_json()  # older journals do not say it
        if before != now:
            raise UserError(
                f"data.root={self.file.parent} was prepared with {_difference(before, now)}: "
                "use the same settings, or another folder."
            )
        self.records = {record["path"]: record for record in lines[1:]}

    def add(self, record: dict[str, Any]) -> None:
        """Note one file as done."""
        self._append(record)
        self.records[record["path"]] = record

    def _append(self, line: dict[str, Any]) -> None:
        self._stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._stream.flush()

    def finish(self, settings: Prepared) -> None:
        """Put the records in order, so that the file is the same however often the run was cut off."""
        lines = [{"settings": settings.to_json()}, *(self.records[path] for path in sorted(self.records))]
        partial = self.file.with_name(f".{JOURNAL}")
        partial.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
        partial.replace(self.file)

    def close(self) -> None:
        """Let other runs in."""
        self._stream.close()
        os.close(self._lock)


def _lock(root: Path) -> int:
    """The system lets go of the lock when the process ends, however it ends."""
    handle = os.open(root / _LOCK, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise UserError(f"data.root={root} is being prepared by another run; wait for it, or stop it.") from error
    return handle


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    flat_before, flat_now = _flat(before), _flat(now)
    name = next(key for key in {**flat_before, **flat_now} if flat_before.get(key) != flat_now.get(key))
    return f"{name}={flat_before.get(name)}, not {flat_now.get(name)}"


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
