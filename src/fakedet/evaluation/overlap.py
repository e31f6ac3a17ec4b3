"""Which images show what a detector was trained on: the same file, video, source clip or person."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakedet.data.benchmarks.folder import Folder
from fakedet.data.datamodule import DataModule
from fakedet.data.manifest import OF_ITSELF
from fakedet.detector.trained_on import NAMED, Digests, TrainedOn, digest_names

# Kind -> columns of the manifest that name it.
_COLUMNS = {
    "video": ("video",),
    "source_clip": ("source_clip",),
    "identity": ("target_identity", "source_identity"),
}
_TITLES = {"file": "file", "video": "video", "source_clip": "source clip", "identity": "person"}
_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Overlap:
    """What images share with the training of a detector, of one kind.

    Attributes:
        kind: one of `trained_on.KINDS`.
        rows: (images,) bool, which of them share it.
        names: what is shared, each once, in the order of the images: paths of files, qualified names else.
    """

    kind: str
    rows: NDArray[np.bool_]
    names: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of the images that share it."""
        return int(self.rows.sum())


def remember(rows: pd.DataFrame, file_digests: Digests) -> TrainedOn:
    """The digests of training images.

    Args:
        rows: of the manifest.
        file_digests: `DataModule.file_digests` of them.
    """
    named = {kind: digest_names(kind, _named(rows, kind)[1]) for kind in NAMED}
    return TrainedOn(file=file_digests, **named)


def overlaps(trained_on: TrainedOn, rows: pd.DataFrame, file_digests: Digests) -> list[Overlap]:
    """What images share with the training of a detector; empty where all is new to it.

    Nothing can be said of a file that cannot be read, nor of what the manifest does not name.

    Args:
        trained_on: of the detector.
        rows: of the manifest.
        file_digests: `DataModule.file_digests` of them.

    Returns:
        An entry for each kind that is shared, files first.
    """
    same = trained_on.seen("file", file_digests)
    found = [Overlap("file", same, tuple(rows["path"].to_numpy()[same]))]
    for kind in NAMED:
        bears, names = _named(rows, kind)
        seen = trained_on.seen(kind, digest_names(kind, names))
        shared = np.zeros(len(rows), bool)
        shared[bears[seen[bears[:, 1]], 0]] = True
        found.append(Overlap(kind, shared, tuple(dict.fromkeys(itertools.compress(names, seen)))))
    return [overlap for overlap in found if overlap.count]


def count(found: Sequence[Overlap]) -> int:
    """Number of the images that share anything."""
    return int(np.any([overlap.rows for overlap in found], axis=0).sum()) if found else 0


def sentence(found: Sequence[Overlap], total: int) -> str:
    """What is shared, with the first names, as a sentence without its full stop.

    Args:
        found: of `overlaps`, not empty.
        total: number of the images that were looked at.
    """
    parts = [f"the same {_TITLES[one.kind]} in {one.count:,} ({_first(one.names)})" for one in found]
    return f"{count(found):,} of these {total:,} images show what the detector was trained on: {', '.join(parts)}"


def refusal(found: Sequence[Overlap], total: int, data: DataModule) -> str:
    """`sentence`, and what to do about it.

    Args:
        found: of `overlaps`, not empty.
        total: number of the images that were looked at.
        data: that they are from.
    """
    if found[0].kind == "file":
        way = "choose split=test, or images that are new to it"
    elif isinstance(data, Folder):
        way = "split by them before training (data.group_by), or rename the folder if it is not the one trained on"
    else:
        way = (
            "choose split=test, and train with data.split=identity_disjoint (of several sets: data=mix), "
            "which lets no person and no clip cross"
        )
    return f"{sentence(found, total)}; {way}, or allow_leak=true for a score that means nothing for new images."


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _named(rows: pd.DataFrame, kind: str) -> tuple[NDArray[np.int64], list[str]]:
    """Which image bears which name: (pairs, 2) of positions in the rows and in the qualified names; and these."""
    place: dict[tuple[str, str], int] = {}
    # Plain lists: going through a table row by row takes many times as long.
    datasets, *columns = (rows[column].tolist() for column in ("dataset", *_COLUMNS[kind]))
    bears = [
        (row, place.setdefault((dataset, name), len(place)))
        for row, (dataset, *names) in enumerate(zip(datasets, *columns, strict=True))
        for name in names
        if isinstance(name, str) and not name.startswith(OF_ITSELF)
    ]
    return np.array(bears, np.int64).reshape(-1, 2), [_qualified(name, dataset) for dataset, name in place]


def _qualified(name: str, dataset: str) -> str:
    """A name that means the same everywhere.

    Published data sets give such names (`celebdf:id0`, `celebdf/Celeb-real/id0_0000.mp4`), which other sets made
    from them repeat. In a table of one's own, `person 1` means nothing beyond its folder.
    """
    return name if ":" in name or name.startswith(f"{dataset}/") else f"{dataset}:{name}"
