"""Threads that judge pictures, as many as there are cores, and a bounded queue before them."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Input = TypeVar("Input")
Output = TypeVar("Output")


class Full(Exception):
    """More is waiting than may wait."""


class Workers(Generic[Input, Output]):
    """A pool that does one thing, first come, first served.

    Attributes:
        capacity: how many jobs may run and wait.
        taken: how many do.
    """

    def __init__(self, work: Callable[[Input], Output], threads: int, queue: int) -> None:
        self._work = work
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="judge")
        self.capacity = threads + queue
        self.taken = 0

    def submit(self, inputs: Sequence[Input]) -> "list[Job[Input, Output]]":
        """Queue jobs, all or none; to be called in the event loop.

        Raises:
            Full: when they do not all fit.
        """
        if self.taken + len(inputs) > self.capacity:
            raise Full
        loop = asyncio.get_running_loop()
        jobs = []
        for value in inputs:
            job = Job(self._work, value)
            self.taken += 1
            job.future = self._pool.submit(job)
            job.future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._finished))
            jobs.append(job)
        return jobs

    def _finished(self) -> None:
        self.taken -= 1

    def close(self) -> None:
        """Finish what was taken, and stop."""
        self._pool.shutdown(wait=True)


class Job(Generic[Input, Output]):
    """One input on its way; what is dropped before its turn is never worked on, and leaves the memory at once."""

    future: "Future[Output | None]"

    def __init__(self, work: Callable[[Input], Output], value: Input) -> None:
        self._work = work
        self._value: list[Input] = [value]

    def __call__(self) -> Output | None:
        """Work; called by a thread of the pool."""
        try:
            value = self._value.pop()
        except IndexError:
            return None  # dropped
        return self._work(value)

    def drop(self) -> None:
        """Nobody waits for it any more."""
        self._value.clear()
