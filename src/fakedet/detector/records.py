"""What is said of each file, written line by line, so that a run that was cut off goes on where it was."""

import contextlib
import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fakedet.detector.terminal import shown
from fakedet.errors import UserError

STDOUT = "-"
Row = Mapping[str, Any]

# The last ones say what a line was made with; the very last is there only when the line is whole.
_KEPT = ("heatmap", "bytes", "modified", "model", "settings")
COLUMNS = ("file", "status", "verdict", "probability", "uncalibrated", "faces", "reasons", "width", "height", *_KEPT)


@dataclass(frozen=True)
class Stamp:
    """Which content of a file was judged: its size, and when it was last written; None for an address."""

    bytes: int | None
    modified: str | None


@dataclass(frozen=True)
class Done:
    """What an earlier run left of a file."""

    stamp: Stamp
    verdict: str | None
    status: str
    reasons: str
    heatmap: str | None


@dataclass(frozen=True)
class _Format:
    name: str
    head: str
    write: Callable[[Row], str]
    read: Callable[[str], list[tuple[str, Row]]]  # text of whole lines -> each line's text and values


def _json_line(row: Row) -> str:
    return json.dumps({name: value for name, value in row.items() if name != "faces"}, ensure_ascii=False) + "\n"


def _json_rows(text: str) -> list[tuple[str, Row]]:
    return [(f"{line}\n", json.loads(line)) for line in text.split("\n") if line]


def _csv_line(row: Row) -> str:
    line = io.StringIO()
    plain = {**row, "reasons": "; ".join(row["reasons"])}
    csv.writer(line).writerow([plain[name] for name in COLUMNS])  # quotes what is in its own end of line, CR LF
    return line.getvalue().removesuffix("\r\n") + "\n"


def _csv_rows(text: str) -> list[tuple[str, Row]]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    if tuple(rows.fieldnames or COLUMNS) != COLUMNS:
        raise ValueError("other columns")
    every = [{name: value or None for name, value in row.items()} for row in rows]
    return [(_csv_line({**row, "reasons": [row["reasons"] or ""]}), row) for row in every]


JSON = _Format("json", "", _json_line, _json_rows)
CSV = _Format("csv", ",".join(COLUMNS) + "\n", _csv_line, _csv_rows)


class Records:
    """One output, open for one run at a time.

    Args:
        target: a file, or `-` for standard output, which is never gone on with.
        form: `JSON` (a JSON object a line) or `CSV`.
        model: SHA-256 of the detector.
        settings: in words, what else decides what a line says.
        restart: whether what an earlier run left is thrown away.

    Attributes:
        target: as given.
        is_file: whether a later run can go on with it.
        done: name of a file -> what an earlier run left of it.

    Raises:
        UserError: for a file that holds something else, that another detector or other settings made, that another
            run writes to, or that cannot be written to.
    """

    def __init__(self, target: str, form: _Format, *, model: str, settings: str, restart: bool) -> None:
        self.target = target
        self.done: dict[str, Done] = {}
        self._form = form
        self._made_with = {"model": model, "settings": settings}
        self._lines: dict[str, str] = {}
        self._stream: IO[str] = sys.stdout
        file = Path(target)
        # What is no regular file, such as a pipe, is written to and nothing else.
        self.is_file = target != STDOUT and (file.is_file() or not file.exists())
        try:
            if not self.is_file:
                self._stream = sys.stdout if target == STDOUT else file.open("w", encoding="utf-8", newline="")
                self._append(form.head)
                return
            self._stream = file.open("a", encoding="utf-8", newline="")
            _lock(self._stream, target)
            self._read(file, restart)
        except OSError as error:
            raise UserError(f"{form.name}={shown(target)} cannot be written ({error.strerror}).") from error

    def _read(self, file: Path, restart: bool) -> None:
        # A line that a kill cut off has no end; it is dropped, and its file is judged again.
        content = file.read_bytes()
        whole, partial = content[: content.rfind(b"\n") + 1], content[content.rfind(b"\n") + 1 :]
        try:
            rows = self._form.read(whole.decode())
            # Nothing else than ours is ever shortened: a cut first line is known by its beginning.
            begin = (self._form.head or '{"file": ').encode()
            strange = not whole and partial[: len(begin)] != begin[: len(partial)]
            if strange or any(not isinstance(row, dict) or not {"file", *_KEPT} <= set(row) for _, row in rows):
                raise ValueError("other values")
            done = {str(row["file"]): _done(row) for _, row in rows}
        except (ValueError, KeyError, TypeError, RecursionError, csv.Error) as error:
            raise UserError(
                f"{self._form.name}={shown(self.target)} holds something else than predictions; choose another file."
            ) from error
        if restart:
            rows, done = [], {}
        for _, row in rows:
            self._check(row)
        self.done = done
        self._lines = {str(row["file"]): line for line, row in rows}
        if restart or partial or len(rows) > len(self._lines) or not content:
            self._rewrite()

    def _check(self, row: Row) -> None:
        for name, now in self._made_with.items():
            before = str(row[name])
            if before != now:
                what = f"the detector {before[:12]}…, not {now[:12]}…" if name == "model" else f"{before}, not {now}"
                raise UserError(
                    f"{self._form.name}={shown(self.target)} was made with {shown(what)}: choose another file, "
                    "or begin anew with restart."
                )

    def forget(self, names: Iterable[str]) -> None:
        """Drop the lines of files that are judged again."""
        stale = [name for name in names if self._lines.pop(name, None) is not None]
        if stale:
            with self._told():
                self._rewrite()

    def _rewrite(self) -> None:
        """In one step, so that a kill leaves the lines from before or those from now."""
        file = Path(os.path.realpath(self.target))  # a link stays one
        partial = file.with_name(f".{file.name}.partial")
        partial.unlink(missing_ok=True)  # were it a link, it would be written through
        with partial.open("w", encoding="utf-8", newline="") as stream:
            stream.write(self._form.head + "".join(self._lines.values()))
        partial.replace(file)
        self._stream.close()
        self._stream = file.open("a", encoding="utf-8", newline="")
        _lock(self._stream, self.target)

    def add(self, row: Row) -> None:
        """Write what is said of one file; it is on its way to the disk when this returns."""
        with self._told():
            self._append(self._form.write({**row, **self._made_with}))

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            raise UserError(
                f"{self._form.name}={shown(self.target)} cannot be written ({error.strerror}); mend that and run the "
                "same command again: it goes on where it stopped."
            ) from error

    def _append(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def close(self) -> None:
        """Let other runs in."""
        if self.target != STDOUT:
            self._stream.close()


def _done(row: Row) -> Done:
    size = row["bytes"]
    reasons = row["reasons"] or ""
    return Done(
        stamp=Stamp(None if size is None else int(size), row["modified"]),
        verdict=row["verdict"],
        status=row["status"],
        reasons=reasons if isinstance(reasons, str) else "; ".join(reasons),
        heatmap=row["heatmap"],
    )


def _lock(stream: IO[str], target: str) -> None:
    """The system lets go of the lock when the process ends, however it ends; where there is none, nothing is held."""
    if os.name == "nt":
        return
    import fcntl

    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UserError(f"{shown(target)} is being written by another run; wait for it, or stop it.") from error
