"""The service against the same pipeline in process, side by side, and /health meanwhile.

    python scripts/bench_serve.py [MODEL.onnx] [--picture FILE] [--clients 8 32] [--seconds 6] [--rounds 5] [--explain]
    python scripts/bench_serve.py --size

Without a model, a MobileNetV2 with random weights is exported first, and judges a megapixel with face search, and a
smaller picture whole. Service and pipeline judge the same picture with as many threads, one of the network's each,
in turns; their ratio is of the rounds' medians. Beside it stands a program that asks a detector for one picture
after the other. The processor's time for a picture is disturbed less by other programs on the machine. Clients keep
their connection and ask again as soon as they are answered. `--size` installs the base package into a fresh
environment and weighs it. Nothing else should run on the machine.
"""

import argparse
import asyncio
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from benching import Bench
from numpy.typing import NDArray

from fakedet.detector.onnx import cores

Floats = NDArray[np.float64]

ROOT = Path(__file__).parents[1]
_judge: Any = None  # of a process of its own, as is
_detector: Any = None


def photograph() -> bytes:
    """A JPEG of 640 × 480 pixels that is as hard to decode as a photograph."""
    noise = np.random.default_rng(0).normal(128, 60, (480, 640, 3)).clip(0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", cv2.GaussianBlur(noise, (0, 0), 1.5), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def one_caller(model: Path, data: bytes, explain: bool, seconds: float) -> float:
    """Pictures a second of a program that asks a detector for one after the other, its network on all cores."""
    from fakedet.detector.detector import Detector

    global _detector
    if _detector is None:
        _detector = Detector.load(model)
    done, start = 0, time.perf_counter()
    while time.perf_counter() < start + seconds:
        _detector.predict(data, explain=explain)
        done += 1
    return done / (time.perf_counter() - start)


def in_process(model: Path, data: bytes, explain: bool, threads: int, seconds: float) -> tuple[float, float]:
    """The service's own pipeline without the service, in its own process: pictures a second, CPU seconds of each."""
    from fakedet.detector.detector import Detector
    from fakedet.serve.judge import Judge, Task
    from fakedet.serve.metrics import Metrics

    global _judge
    if _judge is None:
        cv2.setNumThreads(1)
        _judge = Judge(Detector.load(model, threads=1), 50_000_000, Metrics())
    judge, task, end = _judge, Task("image 1", data, explain), time.perf_counter() + seconds

    def work(_: int) -> int:
        done = 0
        while time.perf_counter() < end:
            judge(task)
            done += 1
        return done

    start, processor = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(work, range(threads)))
    return done / (time.perf_counter() - start), (time.process_time() - processor) / done


def processor_time(process: int) -> float:
    """CPU seconds of another process so far, its threads included (Linux alone; elsewhere 0)."""
    stat = Path(f"/proc/{process}/stat")
    fields = stat.read_text().rpartition(")")[2].split() if stat.exists() else []
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def service(model: Path, threads: int) -> Iterator[tuple[int, int]]:
    """The service as `make serve` starts it; gives its port and its process."""
    environment = {**os.environ, "FAKEDET_MODEL": str(model.resolve()), "FAKEDET_THREADS": str(threads)}
    command = [sys.executable, "-m", "fakedet.serve", "--port", "0"]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            while process.poll() is None:
                log.seek(0)
                found = re.search(r"running on http://[\d.]+:(\d+)", log.read())
                if found:
                    yield int(found[1]), process.pid
                    return
                time.sleep(0.05)
            log.seek(0)
            sys.exit(log.read())
        finally:
            process.terminate()
            process.wait()


async def ask(line: tuple[asyncio.StreamReader, asyncio.StreamWriter], request: bytes) -> None:
    """One request over an open line."""
    reader, writer = line
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head)
    if not head.startswith(b"HTTP/1.1 200") or found is None:
        sys.exit(f"the service answered {head.splitlines()[0].decode()}")
    await reader.readexactly(int(found[1]))


