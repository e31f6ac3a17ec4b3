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

NODES = 36  # more could not be read
_LABELS = 24
_SPLITS = {"train": canvas.BLUE, "val": canvas.ORANGE, "test": canvas.VERMILION}
_RADIUS = 0.06
_SEED = 0


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
    figure, axes = canvas.new(9.0, 6.4)
    axes.set_axis_off()
    axes.set_aspect("equal")
    places = _places(graph.subgraph(chosen))
    drawn = graph.subgraph(chosen)
    for one, other in drawn.edges:
        axes.plot(*zip(places[one], places[other], strict=True), color="#c4c9cf", linewidth=0.8, zorder=1)
    for number, node in enumerate(chosen):
        entry = graph.nodes[node]
        _pie(axes, places[node], entry["splits"])
        if number < _LABELS:
            x, y = places[node]
            images = sum(entry["splits"].values())
            text = f"{canvas.printable(str(entry['name']), 24)}\n{images:,} images"
            axes.text(x, y - 1.35 * _RADIUS, text, ha="center", va="top", fontsize=6.5, parse_math=False, zorder=3)
    present = {split for node in chosen for split, images in graph.nodes[node]["splits"].items() if images}
    handles = [
        Line2D([], [], marker="o", linestyle="", color=colour, label=split)
        for split, colour in _SPLITS.items()
        if split in present
    ]
    axes.legend(handles=handles, loc="upper left", frameon=False, fontsize="small")
    kinds = sorted({str(graph.nodes[node]["kind"]) for node in chosen})
    count = f"the {len(chosen)} most connected of {len(graph):,}" if len(chosen) < len(graph) else f"{len(chosen)}"
    axes.set_title(f"Shared between splits: {count} ({', '.join(kinds)})", fontsize="medium", loc="left")
    axes.margins(0.08)
    return figure


def _largest(graph: nx.Graph) -> list[tuple[str, str]]:
    """Nodes of the largest components, the most frequent first."""
    chosen: list[tuple[str, str]] = []
    for component in sorted(nx.connected_components(graph), key=lambda nodes: (-len(nodes), min(nodes))):
        ranked = sorted(component, key=lambda node: (-sum(graph.nodes[node]["splits"].values()), node))
        chosen += ranked[: NODES - len(chosen)]
    return sorted(chosen, key=lambda node: (-sum(graph.nodes[node]["splits"].values()), node))


def _places(graph: nx.Graph) -> dict[tuple[str, str], tuple[float, float]]:
    """Components in cells of a grid, the larger ones in larger cells; the members of one by springs."""
    components = sorted(nx.connected_components(graph), key=lambda nodes: (-len(nodes), min(nodes)))
    places: dict[tuple[str, str], tuple[float, float]] = {}
    x = y = height = 0.0
    for nodes in components:
        side = 0.42 * np.sqrt(len(nodes))
        if x > 0 and x + side > 2.9:
            x, y, height = 0.0, y - height, 0.0
        layout = nx.spring_layout(
            graph.subgraph(sorted(nodes)), seed=_SEED, k=1.6 / np.sqrt(len(nodes)), iterations=200
        )
        for node, (across, down) in layout.items():
            spread = 0.0 if len(nodes) == 1 else 0.42 * side
            places[node] = (x + side / 2 + spread * float(across), y - side / 2 + spread * float(down))
        x, height = x + side, max(height, side)
    return places


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
