"""Jobs in processes that die: one death costs nothing, a file that always kills costs itself."""

import itertools
import multiprocessing
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fakedet.data.extract import Extraction, Job
from fakedet.data.miniatures import make_tree
from fakedet.data.workforce import work_off
from fakedet.detector.video import Sampling


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tree("dfdc", tmp_path_factory.mktemp("raw") / "dfdc")


def _jobs(raw: Path, count: int) -> list[Job]:
    files = sorted(raw.rglob("*.mp4"))[:count]
    return [Job(file.relative_to(raw).as_posix(), "video", None, file.stat().st_size) for file in files]


def _extraction(raw: Path, root: Path) -> Extraction:
    return Extraction(raw, root, Sampling(count=1), None, None, "png")


@contextmanager
def _killer(deaths: int) -> Iterator[None]:
    """Kill processes of the pool as they appear, so many of them."""
    over = threading.Event()

    def kill() -> None:
        killed: set[int | None] = set()
        while not over.is_set() and len(killed) < deaths:
            for child in multiprocessing.active_children():
                if child.pid not in killed and len(killed) < deaths:
                    child.kill()
                    killed.add(child.pid)
            over.wait(0.01)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_every_job_gives_its_record(raw: Path, tmp_path: Path) -> None:
    jobs = _jobs(raw, 5)
    records = list(work_off(jobs, _extraction(raw, tmp_path), 2))
    assert {record["path"] for record in records} == {job.path for job in jobs}
    assert all((tmp_path / crop["path"]).is_file() for record in records for crop in record["crops"])
    assert [len(record["crops"]) for record in records] == [1] * 5


def test_a_process_that_dies_costs_no_file(raw: Path, tmp_path: Path) -> None:
    jobs = _jobs(raw, 4)
    with _killer(1):
        records = list(work_off(jobs, _extraction(raw, tmp_path), 2))
    assert sorted(record["path"] for record in records) == sorted(job.path for job in jobs)
    assert [record["error"] for record in records] == [None] * 4


def test_a_file_that_always_kills_its_process_is_given_up(raw: Path, tmp_path: Path) -> None:
    jobs = _jobs(raw, 1)
    with _killer(1000):
        records = list(work_off(jobs, _extraction(raw, tmp_path), 1))
    assert [(record["path"], record["error"]) for record in records] == [
        (jobs[0].path, "crashes the decoder, or needs more memory than there is")
    ]


def test_without_a_terminal_lines_tell_the_progress(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakedet.data.workforce._SECONDS", 0.0)
    list(work_off(_jobs(raw, 2), _extraction(raw, tmp_path), 1))
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("2 of 2 files, ")
    assert lines[-1].endswith("a minute, 0 minutes left")


def test_a_pool_that_breaks_between_two_jobs_loses_none(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, calls = ProcessPoolExecutor.submit, itertools.count()

    def break_at_the_third(pool: ProcessPoolExecutor, *arguments: Any) -> Any:
        if next(calls) == 2:
            for child in multiprocessing.active_children():
                child.kill()
            while not pool._broken:
                time.sleep(0.01)
        return submit(pool, *arguments)

    monkeypatch.setattr(ProcessPoolExecutor, "submit", break_at_the_third)
    jobs = _jobs(raw, 4)
    records = list(work_off(jobs, _extraction(raw, tmp_path), 2))
    assert sorted(record["path"] for record in records) == sorted(job.path for job in jobs)
    assert [record["error"] for record in records] == [None] * 4
