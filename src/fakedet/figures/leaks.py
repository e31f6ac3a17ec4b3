"""What splits share: people and clips as a graph, and pictures beside their doubles."""

from collections.abc import Mapping

import cv2
import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Wedge
from numpy.typing import NDArray

from fakedet.figures import canvas

NODES = 24  # more could not be read
_SPLITS = {"train": canvas.BLUE, "val": canvas.ORANGE, "test": canvas.VERMILION}
_WIDTH, _CELL, _RADIUS = 5.6, 0.78, 0.13  # inches: of the figure, for a circle with its label, of a circle
_SEED = 0

Node = tuple[str, str]


def sharing_figure(graph: nx.Graph) -> Figure | None:
    """Each thing that splits share as a circle, coloured by the splits that its images lie in.

    A line joins two that one image names, such as the two people of a face swap. Of the largest connected
    components so many are drawn as `NODES` allow; of a larger one its most frequent members.

    Args:
        graph: `name`, `kind` and `splits` (images by split) of each node.

    Returns:
        None where nothing is shared.
    """
    chosen = _largest(graph)
    if not chosen:
        return None
    drawn = graph.subgraph(chosen)
    spaces = {entry["name"].rpartition(":")[0] for _, entry in drawn.nodes(data=True)}
    prefix = f"{spaces.pop()}:" if len(spaces) == 1 else ""
    places, height = _places(drawn)
    figure, axes = canvas.new(_WIDTH, height + 0.7)
    axes.set_axis_off()
    axes.set(xlim=(0, _WIDTH), ylim=(-height, 0), aspect="equal")
    for one, other in drawn.edges:
        axes.plot(*zip(places[one], places[other], strict=True), color="#d0d5da", linewidth=0.6, zorder=1)
    for node in chosen:
        entry = graph.nodes[node]
        _pie(axes, places[node], entry["splits"])
        x, y = places[node]
        text = f"{canvas.printable(entry['name'].removeprefix(prefix), 16)}\n{sum(entry['splits'].values()):,}"
        plain = {"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.75}
        axes.text(x, y - 1.2 * _RADIUS, text, ha="center", va="top", fontsize=7, parse_math=False, bbox=plain, zorder=3)
    present = {split for node in chosen for split, images in graph.nodes[node]["splits"].items() if images}
    handles = [
        Line2D([], [], marker="o", linestyle="", color=colour, label=split)
        for split, colour in _SPLITS.items()
        if split in present
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=3, frameon=False, fontsize="small")
    kinds = " and ".join(sorted({f"{graph.nodes[node]['kind']}s" for node in chosen}))
    count = f"{len(chosen)} of {len(graph):,}" if len(chosen) < len(graph) else f"{len(chosen)}"
    title = f"Shared by splits: {count} ({kinds.replace('persons', 'people')}), with their numbers of images"
    axes.set_title(title, fontsize="medium", loc="left")
    return figure


def _largest(graph: nx.Graph) -> list[Node]:
    """Nodes of the largest components, the most frequent first."""

    def rank(node: Node) -> tuple[int, Node]:
        return -sum(graph.nodes[node]["splits"].values()), node

    chosen: list[Node] = []
    for component in _components(graph):
        chosen += sorted(component, key=rank)[: NODES - len(chosen)]
    return sorted(chosen, key=rank)


def _components(graph: nx.Graph) -> list[list[Node]]:
    """The largest first; the same in every run."""
    found = [sorted(nodes) for nodes in nx.connected_components(graph)]
    return sorted(found, key=lambda nodes: (-len(nodes), nodes))


def _places(graph: nx.Graph) -> tuple[dict[Node, tuple[float, float]], float]:
    """Where each node lies and how high it all is, in inches: components beside one another."""
    places: dict[Node, tuple[float, float]] = {}
    x = y = height = 0.0
    for nodes in _components(graph):
        down = _CELL * np.sqrt(len(nodes))
        across = min(_WIDTH, _CELL * np.ceil(np.sqrt(len(nodes)) * 1.4) if len(nodes) > 1 else _CELL)
        if x > 0 and x + across > _WIDTH:
            x, y, height = 0.0, y + height, 0.0
        layout = nx.spring_layout(graph.subgraph(nodes), seed=_SEED, k=2.0 / np.sqrt(len(nodes)), iterations=300)
        points = np.array([layout[node] for node in nodes])
        points = (points - points.min(axis=0)) / np.maximum(np.ptp(points, axis=0), 1e-9)
        for node, (right, up) in zip(nodes, points, strict=True):
            place = (x + _CELL / 2 + (across - _CELL) * right, -y - down + _CELL * 0.6 + (down - _CELL) * up)
            places[node] = (float(place[0]), float(place[1]))
        x, height = x + across, max(height, down)
    return places, y + height


def _pie(axes: Axes, place: tuple[float, float], images: Mapping[str, int]) -> None:
    total = sum(images.values())
    start = 90.0
    for split, colour in _SPLITS.items():
        sweep = 360.0 * images[split] / total
        if sweep:
            axes.add_patch(Wedge(place, _RADIUS, start, start + sweep, facecolor=colour, edgecolor="white", zorder=2))
            start += sweep


def side_by_side(one: NDArray[np.uint8], other: NDArray[np.uint8], height: int = 180) -> bytes:
    """Two pictures of the same height as one JPEG file.

    Args:
        one: RGB uint8, (h, w, 3).
        other: the same, of any size.
        height: in pixels.
    """
    scaled = []
    for picture in (one, other):
        width = max(1, min(3 * height, round(picture.shape[1] * height / picture.shape[0])))
        scaled.append(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))
    gap = np.full((height, 6, 3), 255, np.uint8)
    both = np.concatenate([scaled[0], gap, scaled[1]], axis=1)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 88]
    return cv2.imencode(".jpg", cv2.cvtColor(both, cv2.COLOR_RGB2BGR), quality)[1].tobytes()
