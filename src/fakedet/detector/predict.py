"""The story of a prediction: files, folders, addresses and videos in; a table, records and heatmaps out."""

import contextlib
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fakedet.detector import chart, inputs, overlay, records, terminal
from fakedet.detector.detector import Detector
from fakedet.detector.image import UNREAD
from fakedet.detector.inputs import Found, Item
from fakedet.detector.judge import Judge, Judged, stamp_of
from fakedet.detector.onnx import cores
from fakedet.detector.records import Done, Records
from fakedet.detector.video import Sampling
from fakedet.errors import UserError

_KINDS = 8  # of files that were not looked at, by their suffix
_CHARTS = 4  # files of a run up to which videos get charts
_CURVES = 3  # of a video


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        inputs: paths, folders, patterns and addresses, as `inputs.find` understands them.
        urls: text file with an address or a path a line.
        json: file for JSON Lines, or `-`.
        csv: file for a table, or `-`.
        heatmaps: folder for pictures with their evidence.
        frames: of a video, as `Sampling.parse` understands it.
        crops: pictures are face crops already.
        threads: of the processor; None is all.
        restart: whether the records of an earlier run are thrown away.
        strict: whether a file without a verdict is an error in the end.
        allow_private: whether addresses on this machine and its network are asked.
    """

    inputs: Sequence[str] = ()
    urls: str | None = None
    json: str | None = None
    csv: str | None = None
    heatmaps: str | None = None
    frames: str = "32"
    crops: bool = False
    threads: int | None = None
    restart: bool = False
    strict: bool = False
    allow_private: bool = False

    def __post_init__(self) -> None:
        if not self.inputs and self.urls is None:
            raise UserError("Nothing is given to judge: name files, folders or videos, or a list of addresses.")
        if self.threads is not None and self.threads < 1:
            raise UserError(f"threads={self.threads} is not at least 1.")
        if self.json is not None and self.csv is not None and Path(self.json).absolute() == Path(self.csv).absolute():
            raise UserError(f"json and csv are both {terminal.shown(self.json)}; name two files.")
        if self.restart and self.json is None and self.csv is None:
            raise UserError("restart needs json or csv: there is nothing else to begin anew.")

    @property
    def settings(self) -> str:
        """What decides the records, beside the detector."""
        faces = "given" if self.crops else "found"
        return f"faces={faces} frames={self.frames} heatmaps={'no' if self.heatmaps is None else 'yes'}"


class Unjudged(UserError):
    """Every file was looked at, but some have no verdict, and that was asked to be an error."""

    status = 3


class Stopped(UserError):
    """The run was stopped from outside; the text says how it goes on."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


