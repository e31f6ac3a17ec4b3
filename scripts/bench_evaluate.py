"""What the numbers of an evaluation cost, in time and memory, and how often their intervals hold the truth.

    python scripts/bench_evaluate.py [--images 100000] [--groups 3000] [--resamples 1000]
    python scripts/bench_evaluate.py --coverage [--rounds 300]

Scoring reads pictures from disk, and is held against bare inference on the same batches in memory, in turns. Time
and memory are those of all metrics with their intervals, in a process of its own for each size; memory is what
the resampling adds to the loaded predictions. Coverage draws data sets of which the truth is known (half of the
variance lies between groups), and counts the 95 % intervals that hold it, and the tests at 5 % that find a
difference between two detectors that are equally good.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd
from benching import Bench
from numpy.typing import NDArray

from fakedet.evaluation.differences import differences
from fakedet.evaluation.intervals import intervals
from fakedet.metrics.ranking import Ranking
from fakedet.metrics.scores import TITLES, measure

if TYPE_CHECKING:
    from fakedet.data.datamodule import DataModule

Data = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]

GROUPS = (12, 20, 50, 100, 300)
FRAMES = 8  # of a group, where coverage is counted


def simulate(groups: int, frames: int, skill: float, mixed: bool, rng: np.random.Generator) -> Data:
    """Labels, scores and groups of images that share half of their variance with their group, (groups × frames,).

    Args:
        groups: how many.
        frames: images of each.
        skill: distance of the classes, in standard deviations; 1 is an AUC of 0.76, 3 of 0.98.
        mixed: whether a group holds both classes; else it holds one.
        rng: draws them.
    """
    number = np.repeat(np.arange(groups), frames)
    labels = np.arange(len(number)) % 2 if mixed else number % 2
    logits = skill * (labels - 0.5) + np.sqrt(0.5) * (rng.normal(size=groups)[number] + rng.normal(size=len(number)))
    return labels, 1 / (1 + np.exp(-logits)), number


def bench_speed(bench: Bench, pictures: int, rounds: int) -> None:
    """Images per second of MobileNetV2's scoring, and of a bare loop over the same batches; in turns."""
    # Here, because the processes whose memory is measured import this file.
    import torch

    from fakedet.detector.decision import Decision
    from fakedet.evaluation.scoring import score
    from fakedet.models.registry import build

    network = build("mobilenetv2").eval().to(memory_format=torch.channels_last)
    with tempfile.TemporaryDirectory() as folder:
        data = _pictures(Path(folder), pictures)
        batches = [batch["image"] for batch in data.evaluation_loader(data.rows)]
        ratios, speeds = [], []
        for turn in range(rounds + 1):  # the first one warms up
            start = time.perf_counter()
            with torch.inference_mode():
                for images in batches:
                    network(images.contiguous(memory_format=torch.channels_last)).numpy()
            middle = time.perf_counter()
            score(network, data, data.rows, torch.device("cpu"), Decision())
            bare, ours = middle - start, time.perf_counter() - middle
            if turn:
                ratios.append(bare / ours)
                speeds.append(pictures / ours)
    workers = f"{data.workers} loading process{'es' if data.workers > 1 else ''}"
    bench.note(f"Scoring {pictures} pictures, {workers}: {np.median(speeds):.1f} images/s")
    bench.ratio(
        "Speed of scoring pictures on disk against bare inference on the same batches in memory",
        float(np.median(ratios)), min(ratios), max(ratios),
    )  # fmt: skip


