"""Plain text for a terminal: harmless names, a table that grows, and a line that says how far it is."""

import os
import shutil
import time
import unicodedata
from typing import TextIO

_REDRAW = 0.1  # seconds between two looks of the progress line


def shown(text: object) -> str:
    """A text without anything that a terminal would obey: what cannot be printed is escaped."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in str(text))


def width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def fitted(text: str, columns: int) -> str:
    """A text of exactly so many columns: filled with blanks, or with `…` for its middle."""
    if width(text) <= columns:
        return text + " " * (columns - width(text))
    head, tail = "", ""
    for front, back in zip(text, reversed(text), strict=True):
        if width(head + front + tail) > columns - 1:
            break
        head += front
        if width(head + back + tail) > columns - 1:
            break
        tail = back + tail
    return fitted(f"{head}…{tail}", columns)


def columns(stream: TextIO) -> int | None:
    """How wide a terminal is; None for what is none."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def percent(probability: float | None) -> str:
    """`93.1 %`; neither 0 nor 100 where it is not."""
    if probability is None:
        return "–"
    if 0 < probability < 0.0005:
        return "<0.1 %"
    if 0.9995 <= probability < 1:
        return ">99.9 %"
    return f"{100 * probability:.1f} %"


def duration(seconds: float) -> str:
    """`4.2 s`, `42 s`, `3 min 5 s` or `2 h 10 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Table:
    """A row a file, printed as they come.

    Args:
        names: of all files, so that the columns fit.
        stream: where it is printed.
    """

    def __init__(self, names: list[str], stream: TextIO) -> None:
        self._stream = stream
        longest = max((width(shown(name)) for name in names), default=4)
        terminal = columns(stream)
        self._file = max(4, longest if terminal is None else min(longest, max(16, terminal - 48)))
        self._empty = True

    def add(self, name: str, verdict: str | None, probability: float | None, faces: int | None, reason: str) -> None:
        """Print one row, and the head before the first."""
        if self._empty:
            self._print("file", "verdict", "P(fake)", "faces", "reasons")
            self._empty = False
        count = "–" if faces is None else str(faces)
        self._print(shown(name), verdict or "–", percent(probability), count, shown(reason))

    def _print(self, file: str, verdict: str, probability: str, faces: str, reason: str) -> None:
        row = f"{fitted(file, self._file)}  {verdict:9}  {probability:>7}  {faces:>5}  {reason}"
        print(row.rstrip(), file=self._stream, flush=True)


class Progress:
    """A line that is drawn over: how many files of all, how fast, how long still; nothing where no terminal is.

    Args:
        total: number of files.
        stream: the terminal.
    """

    def __init__(self, total: int, stream: TextIO) -> None:
        self._total = total
        self._stream = stream
        self._visible = stream.isatty() and os.environ.get("TERM") != "dumb" and total > 1
        self._start = time.monotonic()
        self._drawn = 0.0

    def show(self, done: int) -> None:
        """Draw it anew, not more often than one can read."""
        now = time.monotonic()
        if not self._visible or now - self._drawn < _REDRAW:
            return
        self._drawn = now
        rate = done / max(now - self._start, 1e-3)
        left = f", {duration((self._total - done) / rate)} left" if done else ""
        text = f"{done:,} of {self._total:,} files, {rate:.1f} a second{left}"
        self._stream.write(f"\r\x1b[2K{text[: (columns(self._stream) or 80) - 1]}")
        self._stream.flush()

    def clear(self) -> None:
        """Take it away, before something else is printed."""
        if self._visible and self._drawn:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()
            self._drawn = 0.0

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._start
