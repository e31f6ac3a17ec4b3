"""The shipped detector beside published ones, on the same pictures, in turns.

    python scripts/bench_peers.py /pictures [/more] [--model detector.onnx] [--group-by original] [--limit 400]

Folders are those of data=folder: real/ and fake/, with splits above them or not, or a table. Peers come from the
package registry into outputs/bench/peers (scripts/peers.py says which) and run with the versions that they ask for;
each gets the picture as its documentation wants it. Pictures that the detector was trained on, and their groups, are
left out, and so is what it finds no face in, for all alike. A detector is called right or wrong at its own
threshold; what it leaves open below that counts as not called fake. Intervals are 95 %, from a bootstrap over groups;
differences are of the same resamples.
"""

import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from benching import Bench, leave
from peer_worker import Running
from peers import PEERS
from rich.progress import track

from fakedet.data.benchmarks.folder import Folder
from fakedet.data.own_table import SUFFIXES
from fakedet.data.splits import CLASS_NAMES, limit_by_group
from fakedet.detector.detector import Detector
from fakedet.detector.shipped import OWN
from fakedet.detector.spec import PreprocessSpec
from fakedet.detector.trained_on import TrainedOn
from fakedet.errors import UserError
from fakedet.evaluation.differences import Differences, differences_of_pairs
from fakedet.evaluation.intervals import intervals
from fakedet.evaluation.overlap import overlaps
from fakedet.metrics.scores import confusion

OURS = "this detector"


def read(root: Path, group_by: str | None, split: str, limit: int | None, known: TrainedOn) -> tuple[pd.DataFrame, int]:
    """Rows of a folder that are new to the detector, and how many were left out because they are not.

    Raises:
        UserError: for a folder that cannot be read, or has not enough that is new.
    """
    tables = root.is_dir() and any(entry.suffix in SUFFIXES for entry in root.iterdir())
    data = Folder(
        root=str(root), group_by=group_by if tables else None, batch_size=1, workers=0, balance=[], limit=None,
        val_share=0.1, test_share=0.1, split_seed=0, max_unreadable=0.01, spec=PreprocessSpec(),
    ).prepare()  # fmt: skip
    rows = data.rows if split == "all" else data.split(split)
    shared = [overlap.rows for overlap in overlaps(known, rows, data.file_digests(rows))]
    seen = rows["group"].isin(rows["group"][np.any(shared, axis=0)]) if shared else pd.Series(False, index=rows.index)
    new = rows[~seen].reset_index(drop=True)
    for label, name in CLASS_NAMES.items():
        if not (new["label"] == label).any():
            raise UserError(f"{root}, split={split}, has no {name} picture that is new to the detector.")
    return (new if limit is None else limit_by_group(new, limit, 0)), int(seen.sum())


def score(
    rows: pd.DataFrame, root: Path, ours: Detector, cropped: bool, peers: dict[str, Running], bench: Bench
) -> tuple[pd.DataFrame, dict[str, Any], dict[str, Any]]:
    """Every detector on each picture, in turns: the rows that have a score, and scores and milliseconds by name."""
    scores: dict[str, list[float]] = {name: [] for name in (OURS, *peers)}
    times: dict[str, list[float]] = {name: [] for name in scores}
    kept = []
    for number, path in enumerate(track(rows["path"], f"{root.name}, {len(rows)} pictures", console=bench.console)):
        data = (root / path).read_bytes()
        start = time.perf_counter()
        result = ours.predict(data, cropped=cropped)
        taken = 1000 * (time.perf_counter() - start)
        if result.probability is None:
            continue
        kept.append(number)
        found = {OURS: (result.probability, taken), **{name: peer(root / path) for name, peer in peers.items()}}
        for name, (probability, milliseconds) in found.items():
            scores[name].append(probability)
            times[name].append(milliseconds)
    return rows.iloc[kept].reset_index(drop=True), scores, times


def compare(
    rows: pd.DataFrame, scores: dict[str, Any], thresholds: dict[str, float], resamples: int
) -> tuple[list[dict[str, Any]], list[Differences]]:
    """Numbers of each detector, ours first, and ours less each of the others."""
    tables = [rows.assign(score=values) for values in scores.values()]
    limits = [thresholds[name] for name in scores]
    pairs = [(0, other) for other in range(1, len(tables))]
    differences = differences_of_pairs(tables, pairs, thresholds=limits, resamples=resamples)
    found = []
    for place, (name, values) in enumerate(scores.items()):
        first = differences[max(0, place - 1)]
        points = first.first if place == 0 else first.second
        bounds = intervals(rows["label"], values, rows["group"], threshold=limits[place], resamples=resamples).bounds
        (right_reals, false_fakes), (missed, right_fakes) = confusion(rows["label"], values, threshold=limits[place])
        numbers: dict[str, Any] = {"detector": name, "images": len(rows), "groups": first.groups}
        for metric in ("auc", "accuracy", "balanced_accuracy"):
            numbers |= {metric: points[metric], f"{metric}_interval": list(bounds[metric])}
        numbers["fakes_found"] = float(right_fakes / (right_fakes + missed))
        numbers["reals_called_fake"] = float(false_fakes / (false_fakes + right_reals))
        if place:
            numbers["auc_of_this_detector_less_that"] = asdict(first.metrics["auc"])
        found.append(numbers)
    return found, differences


