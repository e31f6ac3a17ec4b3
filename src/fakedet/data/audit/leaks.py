"""What one split shares with another: names in the manifest, files, and pictures that are nearly the same."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakedet.data.audit.fingerprints import Fingerprints
from fakedet.data.audit.similar import CORRELATION, candidates, correlations
from fakedet.data.datamodule import UNREADABLE, DataModule
from fakedet.data.manifest import SPLITS

# Kind -> columns of the manifest that name it.
NAMED = {"video": ("video",), "person": ("target_identity", "source_identity"), "source clip": ("source_clip",)}
FILE, PICTURE = "file", "near-duplicate picture"
ONE_SPLIT = "there is one split only"
_ROW, _OTHER = ("path", "split", "label"), ("other", "other_split", "other_label")
_PAIR = (*_ROW, *_OTHER, "distance", "correlation", "same_file")


@dataclass(frozen=True)
class Leak:
    """What several splits share of one kind.

    Attributes:
        kind: a key of `NAMED`, `FILE` or `PICTURE`.
        names: what is shared, by name or path, the one with most images first.
        images: images that would have to go so that the first split with it keeps it alone.
        unknown: why nothing can be said of this kind; empty where something can.
    """

    kind: str
    names: list[str] = field(default_factory=list)
    images: int = 0
    unknown: str = ""


@dataclass(frozen=True)
class Leaks:
    """All that the splits share.

    Attributes:
        kinds: one entry a kind, in the order of the report.
        pairs: pictures that stand in two splits: columns `path`, `split`, `label`, and the same of the `other`,
            which stands in an earlier split, `distance` (bits), `correlation`, `same_file`.
        graph: shared people, clips and videos; `kind` and `splits` (images by split) of a node, and an edge
            between two that an image names.
    """

    kinds: list[Leak]
    pairs: pd.DataFrame
    graph: nx.Graph


def find_leaks(data: DataModule, prints: Fingerprints, scratch: Path) -> Leaks:
    """Compare the splits.

    Args:
        data: prepared.
        prints: of its rows.
        scratch: folder for a temporary file.
    """
    rows = data.rows
    if len(rows["split"].unique()) == 1:
        kinds = [Leak(kind, unknown=ONE_SPLIT) for kind in (*NAMED, FILE, PICTURE)]
        return Leaks(kinds, pd.DataFrame(columns=_PAIR), nx.Graph())
    rank = np.array([SPLITS.index(split) for split in rows["split"]], np.int64)
    names = {kind: _names(rows, columns) for kind, columns in NAMED.items()}
    shared = {kind: _shared(named, rank) for kind, named in names.items()}
    kinds = [_named_leak(kind, named, shared[kind], rank) for kind, named in names.items()]
    same, similar = _same_files(prints, rank), _similar_pictures(data, prints, rank, scratch)
    kinds += [_picture_leak(FILE, same, rows), _picture_leak(PICTURE, similar, rows)]
    pairs = pd.concat([same.assign(same_file=True), similar.assign(same_file=False)], ignore_index=True)
    return Leaks(kinds, _described(pairs, rows), _graph(names, shared))


def _names(rows: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """Columns `row` and `name`, one line for each name that an image bears."""
    parts = []
    for column in columns:
        known = rows[column].dropna()
        parts.append(pd.DataFrame({"row": known.index.to_numpy(), "name": known.astype(str)}))
    return pd.concat(parts, ignore_index=True).drop_duplicates()


def _shared(named: pd.DataFrame, rank: NDArray[np.int64]) -> pd.DataFrame:
    """Images by split (columns) of each name that stands in several, the most frequent first."""
    counts = pd.crosstab(named["name"], rank[named["row"]]).reindex(columns=range(len(SPLITS)), fill_value=0)
    counts.columns = list(SPLITS)
    counts = counts[(counts > 0).sum(axis=1) > 1]
    return counts.loc[counts.sum(axis=1).sort_values(ascending=False, kind="stable").index]


def _named_leak(kind: str, named: pd.DataFrame, shared: pd.DataFrame, rank: NDArray[np.int64]) -> Leak:
    affected = named[named["name"].isin(shared.index)]
    first = (shared.to_numpy() > 0).argmax(axis=1)
    late = rank[affected["row"]] > pd.Series(first, shared.index).reindex(affected["name"]).to_numpy()
    images = affected.loc[late, "row"].nunique()
    return Leak(kind, list(shared.index), images, "" if len(named) else "not in the manifest")


def _same_files(prints: Fingerprints, rank: NDArray[np.int64]) -> pd.DataFrame:
    """Columns `row` and `other`: each image with the first one of an earlier split that has the same bytes."""
    order = np.lexsort((rank, prints.digests))
    order = order[prints.digests[order] != UNREADABLE]
    digests = prints.digests[order]
    first = order[np.searchsorted(digests, digests)]
    late = rank[order] > rank[first]
    pairs = pd.DataFrame({"row": order[late], "other": first[late], "distance": 0, "correlation": 1.0})
    return pairs.sort_values("row", ignore_index=True)


def _similar_pictures(data: DataModule, prints: Fingerprints, rank: NDArray[np.int64], scratch: Path) -> pd.DataFrame:
    """Columns `row`, `other` (of an earlier split), `distance` and `correlation`; same bytes are left out."""
    found = []
    for early, late in itertools.combinations(range(len(SPLITS)), 2):
        ours, theirs = (np.flatnonzero(prints.readable & (rank == split)) for split in (late, early))
        if len(ours) and len(theirs):
            i, j, distances = candidates(prints.hashes[ours], prints.hashes[theirs])
            found.append(pd.DataFrame({"row": ours[i], "other": theirs[j], "distance": distances}))
    if not found:
        return pd.DataFrame({"row": [], "other": [], "distance": [], "correlation": []}).astype(int)
    pairs = pd.concat(found, ignore_index=True)
    pairs = pairs[prints.digests[pairs["row"]] != prints.digests[pairs["other"]]]
    files = [data.root / path for path in data.rows["path"]]
    alike = correlations(files, pairs["row"].to_numpy(), pairs["other"].to_numpy(), scratch)
    pairs = pairs.assign(correlation=alike)[alike >= CORRELATION]
    return pairs.sort_values(["correlation", "row", "other"], ascending=[False, True, True], ignore_index=True)


def _picture_leak(kind: str, pairs: pd.DataFrame, rows: pd.DataFrame) -> Leak:
    names = rows["path"].iloc[pairs["row"].drop_duplicates()].tolist()
    return Leak(kind, names, len(names))


def _described(pairs: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    described = pairs.copy()
    for side, names in (("row", _ROW), ("other", _OTHER)):
        chosen = rows.iloc[pairs[side]]
        described = described.assign(
            **{name: chosen[column].to_numpy() for name, column in zip(names, _ROW, strict=True)}
        )
    return described[list(_PAIR)]


def _graph(names: Mapping[str, pd.DataFrame], shared: Mapping[str, pd.DataFrame]) -> nx.Graph:
    """People and clips; videos only where neither is known, for they say the same once more."""
    kinds = [kind for kind in ("person", "source clip") if len(shared[kind])] or ["video"]
    graph: nx.Graph = nx.Graph()
    named = []
    for kind in kinds:
        for name, counts in shared[kind].iterrows():
            graph.add_node((kind, name), kind=kind, name=name, splits=counts.to_dict())
        chosen = names[kind][names[kind]["name"].isin(shared[kind].index)]
        nodes = pd.Series([(kind, name) for name in chosen["name"]], chosen.index, dtype=object)
        named.append(pd.DataFrame({"row": chosen["row"], "node": nodes}))
    together = pd.concat(named, ignore_index=True)
    couples = together.merge(together, on="row")[["node_x", "node_y"]].drop_duplicates()
    graph.add_edges_from(couple for couple in couples.itertuples(index=False, name=None) if couple[0] < couple[1])
    return graph
