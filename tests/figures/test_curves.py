import numpy as np
from matplotlib.axes import Axes

from fakedet.figures import canvas
from fakedet.figures.curves import Band, Curve, pr_figure, roc_figure

EMPTY = np.empty(0)


def _legend(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def test_roc_overlays_named_curves_with_their_auc() -> None:
    val = Curve(np.array([0.0, 0.1, 1.0]), np.array([0.0, 0.8, 1.0]), 0.85)
    test = Curve(np.array([0.0, 0.4, 1.0]), np.array([0.0, 0.5, 1.0]), 0.55)
    figure = roc_figure({"val": val, "test": test})
    (axes,) = figure.axes
    guess, first, second = axes.lines
    np.testing.assert_array_equal(guess.get_xydata(), [[0, 0], [1, 1]])
    np.testing.assert_array_equal(first.get_xdata(), val.x)
    np.testing.assert_array_equal(first.get_ydata(), val.y)
    np.testing.assert_array_equal(second.get_ydata(), test.y)
    assert first.get_color() != second.get_color()
    assert first.get_linestyle() != second.get_linestyle()
    assert "False-positive rate" in axes.get_xlabel()
    assert "True-positive rate" in axes.get_ylabel()
    assert _legend(axes)[1:] == ["val (AUC 0.850)", "test (AUC 0.550)"]


def test_precision_recall_steps_and_shows_the_precision_of_a_guess() -> None:
    curve = Curve(np.array([1.0, 0.5, 0.0]), np.array([0.4, 0.7, 1.0]), 0.6, chance=0.4)
    (axes,) = pr_figure({"test": curve}).axes
    line, guess = axes.lines
    np.testing.assert_array_equal(line.get_xydata(), [[1.0, 0.4], [0.5, 0.7], [0.0, 1.0]])
    assert line.get_drawstyle() == "steps-post"
    np.testing.assert_array_equal(guess.get_ydata(), [0.4, 0.4])
    assert "Recall" in axes.get_xlabel()
    assert "Precision" in axes.get_ylabel()
    assert _legend(axes) == ["test (AP 0.600)"]


def test_one_class_is_said_instead_of_drawn() -> None:
    for draw in (roc_figure, pr_figure):
        figure = draw({"test": Curve(EMPTY, EMPTY, float("nan"), chance=1.0)})
        assert _legend(figure.axes[0])[-1] == "test (one class only)"
        assert canvas.png(figure)


def test_a_name_with_dollar_signs_is_no_formula() -> None:
    figure = roc_figure({r"$\frac{1$": Curve(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 0.5)})
    assert canvas.png(figure)
    assert _legend(figure.axes[0])[1].startswith(r"$\frac{1$")


def test_a_band_lies_where_it_is_said_and_is_named_once() -> None:
    x = np.array([0.0, 0.5, 1.0])
    band = Band(x, np.array([0.1, 0.4, np.nan]), np.array([0.3, 0.9, np.nan]))
    curves = {name: Curve(x, x, 0.5, band=band) for name in ("val", "test")}
    for draw, steps in ((roc_figure, False), (pr_figure, True)):
        (axes,) = draw(curves, "$title").axes
        assert axes.get_title() == "$title"
        first, second = axes.collections
        corners = np.concatenate([path.vertices for path in first.get_paths()])
        assert (corners[:, 1].min(), corners[:, 1].max()) == (0.1, 0.9)
        assert corners[:, 0].max() == 0.5, "no band where there is no interval"
        assert steps == bool(np.any((corners == [0.0, 0.9]).all(axis=1))), "precision holds back to the recall before"
        assert not np.array_equal(first.get_facecolor(), second.get_facecolor())
        assert _legend(axes)[-1] == "95 % interval at each point"
    assert "interval" not in "".join(_legend(roc_figure({"val": Curve(x, x, 0.5)}).axes[0]))