def _pictures(folder: Path, count: int) -> "DataModule":
    from fakedet.detector.spec import PreprocessSpec
    from fakedet.instantiation import instantiate

    rng = np.random.default_rng(0)
    for label in ("real", "fake"):
        (folder / label).mkdir()
        for number in range(count // 2):
            coarse = rng.integers(256, size=(16, 16, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / label / f"{number}.jpg"), cv2.resize(coarse, (256, 256)))
    section = {
        "_target_": "fakedet.data.benchmarks.folder.Folder", "root": str(folder), "batch_size": 32, "workers": None,
        "balance": [], "limit": None, "val_share": 0.0, "test_share": 0.0, "split_seed": 0, "max_unreadable": 0.0,
    }  # fmt: skip
    data: DataModule = instantiate(section, spec=PreprocessSpec())
    return data.prepare()


def cost(images: int, groups: int, resamples: int) -> tuple[float, float, int]:
    """Seconds, CPU seconds, and KiB that the intervals of all metrics add to the process."""
    data = simulate(groups, images // groups, 1.0, False, np.random.default_rng(0))
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far (Linux)
    wall, processor = time.perf_counter(), time.process_time()
    intervals(*data, resamples=resamples)
    seconds = time.perf_counter() - wall, time.process_time() - processor
    return *seconds, _memory("VmHWM") - before


def _memory(what: str) -> int:
    """Resident memory of this process in KiB: `VmRSS` now, `VmHWM` at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:"))


def bench_costs(bench: Bench, images: int, groups: int, resamples: int) -> None:
    """Cost of the size that was asked for, of ten times as many images, and of those with fewer resamples."""
    rows = []
    sizes = [
        (images, groups, resamples),
        (images, images, resamples),
        (10 * images, groups, resamples // 10),
        (10 * images, groups, resamples),
    ]
    for size in sizes:
        # A process of its own: the peak of one size would hide that of the next.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            seconds, processor, memory = pool.submit(cost, *size).result()
        rows.append([*(f"{number:,}" for number in size), f"{seconds:.1f}", f"{processor:.1f}", f"{memory >> 10:,}"])
    header = ["images", "groups", "resamples", "seconds", "CPU seconds", "MiB added"]
    bench.table(f"All {len(TITLES)} metrics with intervals", header, rows)


def bench_coverage(bench: Bench, rounds: int, resamples: int) -> None:
    """Share of intervals that hold the truth, by metric and number of groups; and of differences found in vain."""
    for skill in (1.0, 3.0):
        for mixed in (False, True):
            rng = np.random.default_rng(0)
            labels, scores, _ = simulate(100_000, FRAMES, skill, mixed, rng)
            truth = {name: float(value) for name, value in measure(Ranking(labels, scores)).items()}
            held = {groups: covered(groups, skill, mixed, truth, rounds, resamples, rng) for groups in GROUPS}
            kind = "both classes" if mixed else "one class"
            title = f"% of 95 % intervals that hold the truth, AUC {truth['auc']:.2f}, groups of {kind}"
            rows = [
                [TITLES.get(name, name), *(held[groups][name] for groups in GROUPS)]
                for name in ("p < 0.05 in vain", *TITLES)
            ]
            bench.table(title, ["metric", *(f"{groups} groups" for groups in GROUPS)], rows)


def covered(
    groups: int,
    skill: float,
    mixed: bool,
    truth: dict[str, float],
    rounds: int,
    resamples: int,
    rng: np.random.Generator,
) -> dict[str, str]:
    """Per cent of the intervals that hold the truth, by metric; a dash where data sets of this size have none."""
    hits: dict[str, list[bool]] = {name: [] for name in ("p < 0.05 in vain", *TITLES)}
    for number in range(rounds):
        labels, scores, codes = simulate(groups, FRAMES, skill, mixed, rng)
        for name, (low, high) in intervals(labels, scores, codes, resamples=resamples, seed=number).bounds.items():
            if not np.isnan(low):
                hits[name].append(low <= truth[name] <= high)
        other = simulate(groups, FRAMES, skill, mixed, rng)[1]
        first, second = paired(labels, codes, scores, other)
        p_value = differences(first, second, resamples=resamples, seed=number).metrics["auc"].p_value
        hits["p < 0.05 in vain"].append(p_value < 0.05)
    return {name: f"{100 * np.mean(found):.1f}" if found else "—" for name, found in hits.items()}


def paired(labels: NDArray[np.int64], codes: NDArray[np.int64], *scores: NDArray[np.float64]) -> Iterator[pd.DataFrame]:
    """The same rows with each detector's scores."""
    paths = [f"{number}.png" for number in range(len(labels))]
    for given in scores:
        yield pd.DataFrame({"path": paths, "label": labels, "group": codes, "score": given})


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what was asked for, print and save."""
    bench = Bench("evaluate", __doc__)
    bench.parser.add_argument("--images", type=int, default=100_000)
    bench.parser.add_argument("--groups", type=int, default=3000)
    bench.parser.add_argument("--resamples", type=int, default=1000)
    bench.parser.add_argument("--pictures", type=int, default=512, help="256 pixels wide, JPEG, that are scored")
    bench.parser.add_argument("--turns", type=int, default=5, help="of scoring and bare inference")
    bench.parser.add_argument("--coverage", action="store_true", help="count how many intervals hold the truth")
    bench.parser.add_argument("--rounds", type=int, default=300, help="data sets of each size, for --coverage")
    options = bench.parse(arguments)
    if options.coverage:
        bench.name = "coverage"  # beside the costs, not in their place
        bench_coverage(bench, options.rounds, options.resamples)
    else:
        bench_speed(bench, options.pictures, options.turns)
        bench_costs(bench, options.images, options.groups, options.resamples)
    bench.save()


if __name__ == "__main__":
    main()
