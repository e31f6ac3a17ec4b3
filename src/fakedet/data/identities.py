"""People and clips as a graph: which rows show the same real material, and so must share a split."""

from dataclasses import dataclass

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakedet.data.manifest import REAL

Numbers = NDArray[np.int64]
UNKNOWN = -1


@dataclass(frozen=True)
class Ties:
    """People and clips of a manifest as numbered nodes: people in the order of their names, then clips.

    Attributes:
        names: (nodes,) `person …` or `clip …`.
        people: how many of the nodes are people.
        component: (nodes,) the smallest node of each one's component.
        own: (rows,) the node that a row belongs to: its target's, else its clip's, else its source's.
        video: (rows,) a number that the rows of a video share; an image has one for itself.
        needs: (pairs, 2) each video's number with each component that its rows come from, sorted.
    """

    names: NDArray[np.object_]
    people: int
    component: Numbers
    own: Numbers
    video: Numbers
    needs: Numbers

    def group(self) -> NDArray[np.object_]:
        """(rows,) the name of each row's component: its smallest node, a person if there is one."""
        return self.names[self.component[self.own]]

    def common(self, place: Numbers) -> Numbers:
        """Where the videos lie.

        Args:
            place: (nodes,) where the component that a node names has been put.

        Returns:
            (rows,) the place of all components that a row's video needs, -1 where they lie apart.
        """
        found = place[self.needs[:, 1]]
        starts = np.flatnonzero(np.diff(self.needs[:, 0], prepend=-1))
        lowest, highest = np.minimum.reduceat(found, starts), np.maximum.reduceat(found, starts)
        of_video = np.empty(self.needs[-1, 0] + 1, np.int64)
        of_video[self.needs[starts, 0]] = np.where(lowest == highest, lowest, -1)
        return of_video[self.video]

    def swaps(self) -> dict[str, dict[str, int]]:
        """How many videos come from two components: component -> other component -> videos, both ways."""
        same_video = np.diff(self.needs[:, 0]) == 0
        pairs = np.stack([self.needs[:-1][same_video, 1], self.needs[1:][same_video, 1]], axis=1)
        found: dict[str, dict[str, int]] = {}
        for one, other in self.names[pairs]:
            for here, there in ((one, other), (other, one)):
                ties = found.setdefault(here, {})
                ties[there] = ties.get(there, 0) + 1
        return found


def tie(rows: pd.DataFrame) -> Ties:
    """Find the components of a manifest: what is tied by shared real material.

    A real row ties its people, its source clip and its video together. A fake ties nothing, but where no
    real row says who a clip shows (its original is not in the data, or names nobody), it shows the targets
    of the fakes made from it. A row that names no person and no clip stands for its video, or for itself.
    A `group` that the data came with ties all of its rows.

    Args:
        rows: at least one; need `path` and `label`, and may have `target_identity`, `source_identity`,
            `source_clip`, `video` and `group`, each missing where it is not known. Whoever and whatever is
            the same must be called the same, across data sets too.
    """
    table = rows.reindex(columns=["path", "group", "video", "source_clip", "target_identity", "source_identity"])
    table = table.astype("string")
    real = (rows["label"] == REAL).to_numpy()
    nameless = (table["target_identity"].isna() & table["source_identity"].isna()).to_numpy()
    unit = table["video"].fillna(table["path"])
    material = table["source_clip"].fillna(unit.where(real | nameless))
    (target, source), person_names = _number(table["target_identity"], table["source_identity"])
    (clip, video, group), clip_names = _paths_last(*_number(material, unit, table["group"]), table["video"].notna())
    people = len(person_names)
    clip, group = (np.where(codes == UNKNOWN, UNKNOWN, codes + people) for codes in (clip, group))
    own = np.where(target != UNKNOWN, target, np.where(clip != UNKNOWN, clip, source))
    told = np.zeros(people + len(clip_names), bool)
    told[clip[real & ~nameless]] = True
    links = [
        _pairs(target, source, real),
        _pairs(np.where(target == UNKNOWN, source, target), clip, real),
        _pairs(clip, video + people, real),
        _pairs(target, clip, ~real & ~told[clip]),
        _pairs(own, group, group != UNKNOWN),
    ]
    component = _components(np.concatenate(links), len(told))
    found = np.concatenate([_pairs(video, node, node != UNKNOWN) for node in (target, source, clip)])
    found[:, 1] = component[found[:, 1]]
    names = np.concatenate([("person " + person_names).to_numpy(), ("clip " + clip_names).to_numpy()])
    return Ties(names, people, component, own, video, _distinct(found))


def _number(*columns: pd.Series) -> tuple[list[Numbers], pd.Index]:
    """Names of some columns, numbered together in their order; `UNKNOWN` where there is none."""
    codes, names = pd.factorize(pd.concat(columns), sort=True)
    return np.split(codes, len(columns)), pd.Index(names, dtype=object)


def _paths_last(
    columns: list[Numbers], names: pd.Index, filmed: pd.Series
) -> tuple[tuple[Numbers, Numbers, Numbers], pd.Index]:
    """Numbers of clips, units and groups, in which the paths of pictures that something else names come last.

    A component is called by its first name, and the path of a crop hangs on how it was made.
    """
    clip, unit, group = columns
    late = np.ones(len(names), bool)
    for codes in (clip, unit[filmed.to_numpy()], group):
        late[codes[codes != UNKNOWN]] = False
    order = np.argsort(late, kind="stable")
    rank = np.append(np.argsort(order), UNKNOWN)  # what is unknown stays so
    return (rank[clip], rank[unit], rank[group]), names[order]


def _pairs(one: Numbers, other: Numbers, where: NDArray[np.bool_]) -> Numbers:
    """(pairs, 2) of what both sides know."""
    both = where & (one != UNKNOWN) & (other != UNKNOWN)
    return _distinct(np.stack([one[both], other[both]], axis=1))


def _distinct(pairs: Numbers) -> Numbers:
    """Sorted, each once."""
    base = int(pairs.max(initial=0)) + 1
    codes = np.sort(pairs[:, 0] * base + pairs[:, 1])
    return np.stack(np.divmod(codes[np.diff(codes, prepend=-1) != 0], base), axis=1)


def _components(links: Numbers, count: int) -> Numbers:
    """(count,) the smallest node of each node's connected component."""
    links = _distinct(np.sort(links[links[:, 0] != links[:, 1]], axis=1))
    # Most clips hang on one person alone: what has one neighbour needs no place in the graph.
    leaf = np.bincount(links.ravel(), minlength=count) == 1
    low, high = links.T
    hangs = leaf[low] | leaf[high]
    hub, hanging = np.where(leaf[high], links.T, links.T[::-1])[:, hangs]
    found = np.arange(count)
    graph: nx.Graph[int] = nx.Graph(links[~hangs].tolist())
    for members in nx.connected_components(graph):
        found[list(members)] = next(iter(members))
    found[hanging] = found[hub]
    smallest = np.full(count, count)
    np.minimum.at(smallest, found, np.arange(count))
    return smallest[found]
