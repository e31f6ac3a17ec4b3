"""How fast videos become crops: against a loop that only decodes and finds faces, and with two processes.

    python scripts/bench_prepare.py [FOLDER_WITH_VIDEOS] [--repeat 4] [--frames 32] [--finder mtcnn]

Every video is done `--repeat` times under another name. The bare loop reads the same frames and finds the
faces in them, in one process; preparing does that too, follows the face, and cuts, writes and hashes the
crops. Each figure comes from a process pool that is started for it, so the start is part of it. Without a
folder the videos are miniatures made for the occasion, which say little: name real ones.
"""

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
from benching import Bench, leave

from fakedet.data.benchmark import VIDEO_SUFFIXES, files_below
from fakedet.data.extract import Extraction, Job
from fakedet.data.miniatures import make_tree
from fakedet.data.workforce import work_off
from fakedet.detector import video
from fakedet.detector.finders import open_finder
from fakedet.detector.spec import FaceSpec
from fakedet.errors import UserError


def bare(files: list[Path], sampling: video.Sampling, finder: str) -> tuple[int, int]:
    """Decode and find, nothing else; returns the number of faces, and the memory's peak in KiB."""
    cv2.setNumThreads(1)
    find = open_finder(finder).find
    faces = sum(len(find(image)) for file in files for _, image in video.read(file, sampling))
    return faces, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def prepared(folder: Path, jobs: list[Job], sampling: video.Sampling, finder: str, workers: int) -> int:
    """The real thing into a folder that is thrown away; returns the number of crops."""
    with tempfile.TemporaryDirectory() as root:
        extraction = Extraction(folder, Path(root), sampling, FaceSpec(finder=finder), None, "png")
        return sum(len(record["crops"]) for record in work_off(jobs, extraction, workers))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and save; returns the exit status."""
    bench = Bench("prepare", __doc__)
    bench.parser.add_argument("folder", type=Path, nargs="?", help="with videos")
    bench.parser.add_argument("--repeat", type=int, default=4, help="how often each video is done (default 4)")
    bench.parser.add_argument("--frames", default="32", help="of each video (default 32)")
    bench.parser.add_argument("--finder", default="mtcnn", help="of faces (default mtcnn)")
    options = bench.parse(arguments)
    with tempfile.TemporaryDirectory() as made:
        folder = options.folder or make_tree("faceforensics", Path(made) / "tree")
        found = files_below(folder, VIDEO_SUFFIXES)
        try:
            if not found:
                raise UserError(f"{folder} holds no video.")
            measure(bench, found, options.repeat, video.Sampling.parse(options.frames), options.finder)
        except UserError as error:
            return leave(error)
    bench.save()
    return 0


def measure(bench: Bench, found: list[Path], repeat: int, sampling: video.Sampling, finder: str) -> None:
    """Prepare the videos `repeat` times over in each way: rates, ratios and memory."""
    with tempfile.TemporaryDirectory() as links:
        folder = Path(links)
        jobs = []
        for number in range(repeat):
            for position, file in enumerate(found):
                name = f"{number:03d}_{position:05d}{file.suffix}"
                (folder / name).symlink_to(file.resolve())
                jobs.append(Job(name, "video", None, file.stat().st_size))
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            start = time.perf_counter()
            faces, memory = pool.submit(bare, [folder / job.path for job in jobs], sampling, finder).result()
            rates = [len(jobs) / (time.perf_counter() - start) * 60]
        rows = [["bare loop", f"{rates[0]:.1f}", f"{faces} faces", f"{memory >> 10}"]]
        for workers in (1, 2):
            start = time.perf_counter()
            crops = prepared(folder, jobs, sampling, finder, workers)
            rates.append(len(jobs) / (time.perf_counter() - start) * 60)
            rows.append([f"{workers} process{'es' if workers > 1 else ''}", f"{rates[-1]:.1f}", f"{crops} crops", ""])
        for done in (jobs[: len(found)], jobs):
            peak = peak_memory(folder, done, sampling, finder)
            rows.append([f"1 process after {len(done)} videos", "", "", f"{peak >> 10}"])
    header = ["", "videos/min", "found", "memory's peak, MiB"]
    bench.table(f"{len(jobs)} videos", header, rows)
    bench.ratio("One process against a loop that only decodes and finds faces", rates[1] / rates[0])
    bench.ratio("Two processes against one", rates[2] / rates[1])


def peak_memory(folder: Path, jobs: list[Job], sampling: video.Sampling, finder: str) -> int:
    """Highest resident memory of a worker that did these jobs, in KiB."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_work_and_measure, folder, jobs, sampling, finder).result()


def _work_and_measure(folder: Path, jobs: list[Job], sampling: video.Sampling, finder: str) -> int:
    prepared(folder, jobs, sampling, finder, 1)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


if __name__ == "__main__":
    sys.exit(main())
