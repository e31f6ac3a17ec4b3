import numpy as np
import pytest
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch
from numpy.typing import NDArray

from fakedet.figures import canvas
from fakedet.figures.reliability import BINS, reliability_figure

LABELS = [0, 0, 0, 1, 1, 1]
BEFORE = [0.01, 0.03, 0.95, 0.02, 0.94, 1.0]
AFTER = [0.2, 0.3, 0.7, 0.25, 0.8, 0.99]


def _points(line: Line2D) -> NDArray[np.float64]:
    return np.asarray(line.get_xydata(), dtype=np.float64)


def test_each_diagram_shows_share_of_fakes_against_mean_probability() -> None:
    figure = reliability_figure(LABELS, {"before": BEFORE, "after": AFTER}, "Reliability, val")
    before, after, below, _ = figure.axes
    assert (before.get_title(), after.get_title()) == ("before", "after")
    assert figure.get_suptitle() == "Reliability, val"
    perfect, line = before.lines
    np.testing.assert_array_equal(_points(perfect), [[0, 0], [1, 1]])
    np.testing.assert_allclose(_points(line), np.array([[0.02, 1 / 3], [(0.95 + 0.94 + 1.0) / 3, 2 / 3]]))
    (bars,) = (patch for patch in below.patches if isinstance(patch, StepPatch))
    assert bars.get_data()[0].tolist() == [3, *[0] * (BINS - 2), 3]
    assert line.get_color() != after.lines[1].get_color()
    assert line.get_linestyle() != after.lines[1].get_linestyle()
    assert "Share of fakes" in before.get_ylabel()
    assert "probability" in below.get_xlabel()


def test_classes_count_equally_and_images_are_counted_as_they_are() -> None:
    labels, probabilities = [0] + [1] * 9, [0.5] * 10
    above, below = reliability_figure(labels, {"x": probabilities}, "").axes
    np.testing.assert_allclose(_points(above.lines[1]), np.array([[0.5, 0.5]]))
    (bars,) = (patch for patch in below.patches if isinstance(patch, StepPatch))
    assert bars.get_data()[0].sum() == 10


def test_a_calibrated_detector_lies_on_the_line() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(200_000) < 0.8).astype(int)
    logits = 1.5 * (2 * labels - 1) + np.sqrt(3.0) * rng.normal(size=len(labels))
    line = reliability_figure(labels, {"x": 1 / (1 + np.exp(-logits))}, "").axes[0].lines[1]
    assert len(_points(line)) == BINS
    means, shares = _points(line).T
    np.testing.assert_allclose(means, shares, atol=0.02)


def test_a_bin_holds_its_lower_bound_and_the_last_one_1_as_well() -> None:
    bounds = np.arange(BINS + 1) / BINS
    above, below = reliability_figure([0, 1] * 8, {"x": bounds}, "").axes
    (bars,) = (patch for patch in below.patches if isinstance(patch, StepPatch))
    assert bars.get_data()[0].tolist() == [1] * (BINS - 1) + [2]
    assert len(_points(above.lines[1])) == BINS


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("labels", [[], [1, 1], [0]])
def test_missing_classes_and_hostile_names_are_drawn(labels: list[int]) -> None:
    figure = reliability_figure(labels, {r"$\frac{1$": [0.5] * len(labels), "b\n": [0.1] * len(labels)}, "$x$ $")
    assert canvas.png(figure, dpi=40)
    assert [axes.get_title() for axes in figure.axes[:2]] == [r"$\frac{1$", "b\N{REPLACEMENT CHARACTER}"]
