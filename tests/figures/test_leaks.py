import cv2
import networkx as nx
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Wedge

from fakedet.figures import canvas
from fakedet.figures.leaks import NODES, sharing_figure, side_by_side


def _graph(count: int, kind: str = "person") -> nx.Graph:
    graph: nx.Graph = nx.Graph()
    for number in range(count):
        splits = {"train": 3, "val": 0, "test": 1 + number}
        graph.add_node((kind, f"id{number}"), kind=kind, name=f"id{number}", splits=splits)
    return graph


def _axes(graph: nx.Graph) -> Axes:
    figure = sharing_figure(graph)
    assert figure is not None
    assert canvas.png(figure)
    (axes,) = figure.axes
    return axes


def test_nothing_shared_is_no_figure() -> None:
    assert sharing_figure(nx.Graph()) is None


def test_a_circle_is_divided_by_splits_and_joined_by_images() -> None:
    graph = _graph(3)
    graph.add_edge(("person", "id0"), ("person", "id1"))
    axes = _axes(graph)
    wedges = [patch for patch in axes.patches if isinstance(patch, Wedge)]
    assert len(wedges) == 6  # no part for val, which has none of them
    shares = {round((wedge.theta2 - wedge.theta1) / 360, 2) for wedge in wedges if wedge.center == wedges[0].center}
    assert shares == {0.5}  # three images of train, three of test
    assert {to_hex(wedge.get_facecolor()) for wedge in wedges} == {canvas.BLUE.lower(), canvas.VERMILION.lower()}
    assert len(axes.lines) == 1
    assert {text.get_text() for text in axes.texts} == {"id0\n4", "id1\n5", "id2\n6"}
    assert "3 (people)" in axes.get_title(loc="left")


def test_circles_do_not_lie_on_one_another() -> None:
    axes = _axes(_graph(12))
    centres = np.array(sorted({wedge.center for wedge in axes.patches if isinstance(wedge, Wedge)}))
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    assert apart[np.triu_indices(12, 1)].min() > 0.4
    assert len(centres) == 12


def test_only_the_largest_components_are_drawn() -> None:
    graph = _graph(NODES + 20)
    chain = [("person", f"id{number}") for number in (3, 1, 2)]
    nx.add_path(graph, chain)
    axes = _axes(graph)
    names = {text.get_text().split("\n")[0] for text in axes.texts}
    assert len(names) == NODES
    assert {"id1", "id2", "id3"} <= names
    assert f"{NODES} of {NODES + 20}" in axes.get_title(loc="left")


def test_the_same_graph_gives_the_same_file() -> None:
    graph = _graph(6)
    nx.add_path(graph, graph.nodes)
    first, second = sharing_figure(graph), sharing_figure(graph)
    assert first is not None and second is not None
    assert canvas.png(first) == canvas.png(second)


@pytest.mark.filterwarnings("error")
def test_names_may_hold_anything() -> None:
    graph: nx.Graph = nx.Graph()
    name = "$\\frac{1}$ \N{PILE OF POO}\x1b"
    graph.add_node(("video", name), kind="video", name=name, splits={"train": 1, "val": 1, "test": 0})
    assert _axes(graph).texts[0].get_text().startswith("$\\frac{1}$")


def test_pictures_of_any_size_stand_side_by_side() -> None:
    red = np.full((40, 20, 3), (250, 0, 0), np.uint8)
    blue = np.full((300, 900, 3), (0, 0, 250), np.uint8)
    image = cv2.imdecode(np.frombuffer(side_by_side(red, blue, height=60), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert image is not None
    assert image.shape == (60, 30 + 6 + 180, 3)
    assert image[30, 10].tolist() == pytest.approx([250, 0, 0], abs=12)
    assert image[30, 150].tolist() == pytest.approx([0, 0, 250], abs=12)
