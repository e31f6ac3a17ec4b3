import numpy as np
import pytest

from fakedet.tracking.curves import thin


def _roc(samples: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, samples)
    ranked = labels[np.argsort(-(labels + rng.normal(size=samples)))]
    rates = [np.concatenate([[0], np.cumsum(ranked == kind) / (ranked == kind).sum()]) for kind in (0, 1)]
    return rates[0], rates[1]


def test_short_curves_stay_as_they_are() -> None:
    x, y = thin([0, 0.5, 1], [1, 2, 0])
    assert x.tolist() == [0, 0.5, 1]
    assert y.tolist() == [1, 2, 0]


def test_a_long_curve_keeps_its_shape_ends_and_area() -> None:
    x, y = _roc(20_000)
    few_x, few_y = thin(x, y)
    assert 400 < len(few_x) <= 500
    assert (few_x[0], few_y[0], few_x[-1], few_y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(few_y, few_x) == pytest.approx(np.trapezoid(y, x), abs=1e-3)
    length = 2.0  # of any staircase from (0, 0) to (1, 1)
    gaps = np.hypot(x[:, None] - few_x, y[:, None] - few_y).min(axis=1)
    assert gaps.max() < length / 499


def test_a_step_survives() -> None:
    x = np.linspace(0, 1, 10_000)
    few_x, few_y = thin(x, (x > 0.1234) * 1.0)
    assert few_x[few_y > 0.5][0] == pytest.approx(0.1234, abs=1 / 400)


def test_a_flat_curve_survives() -> None:
    x, y = thin(np.arange(2000), np.ones(2000))
    assert len(x) <= 500
    assert (x[0], x[-1]) == (0, 1999)
    assert set(y) == {1.0}


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        thin([0, 1], [0, np.nan])
    with pytest.raises(ValueError, match="shape"):
        thin([0, 1], [0, 1, 2])
