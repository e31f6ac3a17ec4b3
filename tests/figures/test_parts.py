import numpy as np
import pytest

from fakedet.figures import canvas
from fakedet.figures.parts import Part, parts_figure

NAN = float("nan")
PARTS = [
    Part("splice", 0.9, 0.85, 0.95, 1200),
    Part(r"$\frac{1$", 0.4, NAN, NAN, 30),
    Part("swap", 0.7, 0.6, 0.8, 50),
]


def test_the_best_stands_above_and_the_worst_is_named() -> None:
    figure = parts_figure(PARTS, 0.75, "AUC by method, test")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["splice (1,200)", "swap (50)", r"$\frac{1$ (30)"]
    low, high = axes.get_ylim()
    assert low > high, "the first line is the upper one"
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["guess (0.500)", "all together (0.750)", r"worst: $\frac{1$ (0.400)"]
    dots = [line for line in axes.lines if line.get_marker() in ("o", "D")]
    assert [float(np.asarray(dot.get_xdata())[0]) for dot in dots] == [0.9, 0.7, 0.4]
    assert [dot.get_marker() for dot in dots] == ["o", "o", "D"]
    assert dots[0].get_color() != dots[2].get_color()
    assert axes.get_xlim()[0] < 0.4
    assert "AUC" in axes.get_xlabel()
    assert axes.get_title() == "AUC by method, test"


def test_a_line_spans_the_interval_where_there_is_one() -> None:
    (axes,) = parts_figure(PARTS, NAN, "").axes
    spans = [np.asarray(line.get_xdata()) for line in axes.lines if line.get_linewidth() > 2]
    np.testing.assert_allclose(np.array(spans), [[0.85, 0.95], [0.6, 0.8], [NAN, NAN]])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", [1, 40])
def test_one_part_is_not_the_worst_and_many_are_drawn(number: int) -> None:
    figure = parts_figure([Part(f"m{place}", 0.6, NAN, NAN, 1) for place in range(number)], NAN, "x")
    assert canvas.png(figure, dpi=40)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert (number == 1) == ("worst" not in "".join(legend))
