"""Resamples of groups against plain loops, and p values against what they promise."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap, norm, t, ttest_1samp

from fakedet.errors import UserError
from fakedet.evaluation import bootstrap as module
from fakedet.evaluation.bootstrap import MIN_GROUPS, Floats, Groups, Resampled, draws, resample


def _mean(values: NDArray[np.float64], codes: NDArray[np.intp]) -> Callable[[Floats], Mapping[str, Floats]]:
    sums, sizes = np.bincount(codes, values), np.bincount(codes)

    def measured(weights: Floats) -> Mapping[str, Floats]:
        return {"mean": (weights @ sums) / (weights @ sizes)}

    return measured


def _resampled(values: NDArray[np.float64], resamples: int = 1000, seed: int = 0) -> Resampled:
    groups = Groups(np.ones(len(values)), np.arange(len(values)))
    return resample(groups, _mean(values, groups.codes), resamples, seed)


def test_draws_are_multiplicities_and_do_not_depend_on_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(draws(7, 50, 3, images=10)))
    assert whole.shape == (50, 7)
    assert (whole.sum(axis=1) == 7).all()
    assert len(np.unique(whole, axis=0)) > 40
    groups = Groups(np.ones(7), np.arange(7))
    kept = np.concatenate(list(groups.left_out()))
    np.testing.assert_array_equal(kept, 1 - np.eye(7))
    monkeypatch.setattr(module, "_CHUNK", 30)
    pieces = list(draws(7, 50, 3, images=10))
    assert max(len(piece) for piece in pieces) == 3
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    np.testing.assert_array_equal(np.concatenate(list(groups.left_out())), kept)
    assert not np.array_equal(np.concatenate(list(draws(7, 50, 4, images=10))), whole)


def test_many_groups_are_left_out_in_blocks() -> None:
    groups = Groups(np.ones(1001), np.arange(1001))
    kept = np.concatenate(list(groups.left_out()))
    assert kept.shape == (200, 1001)
    assert ((1 - kept).sum(axis=0) == 1).all()
    assert set((1 - kept).sum(axis=1)) == {5, 6}


def test_resamples_that_miss_a_class_are_left_out() -> None:
    groups = Groups([0, 0, 1, 1], list("abcd"))
    kept = sum(len(drawn) for drawn in groups.draws(2000, 0))
    # Both draws of each class missing: 2 · (1/2)^4 of all resamples.
    assert 2000 - kept == pytest.approx(2000 / 8, rel=0.2)


def test_bounds_are_scipys_bca_where_the_expansion_does_not_matter() -> None:
    values = np.random.default_rng(1).gamma(0.5, size=2000)
    expected = bootstrap((values,), np.mean, n_resamples=4000, method="BCa", rng=2).confidence_interval
    low, high = _resampled(values, resamples=4000).bounds("mean")
    width = high - low
    assert low == pytest.approx(expected.low, abs=0.05 * width)
    assert high == pytest.approx(expected.high, abs=0.05 * width)
    assert low + high > 2 * values.mean() + 0.01 * width, "a sample that is skewed to the right reaches farther there"


def test_bounds_by_their_formula() -> None:
    rng = np.random.default_rng(3)
    found = Resampled({"x": 0.4}, {"x": rng.normal(0.5, 0.3, 999)}, {"x": rng.gamma(1, size=8)}, groups=8)
    sample, pull = found.samples["x"], found.without["x"].mean() - found.without["x"]
    bias = norm.ppf((sample < 0.4).mean())
    skew = (pull**3).sum() / (6 * (pull**2).sum() ** 1.5)
    reach = t.ppf(0.975, 7) * np.sqrt(8 / 7)
    tails = [norm.cdf(bias + (bias + z) / (1 - skew * (bias + z))) for z in (-reach, reach)]
    assert found.bounds("x") == pytest.approx(np.quantile(sample, tails), abs=1e-12)


def test_the_difference_of_a_mean_is_students_t_test() -> None:
    values = np.random.default_rng(4).normal(0.3, 1, size=25)
    low, high, p_value = _resampled(values, 20_000).difference("mean")
    expected = ttest_1samp(values, 0)
    assert p_value == pytest.approx(expected.pvalue, rel=0.05)
    assert (low, high) == pytest.approx(tuple(expected.confidence_interval()), abs=0.02)


def test_p_value_is_5_percent_where_the_interval_touches_zero() -> None:
    values = np.random.default_rng(5).gamma(0.7, size=40)
    low, high, _ = _resampled(values).difference("mean")
    for bound in (low, high):
        assert _resampled(values - bound).difference("mean")[2] == pytest.approx(0.05, abs=1e-9)
    assert _resampled(values - values.mean()).difference("mean")[2] == pytest.approx(1)


def test_p_values_are_even_where_nothing_differs() -> None:
    rng = np.random.default_rng(5)
    p_values = [_resampled(rng.normal(size=30), 300, seed).difference("mean")[2] for seed in range(400)]
    assert 0.03 <= np.mean(np.array(p_values) < 0.05) <= 0.07
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.05)


def test_what_does_not_vary_has_neither_interval_nor_p_value() -> None:
    for value in (0.0, 1.0, 0.1 + 0.2):
        found = _resampled(np.full(50, value))
        assert np.isnan([*found.bounds("mean"), *found.difference("mean")]).all()
    nearly = Resampled({"x": 1.0}, {"x": np.append(np.ones(999), 0.9)}, {"x": np.ones(9)}, 9)
    assert np.isnan(nearly.bounds("x")).all(), "an interval without width is none"
    missing = Resampled({"x": np.nan}, {"x": np.full(9, np.nan)}, {"x": np.full(9, np.nan)}, 9)
    assert np.isnan([*missing.bounds("x"), *missing.difference("x")]).all()


def test_one_extreme_group_among_few_gives_finite_bounds() -> None:
    for extreme in (-1e6, 1e6):
        found = _resampled(np.append(np.arange(5.0), extreme))
        low, high = found.bounds("mean")
        assert min(0, extreme) <= low < high <= max(4, extreme)
        assert 0 < found.difference("mean")[2] <= 1


@pytest.mark.parametrize(("real", "fake", "enough"), [(2, 2, True), (1, 6, False), (6, 1, False), (0, 2, True)])
def test_every_class_wants_some_groups(real: int, fake: int, enough: bool) -> None:
    assert MIN_GROUPS == 2
    labels = np.repeat([0, 1], [2 * real, 2 * fake])
    assert Groups(labels, np.arange(len(labels)) // 2).enough is enough
    assert not Groups([], []).enough


@pytest.mark.parametrize(
    ("groups", "message"), [(["a", None], "1 images have no group"), (["a"], "1 groups do not fit 2 images")]
)
def test_bad_groups_are_named(groups: list[str | None], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Groups([0, 1], np.array(groups, dtype=object))
