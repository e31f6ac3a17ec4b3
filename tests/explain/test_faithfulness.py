"""Removal in the order of a map, on a network that adds up how red a picture is."""

import json

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from fakedet.detector.image import normalise
from fakedet.detector.spec import PreprocessSpec
from fakedet.explain.faithfulness import BLUR, STEPS, area, compare, moved, noise, removal_curves, turns
from fakedet.models import Network

SIDE = 64
SPEC = PreprocessSpec(size=SIDE)


@pytest.fixture(scope="module")
def network() -> Network:
    """Any network will do here: what is tested is which pictures it is shown."""
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Conv2d(3, 4, 5, stride=3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)
    )
    return Network(body, stages=[["0"]], head=["4"], cam_layer="1").eval()


@pytest.fixture(scope="module")
def square() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)


def test_pixels_go_from_hot_to_cold_equally_many_a_step() -> None:
    heat = np.random.default_rng(0).random((SIDE, SIDE))
    turn = turns(heat, np.zeros_like(heat))
    assert len(np.bincount(turn.ravel())) == STEPS
    assert np.ptp(np.bincount(turn.ravel())) <= 1
    for step in range(STEPS - 1):
        assert heat[turn == step].min() > heat[turn == step + 1].max()


def test_ties_follow_their_own_map_and_a_map_of_zeros_has_nothing_else() -> None:
    rng = np.random.default_rng(0)
    ties = rng.random((SIDE, SIDE))
    np.testing.assert_array_equal(turns(np.zeros((SIDE, SIDE)), ties), turns(ties, ties))
    heat = np.zeros((SIDE, SIDE))
    heat[:2, :5] = 1.0
    turn = turns(heat, ties)
    assert (turn[:2, :5] == 0).all()
    rest = np.ones((SIDE, SIDE), bool)
    rest[:2, :5] = False
    assert ties[rest & (turn == 0)].min() > ties[turn == 1].max()


def test_a_moved_map_is_the_same_map_elsewhere() -> None:
    heat = noise(SIDE, np.random.default_rng(5)) ** 3
    places = [moved(heat, np.random.default_rng(seed)) for seed in range(200)]
    for place in places:
        np.testing.assert_array_equal(np.sort(place.ravel()), np.sort(heat.ravel()))
        rough = np.abs(np.diff(place, axis=0)).sum()
        assert rough == pytest.approx(np.abs(np.diff(heat, axis=0)).sum(), rel=0.3)  # as compact, but for the borders
    np.testing.assert_array_equal(places[0], moved(heat, np.random.default_rng(0)))
    peaks = np.array([np.unravel_index(place.argmax(), place.shape) for place in places])
    assert np.abs(peaks.mean(axis=0) - SIDE / 2).max() < 6  # anywhere
    assert (np.ptp(peaks, axis=0) > SIDE * 0.9).all()


def test_noise_is_smooth_and_follows_the_seed() -> None:
    heat = noise(SIDE, np.random.default_rng(0))
    assert heat.shape == (SIDE, SIDE)
    assert 0 <= heat.min() < 0.3 < 0.7 < heat.max() <= 1
    assert np.abs(np.diff(heat, axis=0)).max() < 0.15
    np.testing.assert_array_equal(heat, noise(SIDE, np.random.default_rng(0)))
    assert (heat != noise(SIDE, np.random.default_rng(1))).any()


def test_every_step_is_the_score_of_the_picture_with_so_much_blurred(
    network: Network, square: NDArray[np.uint8]
) -> None:
    rng = np.random.default_rng(0)
    orders = [turns(rng.random((SIDE, SIDE)), np.zeros((SIDE, SIDE))) for _ in range(2)]
    scores = removal_curves(network, square, orders, SPEC, batch_size=7)
    blurred = cv2.GaussianBlur(square, (0, 0), BLUR * SIDE)
    for order, turn in enumerate(orders):
        for step in range(STEPS + 1):
            picture = np.where((turn < step)[..., None], blurred, square)
            with torch.no_grad():
                expected = network(torch.from_numpy(normalise(picture, SPEC))[None]).sigmoid().item()
            assert scores[order, step] == pytest.approx(expected, abs=1e-6)
    assert np.ptp(scores) > 0.001
    assert (scores[0, 1:-1] != scores[1, 1:-1]).all()
    np.testing.assert_array_equal(scores[:, [0, -1]], scores[[0, 0]][:, [0, -1]])
    np.testing.assert_allclose(scores, removal_curves(network, square, orders, SPEC, batch_size=64), atol=1e-6)


def test_autocast_around_it_changes_nothing(network: Network, square: NDArray[np.uint8]) -> None:
    orders = [turns(noise(SIDE, np.random.default_rng(0)), np.zeros((SIDE, SIDE)))]
    expected = removal_curves(network, square, orders, SPEC, batch_size=32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        np.testing.assert_array_equal(removal_curves(network, square, orders, SPEC, batch_size=32), expected)


def test_areas_of_known_curves() -> None:
    line = np.linspace(1, 0, 17)
    np.testing.assert_allclose(area(np.stack([line, np.ones(17), np.zeros(17)])), [0.5, 1.0, 0.0])
    step = np.where(np.arange(17) == 0, 1.0, 0.0)
    assert area(step) == pytest.approx(1 / 32)


def test_a_comparison_holds_each_image_against_its_own_other_maps() -> None:
    gradcam = np.array([[[0.9, 0.1, 0.1]], [[0.7, 0.5, 0.1]]])
    random = np.array([[[0.9, 0.7, 0.1], [0.9, 0.5, 0.1]], [[0.7, 0.5, 0.1], [0.7, 0.3, 0.1]]])
    asked: list[list[float]] = []

    def interval(values: NDArray[np.float64], groups: object) -> tuple[float, float]:
        assert groups == ["a", "b"]
        asked.append(values.tolist())
        return (float("nan"), float("nan")) if len(asked) > 2 else (0.25, 0.5)

    found = compare({"gradcam": gradcam, "random": random}, ["a", "b"], interval)
    assert list(found) == ["shares", "gradcam", "random", "minus_random"]
    assert found["shares"] == [0.0, 0.5, 1.0]
    assert found["gradcam"]["mean"] == pytest.approx([0.8, 0.3, 0.1])
    assert found["random"]["mean"] == pytest.approx([0.8, 0.5, 0.1])
    assert found["random"]["lower"][1] == pytest.approx(0.45)
    assert found["random"]["upper"][1] == pytest.approx(0.55)
    assert found["gradcam"]["area"] == {"value": pytest.approx((0.3 + 0.45) / 2), "low": 0.25, "high": 0.5}
    assert asked[-1] == pytest.approx([0.3 - 0.55, 0.45 - 0.4])
    assert found["minus_random"] == {"value": pytest.approx(-0.1), "low": None, "high": None}
    assert json.dumps(found, allow_nan=False)
