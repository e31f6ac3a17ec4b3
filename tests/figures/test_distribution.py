import pytest
from matplotlib.patches import Rectangle, StepPatch

from fakedet.figures import canvas
from fakedet.figures.distribution import BINS, kinds_figure, number_figure


def test_each_class_sums_to_a_hundred_and_lies_where_its_values_are() -> None:
    values = [10.0] * 6 + [20.0] * 2 + [20.0] * 4
    figure = number_figure([0] * 8 + [1] * 4, values, "width", "{:.0f} px".format)
    (axes,) = figure.axes
    real, fake = (patch for patch in axes.patches if isinstance(patch, StepPatch))
    shares, edges, _ = real.get_data()
    assert shares[0] == 75
    assert shares[-1] == 25
    assert fake.get_data()[0][-1] == 100
    assert (edges[0], edges[-1], len(shares)) == (10, 20, BINS)
    assert real.get_hatch() != fake.get_hatch()
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["real (8)", "fake (4)"]
    assert axes.xaxis.get_major_formatter()(15.0) == "15 px"
    assert canvas.png(figure)


def test_a_far_value_does_not_squeeze_the_others() -> None:
    values = [float(number % 10) for number in range(300)] + [1e9]
    (axes,) = number_figure([0] * 301, values, "bytes", str).axes
    shares, edges, _ = next(patch for patch in axes.patches if isinstance(patch, StepPatch)).get_data()
    assert edges[-1] < 20
    assert shares.sum() == pytest.approx(100)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values", [[], [3.0, 3.0]])
def test_nothing_and_a_single_value_are_drawn(values: list[float]) -> None:
    assert canvas.png(number_figure([1] * len(values), values, "width", str))


def test_kinds_are_bars_of_each_class() -> None:
    figure = kinds_figure([0, 0, 0, 0, 1, 1], ["JPEG", "JPEG", "JPEG", "PNG", "PNG", "PNG"], "file format")
    (axes,) = figure.axes
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [bar.get_width() for bar in bars] == [75, 25, 0, 100]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["JPEG", "PNG"]
    assert [text.get_text() for text in axes.texts] == ["75 %", "25 %", "0 %", "100 %"]
    assert canvas.png(figure)


def test_rare_kinds_are_left_out() -> None:
    kinds = [f"kind {number}" for number in range(12)] + ["kind 11"]
    (axes,) = kinds_figure([0] * 13, kinds, "kind", limit=3).axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert len(labels) == 3
    assert labels[0] == "kind 11"
