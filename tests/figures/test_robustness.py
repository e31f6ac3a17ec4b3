import numpy as np
import pytest
from matplotlib.axes import Axes

from fakedet.figures import canvas
from fakedet.figures.robustness import Panel, panels_figure, surface_figure

NAN = float("nan")


def _panel(title: str = "JPEG", low: float = 0.05, auc: tuple[float, ...] = (0.9, 0.8, 0.6)) -> Panel:
    values = np.array(auc)
    return Panel(title, "quality", ["clean", "60", "30"], values, values - low, values + 0.03)


def _line(axes: Axes, label: str) -> np.ndarray:
    (found,) = (line for line in axes.lines if str(line.get_label()).startswith(label))
    return np.asarray(found.get_ydata())


def test_each_corruption_has_its_own_plot_on_one_scale() -> None:
    figure = panels_figure([_panel("a"), _panel("b", auc=(0.9, 0.7, 0.42)), _panel("c"), _panel("d")], 0.9)
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "c", "d"]
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    low, high = figure.axes[0].get_ylim()
    assert low < 0.42 - 0.05
    assert high > 1
    np.testing.assert_array_equal(_line(figure.axes[1], "AUC"), [0.9, 0.7, 0.42])
    assert _line(figure.axes[1], "clean images (0.900)").tolist() == [0.9, 0.9]
    assert _line(figure.axes[1], "guess").tolist() == [0.5, 0.5]
    assert [label.get_text() for label in figure.axes[2].get_xticklabels()] == ["clean", "60", "30"]
    assert figure.axes[0].get_xlabel() == "quality"
    assert [axes.get_ylabel() for axes in figure.axes] == ["AUC", "", "", "AUC"]


def test_the_band_spans_the_interval() -> None:
    (axes,) = panels_figure([_panel()], 0.9).axes
    (band,) = axes.collections
    heights = np.asarray(band.get_paths()[0].vertices)[:, 1]
    assert heights.min() == pytest.approx(0.55)
    assert heights.max() == pytest.approx(0.93)


@pytest.mark.filterwarnings("error")
def test_the_legend_says_what_is_drawn_and_gaps_stay_gaps() -> None:
    def legend(*panels: Panel, clean: float = 0.9) -> list[str]:
        figure = panels_figure(panels, clean)
        assert canvas.png(figure)
        return [text.get_text() for text in figure.legends[0].get_texts()]

    bare = _panel(low=NAN)
    assert legend(bare) == ["guess", "clean images (0.900)", "AUC"]
    assert set(legend(bare, _panel())) == {"guess", "clean images (0.900)", "AUC", "95 % interval"}
    assert legend(_panel(low=NAN, auc=(NAN, NAN, NAN)), clean=NAN) == ["guess", "AUC"]


def test_the_surface_has_its_numbers_in_their_cells() -> None:
    figure = surface_figure([[0.98, 0.71], [0.62, NAN], [0.44, 0.5]], ["none", "60", "30"], ["1", "0.5"])
    (axes,) = figure.axes
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "0.980", (1, 0): "0.710", (0, 1): "0.620", (1, 1): "—", (0, 2): "0.440", (1, 2): "0.500"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["none", "60", "30"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "0.5"]
    colours = {text.get_text(): text.get_color() for text in axes.texts}
    assert (colours["0.980"], colours["0.440"]) == ("white", "black")


@pytest.mark.filterwarnings("error")
def test_a_surface_without_numbers_is_drawn() -> None:
    assert canvas.png(surface_figure([[NAN]], ["none"], ["1"]))