def report(bench: Bench, title: str, found: list[dict[str, Any]], differences: list[Differences]) -> None:
    """A folder's tables."""
    header = ["detector", "AUC", "accuracy", "balanced accuracy", "fakes found", "reals called fake"]
    rows = [
        [
            numbers["detector"],
            *(_with_bounds(numbers[name], numbers[f"{name}_interval"]) for name in ("auc", "accuracy")),
            f"{numbers['balanced_accuracy']:.3f}",
            *(f"{100 * numbers[name]:.1f} %" for name in ("fakes_found", "reals_called_fake")),
        ]
        for numbers in found
    ]
    bench.table(title, header, rows)
    for numbers, difference in zip(found[1:], differences, strict=True):
        auc = difference.metrics["auc"]
        text = _with_bounds(auc.value, [auc.low, auc.high], signed=True)
        p_value = "" if np.isnan(auc.p_value) else f", p = {auc.p_value:.2g}"
        bench.note(f"{title}: AUC of this detector less that of {numbers['detector']} {text}{p_value}")


def _with_bounds(value: float, bounds: Sequence[float], signed: bool = False) -> str:
    form = "+.3f" if signed else ".3f"
    return f"{value:{form}}" + ("" if np.isnan(bounds).any() else f" [{bounds[0]:{form}}, {bounds[1]:{form}}]")


def measure(
    bench: Bench,
    options: Any,
    folders: Sequence[tuple[Path, pd.DataFrame, int]],
    ours: Detector,
    peers: dict[str, Running],
) -> list[Any]:
    """Every folder, of `read`, in turn; returns its numbers for programs."""
    # Called fake above ours, and at and above theirs.
    thresholds = {OURS: ours.card.decision.threshold}
    thresholds |= {name: float(np.nextafter(peer.threshold, 0)) for name, peer in peers.items()}
    kept: list[Any] = []
    times: dict[str, list[float]] = {name: [] for name in thresholds}
    for root, rows, seen in folders:
        scored, scores, taken = score(rows, root, ours, options.cropped, peers, bench)
        if scored["label"].nunique() < 2:
            raise UserError(
                f"{root}: this detector has a score for pictures of one class alone; with crops, --cropped."
            )
        found, differences = compare(scored, scores, thresholds, options.resamples)
        title = f"{root.name}, {len(scored):,} pictures of {found[0]['groups']:,} groups"
        report(bench, title, found, differences)
        if seen:
            bench.note(f"{root.name}: {seen:,} pictures are left out, of groups that this detector was trained on")
        if len(scored) < len(rows):
            bench.note(f"{root.name}: {len(rows) - len(scored):,} pictures are left out, of which it gives no score")
        kept.append({"folder": root.name, "split": options.split, "seen": seen, "detectors": found})
        for name, values in taken.items():
            times[name] += values
    medians = {name: float(np.median(values)) for name, values in times.items()}
    sizes = {OURS: options.model.stat().st_size, **{name: peer.size for name, peer in peers.items()}}
    rows_of_cost = [[name, f"{medians[name]:.1f}", f"{sizes[name] / 1e6:.1f}"] for name in medians]
    bench.table("One picture, one thread, from its bytes", ["detector", "ms (median)", "MB on disk"], rows_of_cost)
    for name in peers:
        bench.ratio(f"Time for a picture of {name} against this detector", medians[name] / medians[OURS])
    return kept


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and save; returns the exit status."""
    bench = Bench("peers", __doc__)
    bench.parser.add_argument("folders", type=Path, nargs="+", help="with pictures of both classes")
    bench.parser.add_argument(
        "--model", type=Path, default=OWN, help="a shipped file; default: the one that comes along"
    )
    bench.parser.add_argument("--group-by", help="column that says what belongs together, in folders with a table")
    bench.parser.add_argument("--split", choices=("all", "train", "val", "test"), default="all")
    bench.parser.add_argument("--limit", type=int, help="about so many pictures of each folder (default all)")
    bench.parser.add_argument("--cropped", action="store_true", help="pictures are face crops: look for no faces")
    bench.parser.add_argument("--resamples", type=int, default=1000)
    options = bench.parse(arguments)
    cv2.setNumThreads(1)
    try:
        ours = Detector.load(options.model, threads=1)
        known = TrainedOn.from_json(ours.card.trained_on)
        ways = options.group_by, options.split, options.limit, known
        folders = [(root, *read(root, *ways)) for root in options.folders]
        with contextlib.ExitStack() as stack:
            peers = {
                peer.name: stack.enter_context(contextlib.closing(Running(peer, options.out / "peers")))
                for peer in PEERS
            }
            kept = measure(bench, options, folders, ours, peers)
    except UserError as error:
        return leave(error)
    bench.note(
        f"{OURS}: {options.model.name}, SHA-256 {ours.sha256}, called fake above {ours.card.decision.threshold:.3f}"
    )
    for peer in PEERS:
        bench.note(
            f"{peer.name}: {peer.package} with {peer.runtime}, {peer.about}; {peer.preprocessing}; called fake from "
            f"{peers[peer.name].threshold:.3f}; licence: {peer.licence}"
        )
    described = [{"name": peer.name, "package": peer.package, "files": dict(peer.files)} for peer in PEERS]
    bench.save(folders=kept, peers=described, model=ours.sha256)
    return 0


if __name__ == "__main__":
    sys.exit(main())
