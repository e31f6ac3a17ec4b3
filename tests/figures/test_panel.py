import numpy as np
import pytest
from numpy.typing import NDArray

from fakedet.figures import canvas
from fakedet.figures.panel import OUTCOMES, PanelItem, overlay, pair, panel_figure


def _item(label: int, score: float, name: str = "a.jpg", heat: NDArray[np.float32] | None = None) -> PanelItem:
    return PanelItem(np.full((20, 40, 3), 90, np.uint8), heat, score, label, name)


def test_a_map_of_zeros_leaves_the_picture_alone() -> None:
    image = np.random.default_rng(0).integers(0, 256, (13, 17, 3)).astype(np.uint8)
    np.testing.assert_array_equal(overlay(image, np.zeros((7, 7), np.float32)), image)


def test_the_hot_corner_changes_and_the_cold_one_does_not() -> None:
    image = np.full((64, 96, 3), 90, np.uint8)
    heat = np.zeros((4, 4), np.float32)
    heat[0, 0] = 1.0
    covered = overlay(image, heat)
    assert covered.shape == image.shape
    assert covered.dtype == np.uint8
    assert np.abs(covered[0, 0].astype(int) - 90).max() > 60
    np.testing.assert_array_equal(covered[-1, -1], image[-1, -1])


def test_a_pair_keeps_the_whole_picture_beside_its_map() -> None:
    joined = pair(_item(1, 0.9, heat=np.zeros((7, 7), np.float32)), side=64)
    assert joined.shape == (64, 130, 3)
    np.testing.assert_array_equal(joined[32, :64], 90)
    np.testing.assert_array_equal(joined[:16], 255)
    np.testing.assert_array_equal(joined[:, 66:], joined[:, :64])
    without = pair(_item(1, 0.9), side=64)
    np.testing.assert_array_equal(without[:, 66:], 220)


@pytest.mark.parametrize(
    ("label", "score", "outcome"),
    [
        (1, 0.6, "true positive"),
        (1, 0.5, "false negative"),
        (0, 0.51, "false positive"),
        (0, 0.5, "true negative"),
    ],
)
def test_outcomes(label: int, score: float, outcome: str) -> None:
    assert _item(label, score).outcome(0.5).startswith(outcome)


def test_remarks_say_why_a_map_is_blank() -> None:
    assert _item(1, 0.9).remark == "this network has no map"
    assert _item(1, 0.9, heat=np.zeros((2, 2), np.float32)).remark == "the map is zero everywhere"
    assert _item(1, 0.9, heat=np.ones((2, 2), np.float32)).remark is None


def test_panel_sorts_by_outcome_and_shows_score_label_and_file() -> None:
    hostile = r"fake/<script>$\frac{1$" + "\n.jpg"
    items = [
        _item(0, 0.1, "tn.jpg"),
        _item(1, 0.2, hostile),
        *(_item(1, 0.9, f"tp{i}.jpg") for i in range(3)),
    ]
    figure = panel_figure(items, 0.5, columns=2)
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.images]
    assert len(titles) == len(items)
    assert titles[0] == f"{OUTCOMES[1, True]}\nscore 0.900, is fake\ntp0.jpg"
    assert titles[2] == "\nscore 0.900, is fake\ntp2.jpg"
    assert titles[3].startswith(f"{OUTCOMES[1, False]}\nscore 0.200, is fake\nfake/<script>$")
    assert titles[4] == f"{OUTCOMES[0, False]}\nscore 0.100, is real\ntn.jpg"
    assert canvas.png(figure, dpi=40)


def test_an_empty_panel_is_a_figure() -> None:
    assert canvas.png(panel_figure([], 0.5), dpi=40)
