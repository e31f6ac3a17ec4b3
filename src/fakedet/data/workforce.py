"""Jobs spread over processes: progress, flat memory, and a crash that costs one file instead of the run."""

import itertools
import multiprocessing
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from fakedet.data.extract import Extraction, Job, Record, extract, start_worker

CRASH = "crashes the decoder, or needs more memory than there is"
_AHEAD = 4  # jobs a process that are handed out at once; more would only fill memory
_SECONDS = 30.0  # between two lines where there is no terminal to draw a bar on


def work_off(jobs: Sequence[Job], extraction: Extraction, workers: int) -> Iterator[Record]:
    """The record of each job as it is done, in no order; a bar shows rate and time left.

    Raises:
        OSError: when a crop cannot be written.
    """
    with _Bar(len(jobs)) as bar:
        for record in _records(iter(jobs), extraction, min(workers, max(1, len(jobs)))):
            bar.step()
            yield record


def _records(jobs: Iterator[Job], extraction: Extraction, workers: int) -> Iterator[Record]:
    crashed: list[Job] = []
    while True:
        yield from _one_pool(jobs, extraction, workers, crashed)
        if not crashed:
            return
        # One of these took its process with it, and all others that were under way: each is tried alone.
        for job in crashed:
            alone: list[Job] = []
            yield from _one_pool(iter([job]), extraction, 1, alone)
            if alone:
                yield _crash(job)
        crashed = []


def _one_pool(jobs: Iterable[Job], extraction: Extraction, workers: int, crashed: list[Job]) -> Iterator[Record]:
    """Records until the jobs are done or a process dies; `crashed` then gets the jobs that were under way."""
    # A fork would copy this process with its libraries' threads cut off; a fresh one is small as well.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), start_worker, (extraction,))
    jobs = iter(jobs)
    under_way: dict[Future[Record], Job] = {}
    try:
        while True:
            for job in itertools.islice(jobs, workers * _AHEAD - len(under_way)):
                try:
                    under_way[pool.submit(extract, job)] = job
                except BrokenProcessPool:
                    crashed.append(job)  # taken from the jobs, and not under way yet
                    raise
            if not under_way:
                pool.shutdown()  # a process that ends before its workers may wait for them for ever
                return
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                record = future.result()
                del under_way[future]
                yield record
    except BrokenProcessPool:
        crashed.extend(under_way.values())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _crash(job: Job) -> Record:
    return {
        "path": job.path, "size": job.size, "mask": job.mask, "error": CRASH,
        "frames": 0, "decoded": 0, "crops": [], "lost": [],
    }  # fmt: skip


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed * 60:,.0f} files/min", style="progress.data.speed")


class _Bar:
    """A bar on a terminal; elsewhere a line from time to time."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.started = total, 0, time.monotonic()
        self.told = self.started
        columns = (TextColumn("preparing"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
        self.progress = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
        self.task = self.progress.add_task("", total=total)

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def step(self) -> None:
        self.done += 1
        self.progress.advance(self.task)
        now = time.monotonic()
        if self.progress.disable and now - self.told > _SECONDS:
            self.told = now
            rate = self.done / (now - self.started)
            left = (self.total - self.done) / rate / 60
            print(
                f"{self.done} of {self.total} files, {rate * 60:.0f} a minute, {left:.0f} minutes left", file=sys.stderr
            )
