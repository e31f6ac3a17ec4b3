"""The page of an audit, and the same as JSON and CSV."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fakedet.data import manifest
from fakedet.data.audit import similar
from fakedet.data.audit.findings import FINDING, Line, auc_cell
from fakedet.data.audit.leaks import Leaks
from fakedet.data.audit.properties import FINDER, PROPERTIES
from fakedet.data.audit.shortcuts import TOGETHER, Shortcut
from fakedet.data.datamodule import DataModule
from fakedet.data.manifest import SPLITS, for_a_table
from fakedet.data.splits import CLASS_NAMES
from fakedet.detector.image import ImageError, decode
from fakedet.figures import canvas
from fakedet.figures.coverage import coverage_figure
from fakedet.figures.distribution import kinds_figure, number_figure
from fakedet.figures.leaks import sharing_figure, side_by_side
from fakedet.figures.page import Block, Facts, Gallery, Grid, Picture, Section, render

PAIRS = 24  # pictures that are shown beside their doubles
_NAMES = 20  # of what is shared, on the page; audit.json has all


@dataclass(frozen=True)
class Audit:
    """All that an audit found.

    Attributes:
        name: of the data set.
        verdict: in one sentence.
        lines: what was looked at.
        leaks: what the splits share.
        shortcuts: what gives the classes away.
        covered: counts of frames and faces, where there are any.
        table: the sample's properties.
        max_auc: above it a shortcut is a finding.
    """

    name: str
    verdict: str
    lines: Sequence[Line]
    leaks: Leaks
    shortcuts: Sequence[Shortcut]
    covered: pd.DataFrame | None
    table: pd.DataFrame
    max_auc: float


def write_report(run: Path, audit: Audit, data: DataModule) -> Path:
    """Write `audit.html`, `audit.json` and `near_duplicates.csv` into the run folder; returns the page.

    Args:
        run: the run's folder.
        audit: what was found.
        data: prepared; the pictures are read from it.
    """
    facts = _facts(audit, data)
    pairs = audit.leaks.pairs
    texts = [name for name in pairs.columns if pd.api.types.is_string_dtype(pairs[name])]
    pairs.assign(**{str(name): pairs[name].map(for_a_table) for name in texts}).to_csv(
        run / "near_duplicates.csv", index=False, float_format="%.4f", errors="replace"
    )
    record = {
        "verdict": audit.verdict,
        **facts,
        "findings": [line.says for line in audit.lines if line.verdict == FINDING],
        "lines": [vars(line) for line in audit.lines],
        "leaks": [asdict(leak) for leak in audit.leaks.kinds],
        "shortcuts": [asdict(each) for each in audit.shortcuts],
        "coverage": None if audit.covered is None else audit.covered.to_dict("records"),
    }
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (run / "audit.json").write_text(text, "utf-8", errors="replace")
    sections = [
        Section("What was looked at", [_overview(audit.lines)]),
        *_leak_sections(audit.leaks, data.root),
        *_shortcut_sections(audit),
        *_coverage_sections(audit),
        Section("Data", [Facts({name.replace("_", " "): _text(value) for name, value in facts.items()})]),
    ]
    page = render(f"Audit of {canvas.printable(audit.name)}", audit.verdict, [], sections)
    (run / "audit.html").write_text(page, "utf-8", errors="replace")
    return run / "audit.html"


def _facts(audit: Audit, data: DataModule) -> dict[str, Any]:
    counts = data.rows.groupby(["split", "label"]).size()
    return {
        "data_set": audit.name,
        "root": str(data.root),
        "images": len(data.rows),
        "groups": int(data.rows["group"].nunique()),
        "splits": {
            split: {name: int(counts.get((split, label), 0)) for label, name in CLASS_NAMES.items()}
            for split in SPLITS
            if split in counts.index.get_level_values(0)
        },
        "protocol": data.protocol_name,
        "protocol_hash": manifest.protocol_hash(data.called(data.rows)),
        "left_out_by_the_protocol": dict(data.dropped),
        "unreadable": len(data.quarantine.reasons),
        "sample_for_shortcuts": len(audit.table),
        "face_finder": FINDER,
        "near_duplicates": f"pHash within {similar.DISTANCE} of 64 bits and gradients correlated at "
        f"{similar.CORRELATION:g} or more, between splits",
        "shortcut_above": audit.max_auc,
    }


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_text(inner)}" for name, inner in value.items()) or "nothing"
    return f"{value:,}" if isinstance(value, int) else canvas.printable(str(value), 400)


def _overview(lines: Sequence[Line]) -> Grid:
    """All lines; properties that are no finding are counted alone, for they have a table of their own."""
    counted = [line for line in lines if line.part == "shortcuts" and line.what != TOGETHER and line.verdict != FINDING]
    rows = [[line.what, line.found, line.verdict] for line in lines if line not in counted]
    for verdict, number in Counter(line.verdict for line in counted).items():
        rows.append(["other properties", f"{number}", verdict])
    return Grid(["Looked at", "Found", "Verdict"], rows)


def _leak_sections(leaks: Leaks, root: Path) -> Iterator[Section]:
    shared = [leak for leak in leaks.kinds if leak.names]
    if not shared:
        return
    named = {leak.kind: canvas.printable(", ".join(leak.names[:_NAMES]), 600) for leak in shared}
    blocks: list[Block] = [Facts(named)]
    figure = sharing_figure(leaks.graph)
    if figure is not None:
        blocks.append(Gallery([Picture(canvas.png(figure), "what is shared, as a graph")]))
    yield Section(
        "Shared between splits",
        blocks,
        "What a split shares with an earlier one (train, then val, then test) is known to a detector before it is "
        "tested: its score there says nothing about new images.",
    )
    if len(leaks.pairs):
        cards = [_card(row, root) for row in _spread(leaks.pairs).itertuples()]
        yield Section(
            "The same picture in two splits",
            [Gallery([card for card in cards if card is not None], small=True)],
            f"{len(cards)} of {len(leaks.pairs):,} pairs; near_duplicates.csv has all.",
        )


def _spread(pairs: pd.DataFrame) -> pd.DataFrame:
    """Some equal files, and near-duplicates from the most to the least alike."""
    same, similar_ones = (part for part in (pairs[pairs["same_file"]], pairs[~pairs["same_file"]]))
    count = min(len(same), max(PAIRS // 2, PAIRS - len(similar_ones)))
    left = min(PAIRS - count, len(similar_ones))
    places = np.linspace(0, max(0, len(similar_ones) - 1), left).round().astype(int)
    return pd.concat([same.head(count), similar_ones.iloc[places]])


def _card(row: Any, root: Path) -> Picture | None:
    try:
        data = side_by_side(decode(root / row.path), decode(root / row.other))
    except ImageError:
        return None  # the same bytes, which are no picture
    how = "same file" if row.same_file else f"{row.distance} of 64 bits apart, correlation {row.correlation:.3f}"
    sides = [
        f"{split}, {CLASS_NAMES[label]}: {canvas.printable(path, 80)}"
        for path, split, label in ((row.path, row.split, row.label), (row.other, row.other_split, row.other_label))
    ]
    return Picture(data, "the same picture in two splits", (how.capitalize(), *sides))


def _shortcut_sections(audit: Audit) -> Iterator[Section]:
    rows = [[each.title, auc_cell(each), each.real, each.fake, each.verdict] for each in audit.shortcuts]
    findings = [each for each in audit.shortcuts if each.verdict == FINDING and each.name != TOGETHER]
    pictures = [_distribution(each, audit.table) for each in findings]
    text = (
        f"How well a property tells real from fake by itself, tried on {len(audit.table):,} images: AUC of small "
        f"gradient-boosted trees, cross-validated by group, with its 95 % interval. Above {audit.max_auc:g}, a "
        "detector may score without having looked at the picture. Real and fake: the median, or the share of the "
        "kind that differs most."
    )
    blocks: list[Block] = [Grid(["Property", "Tells the classes apart", "Real", "Fake", "Verdict"], rows)]
    yield Section("Shortcuts", [*blocks, *([Gallery(pictures)] if pictures else [])], text)


def _distribution(each: Shortcut, table: pd.DataFrame) -> Picture:
    (kind,) = (known for known in PROPERTIES if known.name == each.name)
    rows = table[table[each.name].notna()]
    title = f"{each.title}: {auc_cell(each)}"
    if kind.says is None:
        figure = kinds_figure(rows["label"], rows[each.name].tolist(), title)
    else:
        figure = number_figure(rows["label"], rows[each.name].astype(float), title, kind.show)
    return Picture(canvas.png(figure), title, (each.says[0].upper() + each.says[1:],))


def _coverage_sections(audit: Audit) -> Iterator[Section]:
    if audit.covered is not None:
        figure = coverage_figure(audit.covered)
        yield Section(
            "Coverage", [Gallery([Picture(canvas.png(figure), "share of frames that gave a crop, by method")])]
        )
