import numpy as np
import pytest
from matplotlib.patches import StepPatch

from fakedet.figures import canvas
from fakedet.figures.histogram import BINS, histogram_figure


def test_each_class_sums_to_one_and_lies_where_its_scores_are() -> None:
    figure = histogram_figure([0, 0, 0, 0, 1, 1], [0.0, 0.01, 0.01, 0.99, 1.0, 0.6], 0.3, "test")
    (axes,) = figure.axes
    real, fake = (patch for patch in axes.patches if isinstance(patch, StepPatch))
    shares, fake_shares = real.get_data()[0], fake.get_data()[0]
    assert shares[0] == 0.75
    assert shares[-1] == 0.25
    assert len(shares) == BINS
    assert fake_shares[-1] == 0.5
    assert fake_shares.sum() == pytest.approx(1.0)
    assert real.get_hatch() != fake.get_hatch()
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [0.3, 0.3])
    assert "Score" in axes.get_xlabel()
    assert "Share" in axes.get_ylabel()
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["real (4)", "fake (2)", "threshold 0.3"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("labels", [[], [1, 1]])
def test_missing_classes_are_drawn_empty(labels: list[int]) -> None:
    figure = histogram_figure(labels, [0.5] * len(labels), 0.5, "test")
    assert canvas.png(figure)
