"""How much of a download became crops, by class and method.

A detector's score means little where one class loses more faces than the other: what is hard to find is
then missing from one side only.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from fakedet.data.extract import NO_MASK
from fakedet.data.prepared import COVERAGE, Prepared
from fakedet.data.splits import CLASS_NAMES
from fakedet.figures import canvas
from fakedet.figures.coverage import coverage_figure
from fakedet.figures.page import Facts, Gallery, Grid, Picture, Section, render

MAX_GAP = 0.02  # between the classes' shares of frames that gave a crop
_HEADER = ("class", "method", "files", "unreadable", "frames", "crops", "share")


def count(rows: pd.DataFrame, records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Files, frames and crops of each class and method.

    Args:
        rows: of the scan.
        records: what became of each of them, in the same order.

    Returns:
        Columns label, method, files, unreadable, frames, faces (frames that gave a crop).
    """
    counted = pd.DataFrame(
        {
            "label": rows["label"].to_numpy(),
            "method": rows["method"].fillna("unknown").to_numpy(),
            "files": 1,
            "unreadable": [int(record["error"] is not None) for record in records],
            "frames": [record["frames"] for record in records],
            "faces": [_faces(record) for record in records],
        }
    )
    return counted.groupby(["label", "method"], as_index=False).sum()


def _faces(record: dict[str, Any]) -> int:
    """Frames that gave a crop; a picture without a face that was kept whole gave none."""
    lost = {frame for frame, reason in record["lost"] if not reason.startswith(NO_MASK)}
    return len({crop["frame"] for crop in record["crops"]} - lost)


def shares(covered: pd.DataFrame) -> pd.Series:
    """Share of frames that gave a crop, by label; without labels that have no frame."""
    sums = covered.groupby("label")[["frames", "faces"]].sum()
    sums = sums[sums["frames"] > 0]
    return sums["faces"] / sums["frames"]


def warnings(covered: pd.DataFrame) -> list[str]:
    """What makes a score on these crops doubtful, a sentence each."""
    found = []
    by_class = shares(covered)
    if len(by_class) == len(CLASS_NAMES) and by_class.max() - by_class.min() > MAX_GAP:
        real, fake = (f"{by_class[label]:.1%} of {name} frames" for label, name in CLASS_NAMES.items())
        found.append(
            f"Faces were found in {real} and {fake}: more than {MAX_GAP:.0%} apart, so a score says less than it seems."
        )
    for label, part in covered.groupby("label"):
        lost = int(part["unreadable"].sum())
        if lost:
            found.append(f"{lost} of {part['files'].sum()} {CLASS_NAMES[int(str(label))]} files cannot be read.")
    return found


def read(root: Path) -> pd.DataFrame | None:
    """The counts of a prepared folder; None where there are none."""
    file = root / COVERAGE
    return pd.read_csv(file) if file.is_file() else None


def table(covered: pd.DataFrame) -> Table:
    """The counts for a terminal."""
    grid = Table(title="Coverage", title_justify="left")
    for position, name in enumerate(_HEADER):
        grid.add_column(name, justify="left" if position < 2 else "right")
    for cells in _cells(covered):
        grid.add_row(*cells)
    return grid


def write(root: Path, title: str, covered: pd.DataFrame, settings: Prepared) -> Path:
    """Leave `coverage.csv` and `coverage.html` in the prepared folder; returns the page."""
    covered.to_csv(root / COVERAGE, index=False)
    total = covered[["files", "unreadable", "frames", "faces"]].sum()
    verdict = f"{total['faces']:,} crops from {total['frames']:,} frames of {total['files']:,} files."
    picture = Picture(canvas.png(coverage_figure(covered)), "Share of frames that gave a crop, by method")
    face = settings.face.to_json() if settings.face else {"faces": "none, pictures are kept whole"}
    facts = {"frames of a video": settings.frames, **face, "picture format": settings.picture_format}
    facts |= {"pictures kept whole": settings.whole} if settings.face else {}
    sections = [
        Section("Counts", [Grid(_HEADER, _cells(covered)), Gallery([picture])]),
        Section("Settings", [Facts({name: str(value) for name, value in facts.items()})]),
    ]
    page = root / "coverage.html"
    page.write_text(render(f"Coverage of {title}", verdict, warnings(covered), sections), encoding="utf-8")
    return page


def _cells(covered: pd.DataFrame) -> list[list[str]]:
    cells = []
    for row in covered.to_dict("records"):
        share = f"{row['faces'] / row['frames']:.1%}" if row["frames"] else "—"
        numbers = (f"{row[name]:,}" for name in ("files", "unreadable", "frames", "faces"))
        cells.append([CLASS_NAMES[row["label"]], str(row["method"]), *numbers, share])
    return cells