def predict(load: Callable[[int], Detector], request: Request) -> None:
    """Judge what is asked for, and say it on the terminal and in files.

    Each file's records are written as soon as it is judged. A run with the same outputs goes on where an earlier
    one was stopped: files that were changed since are judged again, and addresses that gave nothing asked again.

    Args:
        load: opens the detector, whose network may take so many threads for one call.
        request: what is asked for.

    Raises:
        UserError: for anything that the caller can mend; `Unjudged` and `Stopped` when all or a part was done.
    """
    sampling = Sampling.parse(request.frames)
    found = inputs.find(request.inputs, None if request.urls is None else Path(request.urls))
    folder = None if request.heatmaps is None else overlay.open_folder(Path(request.heatmaps))
    threads = request.threads or cores()
    jobs = min(threads, len(found.items))
    detector = load(threads // jobs)
    judge = Judge(
        detector,
        sampling=sampling,
        crops=request.crops,
        heatmaps=folder,
        places=inputs.places(found.items),
        allow_private=request.allow_private,
    )
    with contextlib.ExitStack() as stack:
        outputs = _open(request, detector, stack)
        done = _done(found.items, outputs, folder)
        for output in outputs:
            output.forget(item.name for item in found.items if item not in done)
        report = _Report(found, done, outputs)
        stack.callback(report.progress.clear)
        try:
            with _stoppable(), contextlib.closing(_work_off(report.left, judge, jobs)) as every:
                for judged in every:
                    for output in outputs:
                        output.add(judged.row)
                    report.add(judged)
        except KeyboardInterrupt as error:
            raise Stopped(report.stopped(), error.args[0] if error.args else 130) from error
        report.finish()
    if request.strict and report.unjudged:
        raise Unjudged(f"{len(report.unjudged)} of {len(found.items)} files have no verdict.")


def _open(request: Request, detector: Detector, stack: contextlib.ExitStack) -> list[Records]:
    opened = []
    for target, form in ((request.json, records.JSON), (request.csv, records.CSV)):
        if target is not None:
            output = Records(
                target, form, model=detector.sha256 or "unknown", settings=request.settings, restart=request.restart
            )
            stack.callback(output.close)
            opened.append(output)
    return opened


def _done(items: Sequence[Item], outputs: list[Records], folder: Path | None) -> dict[Item, Done]:
    """What every output holds already, and is as it was then."""
    done: dict[Item, Done] = {}
    for item in items:
        found = [output.done.get(item.name) for output in outputs]
        if found and all(before is not None and _is_current(item, before, folder) for before in found):
            assert found[0] is not None
            done[item] = found[0]
    return done


def _is_current(item: Item, before: Done, folder: Path | None) -> bool:
    if folder is not None and before.heatmap is not None:
        file = folder / before.heatmap
        if not file.is_file() or overlay.is_anothers(file, item.name):
            return False
    if before.status == "unreadable" and UNREAD in before.reasons:
        return False  # the file system's fault, not the file's
    return before.status != "unreadable" if item.is_url else stamp_of(item) == before.stamp


def _work_off(items: Sequence[Item], judge: Judge, jobs: int) -> Generator[Judged]:
    """Judge files side by side, and give them in their order."""
    waiting: deque[Future[Judged]] = deque()
    pool = ThreadPoolExecutor(jobs)
    try:
        for item in items:
            waiting.append(pool.submit(judge, item))
            if len(waiting) > 2 * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        judge.give_up()  # of what is still under way when the run is stopped
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Take a polite request to end (SIGTERM) as Ctrl-C is taken."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: object) -> None:
        raise KeyboardInterrupt(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Report:
    """What the terminal sees. Where records go to standard output, it is all beside that, and without the table."""

    def __init__(self, found: Found, done: dict[Item, Done], outputs: list[Records]) -> None:
        self.left = [item for item in found.items if item not in done]
        self.unjudged = {item.name: before.reasons for item, before in done.items() if before.verdict is None}
        self._found = found
        self._outputs = outputs
        self._count = Counter(before.verdict for before in done.values())
        self._judged = 0
        self._stream = sys.stdout if all(output.is_file for output in outputs) else sys.stderr
        self._table = terminal.Table([item.name for item in self.left], sys.stdout)
        self.progress = terminal.Progress(len(self.left), sys.stderr)
        if done:
            self._say(f"{len(done):,} of {len(found.items):,} files are done already ({self._names()}).")

    def _say(self, text: str = "") -> None:
        print(text, file=self._stream, flush=True)

    def _names(self) -> str:
        return ", ".join(terminal.shown(output.target) for output in self._outputs)

    def add(self, judged: Judged) -> None:
        row, name = judged.row, judged.item.name
        self._judged += 1
        self._count[row["verdict"]] += 1
        if row["verdict"] is None:
            self.unjudged[name] = "; ".join(row["reasons"])
        self.progress.clear()
        if self._stream is sys.stdout:
            self._table.add(name, row["verdict"], row["probability"], row["faces"], "; ".join(row["reasons"]))
            if len(self._found.items) <= _CHARTS:
                self._draw(judged)
        self.progress.show(self._judged)

    def _draw(self, judged: Judged) -> None:
        for curve in judged.curves[:_CURVES]:
            columns = min(terminal.columns(sys.stdout) or 80, 80)
            self._say(f"\n  {curve.title}")
            for line in chart.draw(curve.seconds, curve.probabilities, curve.end, columns, sys.stdout.encoding):
                self._say(line)
        if len(judged.curves) > _CURVES:
            self._say(f"\n  and {len(judged.curves) - _CURVES} more faces")
        if judged.curves and self._judged < len(self.left):
            self._say()

    def finish(self) -> None:
        """The numbers, and by name what has no verdict."""
        self.progress.clear()
        total, found = len(self._found.items), self._count
        verdicts = [f"{found[verdict]:,} {verdict}" for verdict in ("fake", "uncertain", "real") if found[verdict]]
        verdicts += [f"{len(self.unjudged):,} without a verdict"] if self.unjudged else []
        files = "file" if total == 1 else "files"
        self._say(f"\n{total:,} {files} in {terminal.duration(self.progress.seconds)}: {', '.join(verdicts)}.")
        if self.unjudged:
            self._say("\nWithout a verdict:")
            for name, reason in self.unjudged.items():
                self._say(f"  {terminal.shown(name)}: {terminal.shown(reason)}")
        if self._found.left_out:
            kinds = [f"{terminal.shown(kind)} {count:,}" for kind, count in self._found.left_out.most_common(_KINDS)]
            self._say(f"\nNot looked at, as no picture or video by the name: {', '.join(kinds)}.")

    def stopped(self) -> str:
        """How far it got, and how it goes on."""
        before = len(self._found.items) - len(self.left)
        text = f"stopped after {before + self._judged:,} of {len(self._found.items):,} files"
        if self._outputs and all(output.is_file for output in self._outputs):
            return f"{text}; the same command goes on from there ({self._names()})."
        return f"{text}; with json=FILE or csv=FILE the same command could go on from there."
