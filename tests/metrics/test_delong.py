"""DeLong's test against its definition over all pairs, and against resamples where groups matter."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from fakedet.errors import UserError
from fakedet.metrics.delong import delong


def _components(labels: NDArray, scores: NDArray) -> tuple[NDArray, NDArray]:
    """Share of the pairs that each fake and each real wins, by looking at every pair."""
    fakes, reals = scores[labels == 1][:, None], scores[labels == 0][None, :]
    won = (fakes > reals) + 0.5 * (fakes == reals)
    return won.mean(axis=1), won.mean(axis=0)


def _by_pairs(labels: NDArray, first: NDArray, second: NDArray) -> tuple[float, float]:
    """Standard error and p value as in DeLong et al. 1988, equations 4 to 6."""
    of_fakes, of_reals = zip(_components(labels, first), _components(labels, second), strict=True)
    covariance = np.cov(of_fakes) / (labels == 1).sum() + np.cov(of_reals) / (labels == 0).sum()
    error = float(np.sqrt(np.array([1, -1]) @ covariance @ np.array([1, -1])))
    z = (of_fakes[0].mean() - of_fakes[1].mean()) / error
    return error, float(2 * norm.sf(abs(z)))


@pytest.mark.parametrize("decimals", [1, 9])
@pytest.mark.parametrize("size", [8, 60, 400])
def test_equals_its_definition_over_all_pairs(size: int, decimals: int) -> None:
    rng = np.random.default_rng(size)
    labels = rng.permutation(np.arange(size) % 3 == 0).astype(int)
    first = np.round(rng.normal(size=size) + labels, decimals)
    second = np.round(rng.normal(size=size) + 0.5 * first, decimals)
    found = delong(labels, first, second)
    assert found.first == pytest.approx(roc_auc_score(labels, first), abs=1e-12)
    assert found.second == pytest.approx(roc_auc_score(labels, second), abs=1e-12)
    assert (found.error, found.p_value) == pytest.approx(_by_pairs(labels, first, second), abs=1e-12)
    swapped = delong(labels, second, first)
    assert (swapped.error, swapped.p_value) == pytest.approx((found.error, found.p_value), abs=1e-12)


def test_every_image_its_own_group_is_the_test_of_images() -> None:
    rng = np.random.default_rng(1)
    labels, first, second = rng.integers(0, 2, 90), rng.normal(size=90), rng.normal(size=90)
    alone = delong(labels, first, second)
    grouped = delong(labels, first, second, rng.permutation(90))
    assert (grouped.error, grouped.p_value) == pytest.approx((alone.error, alone.p_value), abs=1e-12)


def test_copies_of_every_image_add_nothing_where_their_group_is_known() -> None:
    rng = np.random.default_rng(2)
    labels = np.arange(200) % 2
    first, second = rng.normal(size=(2, 200)) + np.array([[0.9], [0.7]]) * labels
    once = delong(labels, first, second)
    labels, first, second, codes = (np.repeat(values, 30) for values in (labels, first, second, np.arange(200)))
    assert delong(labels, first, second, codes).p_value == pytest.approx(once.p_value, abs=1e-12)
    assert delong(labels, first, second).p_value < once.p_value / 5


@pytest.mark.parametrize("mixed", [False, True])
def test_error_of_groups_is_the_spread_over_data_sets(mixed: bool) -> None:
    rng = np.random.default_rng(3)
    groups, size = 120, 6
    labels = np.tile([0, 1], groups * size // 2) if mixed else np.repeat(np.arange(groups) % 2, size)
    codes = np.repeat(np.arange(groups), size)
    differences, errors, wrong = [], [], []
    for _ in range(300):
        shifts = rng.normal(size=(2, groups))[:, codes]
        first, second = labels + shifts + rng.normal(size=(2, groups * size))
        found = delong(labels, first, second, codes)
        differences.append(found.first - found.second)
        errors.append(found.error)
        wrong.append(found.p_value < 0.05)
    assert np.mean(errors) == pytest.approx(np.std(differences), rel=0.12)
    assert 0.02 <= np.mean(wrong) <= 0.085


def test_what_cannot_be_said_is_a_gap() -> None:
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    same = delong(labels, scores, scores)
    assert (same.first, same.error) == (1.0, 0.0)
    assert np.isnan(same.p_value)
    assert np.isnan(delong(labels, scores, 1 - scores, [0, 0, 1, 1]).error), "each class comes from one group"
    one_class = delong([1, 1], [0.1, 0.2], [0.3, 0.4])
    assert np.isnan([one_class.first, one_class.error, one_class.p_value]).all()


def test_bad_input_is_named() -> None:
    with pytest.raises(UserError, match="not one pair each"):
        delong([0, 1], [0.1, 0.2], [0.1])
    with pytest.raises(UserError, match="not numbers"):
        delong([0, 1], [0.1, 0.2], [0.1, np.nan])
