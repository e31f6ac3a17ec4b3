import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fakedet.figures import canvas
from fakedet.figures.matrix import matrix_figure

NAN = float("nan")


def _figure(scale: tuple[float, float] = (0.5, 1.0)) -> Figure:
    values = [[0.98, 0.61, NAN], [0.55, 0.91, 0.7]]
    return matrix_figure(
        values,
        [[0.9, 0.5, NAN], [0.4, NAN, 0.6]],
        [[1.0, 0.7, NAN], [0.7, NAN, 0.8]],
        rows=["one\ntrained on a", "two"],
        columns=["a", "b", "c_$x$"],
        own=[[True, False, False], [False, True, False]],
        marks=[["", "", "failed"], ["", "", " †"]],
        title="AUC",
        scale=scale,
    )


def _texts(axes: Axes, column: int, row: int) -> list[str]:
    places = {text: text.get_position() for text in axes.texts}
    return [text.get_text() for text, (x, y) in places.items() if x == column and abs(y - row) < 0.5]


def test_each_cell_has_its_number_interval_and_mark() -> None:
    (axes,) = _figure().axes
    assert _texts(axes, 0, 0) == ["0.980", "[0.900, 1.000]"]
    assert _texts(axes, 2, 0) == ["failed"]
    assert _texts(axes, 1, 1) == ["0.910"], "no interval is known"
    assert _texts(axes, 2, 1) == ["0.700 †", "[0.600, 0.800]"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c_$x$"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one\ntrained on a", "two"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("tested on", "detector")


def test_what_was_trained_on_is_framed_and_what_is_missing_is_hatched() -> None:
    (axes,) = _figure().axes
    boxes = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    framed = [box for box in boxes if not box.get_fill()]
    assert [(round(box.get_x()), round(box.get_y())) for box in framed] == [(0, 0), (1, 1)]
    assert {box.get_edgecolor() for box in framed} == {to_rgba(canvas.VERMILION)}
    assert [(box.get_x(), box.get_y()) for box in boxes if box.get_hatch()] == [(1.5, -0.5)]


@pytest.mark.parametrize(("scale", "deepest"), [((0.5, 1.0), 0.98), ((1.0, 0.5), 0.55)])
def test_the_better_the_deeper(scale: tuple[float, float], deepest: float) -> None:
    (axes,) = _figure(scale).axes
    shown = axes.images[0].get_array()
    assert shown is not None
    depth: np.ndarray = np.ma.filled(shown, -1)
    values = np.array([[0.98, 0.61, NAN], [0.55, 0.91, 0.7]])
    assert values.ravel()[depth.argmax()] == deepest
    assert depth[0, 2] == -1
    light = {text.get_text() for text in axes.texts if text.get_color() == "white"}
    assert f"{deepest:.3f}" in light
    assert "failed" not in light


@pytest.mark.filterwarnings("error")
def test_one_cell_without_a_number_is_drawn() -> None:
    figure = matrix_figure(
        [[NAN]], [[NAN]], [[NAN]], rows=["x" * 300], columns=["y" * 300], own=[[False]], marks=[[""]], title="t",
        scale=(0.5, 1.0),
    )  # fmt: skip
    assert _texts(figure.axes[0], 0, 0) == ["—"]
    assert canvas.png(figure)
    assert figure.get_figwidth() < 8
