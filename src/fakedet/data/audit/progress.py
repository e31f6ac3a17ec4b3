"""Long work in threads, with flat memory, and a bar that shows rate and time left."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import cv2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

Item = TypeVar("Item")
Result = TypeVar("Result")

_BLOCK = 512  # items handed to the threads at once; a million futures would fill memory
_SECONDS = 30.0  # between two lines where there is no terminal to draw a bar on


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s", style="progress.data.speed")


def counted(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """The items as they come, with progress on stderr: a bar on a terminal, elsewhere a line from time to time."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    quiet = not sys.stderr.isatty()
    started = told = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as bar:
        task = bar.add_task("", total=total)
        for done, item in enumerate(items, 1):
            yield item
            bar.advance(task)
            now = time.monotonic()
            if quiet and now - told > _SECONDS:
                told = now
                rate = done / (now - started)
                left = (total - done) / rate / 60
                print(f"{what}: {done:,} of {total:,}, {rate:,.0f}/s, {left:.0f} minutes left", file=sys.stderr)


def in_threads(function: Callable[[Item], Result], items: Sequence[Item], what: str) -> Iterator[Result]:
    """The function's result for each item, in their order, made by as many threads as there are cores."""
    cv2.setNumThreads(1)  # the threads here are the parallelism

    def results() -> Iterator[Result]:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(items), _BLOCK):
                yield from pool.map(function, items[start : start + _BLOCK])

    return counted(results(), len(items), what)
