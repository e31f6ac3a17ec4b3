from typing import Any

import numpy as np
import pytest

from fakedet.figures import canvas
from fakedet.figures.faithfulness import MEASURES, overlap_figure, removal_figure


def _number(value: float, low: float | None = None, high: float | None = None) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": high}


def _kind(level: float) -> dict[str, Any]:
    return {"area": _number(level), "mean": [level] * 3, "lower": [level - 0.1] * 3, "upper": [level + 0.2] * 3}


ENTRY = {
    "shares": [0.0, 0.5, 1.0],
    "gradcam": _kind(0.3),
    "random": _kind(0.6),
    "usual": _kind(0.4),
    "minus_random": _number(-0.3, -0.4, -0.2),
    "minus_usual": _number(-0.1),
}


def test_curves_stand_beside_those_they_are_held_against() -> None:
    figure = removal_figure("deletion", ENTRY)
    (axes,) = figure.axes
    assert len(axes.lines) == len(axes.collections) == 3
    for line, kind in zip(axes.lines, ("gradcam", "random", "usual"), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), ENTRY["shares"])
        np.testing.assert_array_equal(line.get_ydata(), ENTRY[kind]["mean"])  # type: ignore[index]
    band = axes.collections[0].get_paths()[0].get_extents()
    assert (band.y0, band.y1) == (pytest.approx(0.2), pytest.approx(0.5))
    assert len({line.get_linestyle() for line in axes.lines}) == len({line.get_color() for line in axes.lines}) == 3
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "Grad-CAM: area 0.300",
        "same map elsewhere: area 0.600\nGrad-CAM minus it −0.300 [−0.400, −0.200]",
        "mean of other maps: area 0.400\nGrad-CAM minus it −0.100",
    ]
    assert axes.get_title() == "Deletion: the smaller the area, the better"
    assert "removed" in axes.get_xlabel()
    assert canvas.png(figure)


def test_without_a_usual_map_there_is_no_line_of_it() -> None:
    entry = {name: part for name, part in ENTRY.items() if "usual" not in name}
    (axes,) = removal_figure("insertion", entry).axes
    assert len(axes.lines) == 2
    assert axes.get_title() == "Insertion: the larger the area, the better"
    assert "put in" in axes.get_xlabel()


def _method(value: float, *, known: bool) -> dict[str, Any]:
    bounds = (value - 0.1, value + 0.1) if known else (None, None)
    measure = {**_number(value, *bounds), "chance": 0.2, "usual": 0.3 if known else None}
    return {"images": 1200, **dict.fromkeys(MEASURES, measure)}


def test_bars_by_method_with_intervals_and_lines_of_chance() -> None:
    figure = overlap_figure({"splice": _method(0.7, known=True), r"$\frac{1$": _method(0.4, known=False)})
    assert [axes.get_title() for axes in figure.axes] == list(MEASURES.values())
    for axes in figure.axes:
        assert [bar.get_width() for bar in axes.patches] == [0.4, 0.7]  # type: ignore[attr-defined]
        lines = [np.asarray(line.get_xdata()) for line in axes.lines]
        # Chance alone of the lower bar; interval, chance and the usual map of the upper one.
        np.testing.assert_allclose(lines, [[0.2, 0.2], [0.6, 0.8], [0.2, 0.2], [0.3, 0.3]])
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == [r"$\frac{1$ (1,200)", "splice (1,200)"]
    assert canvas.png(figure)


def test_no_masks_give_an_empty_figure() -> None:
    assert canvas.png(overlap_figure({}))