async def load(port: int, request: bytes, clients: int, seconds: float) -> tuple[float, list[float], list[float]]:
    """Pictures a second, seconds of each request, and seconds of /health asked every 50 ms."""
    times: list[float] = []
    health: list[float] = []
    end = time.perf_counter() + seconds

    async def repeat(message: bytes, found: list[float], pause: float) -> None:
        line = await asyncio.open_connection("127.0.0.1", port)
        while (start := time.perf_counter()) < end:
            await ask(line, message)
            found.append(time.perf_counter() - start)
            await asyncio.sleep(pause)
        line[1].close()

    start = time.perf_counter()
    await asyncio.gather(
        *(repeat(request, times, 0) for _ in range(clients)),
        repeat(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", health, 0.05),
    )
    return len(times) / (time.perf_counter() - start), times, health


def request_of(data: bytes, explain: bool) -> bytes:
    """A request for a verdict as it goes over the line."""
    body = b'--b\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\n' + data + b"\r\n--b--\r\n"
    head = f"POST /predict?explain={str(explain).lower()} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n".encode() + body


def compare(bench: Bench, title: str, model: Path, data: bytes, options: argparse.Namespace) -> None:
    """Measure both in turns: a table, and their ratios."""
    threads, request = options.threads, request_of(data, options.explain)
    context = multiprocessing.get_context("spawn")
    pools = (ProcessPoolExecutor(1, context) for _ in range(2))
    with service(model, threads) as (port, process), next(pools) as alone, next(pools) as caller:

        def bare(seconds: float) -> tuple[float, float]:
            return alone.submit(in_process, model, data, options.explain, threads, seconds).result()

        def single(seconds: float) -> float:
            return caller.submit(one_caller, model, data, options.explain, seconds).result()

        bare(1)
        single(1)
        asyncio.run(load(port, request, threads, 1))
        columns, ratios = [], []
        for clients in options.clients:
            ours, theirs, singly, times, health = [], [], [], [], []
            for _ in range(options.rounds):
                theirs.append(bare(options.seconds))
                singly.append(single(options.seconds))
                before = processor_time(process)
                rate, found, asked = asyncio.run(load(port, request, clients, options.seconds))
                ours.append((rate, (processor_time(process) - before) / len(found)))
                times += found
                health += asked
            columns.append(described(np.array(ours), np.array(theirs), np.array(singly), times, health))
            rates = np.array(ours)[:, 0]
            ratios.append((f"{title}, {clients} clients: service against pipeline", rates / np.array(theirs)[:, 0]))
            ratios.append((f"{title}, {clients} clients: service against a single caller", rates / np.array(singly)))
    header = ["", *(f"{clients} clients" for clients in options.clients)]
    bench.table(title, header, [[name, *(column[name] for column in columns)] for name in columns[0]])
    for what, found in ratios:
        bench.ratio(what, float(np.median(found)), float(found.min()), float(found.max()))


def described(
    ours: Floats, theirs: Floats, singly: Floats, times: Sequence[float], health: Sequence[float]
) -> dict[str, str]:
    """Medians by name, of the rounds.

    Args:
        ours: pictures a second and CPU seconds of each picture of the service, (rounds, 2).
        theirs: the same of the pipeline in process.
        singly: pictures a second of a caller that asks for one after the other, its network on all cores, (rounds,).
        times: seconds of each request.
        health: seconds of each `/health` meanwhile.
    """
    (rate, processor), (bare_rate, bare_processor) = np.median(ours, axis=0), np.median(theirs, axis=0)
    middle, late = 1000 * np.percentile(times, [50, 99])
    alive, lately = 1000 * np.percentile(health, [50, 99])
    return {
        "service, pictures/s": f"{rate:.1f}",
        "pipeline in process, pictures/s": f"{bare_rate:.1f}",
        "single caller in process, pictures/s": f"{np.median(singly):.1f}",
        "service, CPU ms/picture": f"{1000 * processor:.1f}",
        "pipeline in process, CPU ms/picture": f"{1000 * bare_processor:.1f}",
        "answers, p50 ms": f"{middle:.0f}",
        "answers, p99 ms": f"{late:.0f} ({late / middle:.2f} × p50)",
        "/health, p50 ms": f"{alive:.1f}",
        "/health, p99 ms": f"{lately:.1f}",
    }


def weigh(bench: Bench) -> None:
    """Install the base package into a fresh environment, and say what it takes on disk."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        for what in ("", "[serve]"):
            command = [f"{folder}/bin/pip", "install", "--quiet", "--constraint", str(ROOT / "requirements.txt")]
            subprocess.run([*command, f"{ROOT}{what}"], check=True)
            size = sum(
                file.lstat().st_size for file in Path(folder).rglob("*") if file.is_file() and not file.is_symlink()
            )
            bench.note(f"fake-image-detection{what}: {size / 1e6:.0f} MB on disk")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what was asked for, print and save."""
    bench = Bench("serve", __doc__)
    bench.parser.add_argument("model", type=Path, nargs="?", help="a shipped file; default: as above")
    bench.parser.add_argument("--picture", type=Path, help="what is judged")
    bench.parser.add_argument("--clients", type=int, nargs="+", default=[8, 32])
    bench.parser.add_argument("--seconds", type=float, default=6, help="of each round (default 6)")
    bench.parser.add_argument("--rounds", type=int, default=5)
    bench.parser.add_argument("--threads", type=int, default=cores())
    bench.parser.add_argument("--explain", action="store_true", help="with heatmaps")
    bench.parser.add_argument("--size", action="store_true", help="weigh the installation instead")
    options = bench.parse(arguments)
    if options.size:
        bench.name = "size"
        weigh(bench)
    elif options.model is not None:
        data = options.picture.read_bytes() if options.picture else photograph()
        compare(bench, options.model.name, options.model, data, options)
    else:
        compare_both(bench, options)
    bench.save()


def compare_both(bench: Bench, options: argparse.Namespace) -> None:
    """Two kinds of picture, with a network that knows nothing."""
    from bench_infer import make_files, one_megapixel, with_face_search  # and torch, which a service has not

    with tempfile.TemporaryDirectory() as folder:
        whole, _ = make_files(Path(folder))
        large = cv2.imencode(".jpg", one_megapixel(options.picture)[..., ::-1])[1].tobytes()
        faces = with_face_search(whole, Path(folder))
        compare(bench, "One megapixel, with face search", faces, large, options)
        compare(bench, "640 × 480 pixels, judged whole", whole, photograph(), options)


if __name__ == "__main__":
    main()
