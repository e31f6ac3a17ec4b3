"""Bands around curves: they hold the curve, say what they stand for, and narrow as groups become more."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fakedet.errors import UserError
from fakedet.evaluation.bands import FALSE_POSITIVE_RATES, RECALLS, curve_bands
from fakedet.evaluation.intervals import intervals
from fakedet.figures.curves import Band
from fakedet.metrics.curves import roc_curve

Floats = NDArray[np.float64]


def _data(groups: int, of: int = 4, seed: int = 0) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(groups), of)
    labels = rng.integers(0, 2, len(codes))
    shared = rng.normal(size=groups)[codes]
    return labels, 1.2 * labels + shared + 0.5 * rng.normal(size=len(codes)), codes


def _both(groups: int, seed: int = 0) -> tuple[Band, Band]:
    found = curve_bands(*_data(groups, seed=seed))
    assert found is not None
    return found


def _precision_at(labels: NDArray[np.int64], scores: Floats, recall: float) -> float:
    """Of the fewest images called fake that find so many fakes, counted one threshold after the other."""
    for threshold in np.unique(scores)[::-1]:
        called = scores >= threshold
        if (labels[called] == 1).sum() >= recall * (labels == 1).sum() - 1e-9:
            return float((labels[called] == 1).mean())
    raise AssertionError


@pytest.mark.parametrize("seed", range(3))
def test_bands_hold_the_curves(seed: int) -> None:
    labels, scores, _ = _data(60, seed=seed)
    roc, precision_recall = _both(60, seed)
    false_rates, true_rates, _ = roc_curve(labels, scores)
    at = np.interp(FALSE_POSITIVE_RATES + 1e-12, false_rates, true_rates)
    known = ~np.isnan(roc.low)
    assert known.sum() > 50
    assert (roc.low[known] <= at[known] + 1e-9).all()
    assert (roc.high[known] >= at[known] - 1e-9).all()
    precisions = np.array([_precision_at(labels, scores, recall) for recall in RECALLS])
    known = ~np.isnan(precision_recall.low)
    assert known.sum() > 50
    assert (precision_recall.low[known] <= precisions[known] + 1e-9).all()
    assert (precision_recall.high[known] >= precisions[known] - 1e-9).all()
    for band in (roc, precision_recall):
        assert np.nanmin(band.low) >= 0
        assert np.nanmax(band.high) <= 1


def test_more_groups_make_narrower_bands() -> None:
    few, many = _both(30), _both(1000)
    for wide, narrow in zip(few, many, strict=True):
        assert np.nanmean(narrow.high - narrow.low) < 0.4 * np.nanmean(wide.high - wide.low)


def test_what_hangs_together_makes_wider_bands() -> None:
    labels, scores, codes = _data(60, of=8)
    clustered, alone = curve_bands(labels, scores, codes), curve_bands(labels, scores, np.arange(len(labels)))
    assert clustered is not None
    assert alone is not None
    assert np.nanmean(clustered[0].high - clustered[0].low) > 1.2 * np.nanmean(alone[0].high - alone[0].low)


def test_a_band_is_about_the_interval_of_the_rate_it_stands_at() -> None:
    labels, scores, codes = _data(2500)
    found = curve_bands(labels, scores, codes, resamples=1000)
    assert found is not None
    low, high = intervals(labels, scores, codes).bounds["tpr_at_fpr_1e-2"]
    place = int(np.flatnonzero(np.isclose(FALSE_POSITIVE_RATES, 0.01))[0])
    assert (found[0].low[place], found[0].high[place]) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))


def test_no_band_without_groups_or_a_class() -> None:
    labels, scores, codes = _data(10)
    assert curve_bands(np.ones_like(labels), scores, codes) is None
    assert curve_bands(labels, scores, np.zeros_like(codes)) is None
    assert curve_bands([], [], []) is None
    with pytest.raises(UserError, match="not numbers"):
        curve_bands(labels, np.where(codes == 0, np.nan, scores), codes)


def test_where_resamples_agree_there_is_no_band() -> None:
    roc, precision_recall = curve_bands([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.8, 0.9], range(6)) or (None, None)
    assert roc is not None
    assert precision_recall is not None
    assert np.isnan(roc.low).all()
    assert np.isnan(precision_recall.high).all()


def test_the_same_seed_gives_the_same_band() -> None:
    first, again = _both(20), _both(20)
    np.testing.assert_array_equal(first[0].low, again[0].low)


def test_resamples_that_come_one_by_one_give_the_same_band(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, scores, codes = _data(40)
    labels[codes > 2] = 0  # fakes in so few groups that many resamples have none
    labels[codes <= 2] = 1
    whole = curve_bands(labels, scores, codes)
    monkeypatch.setattr("fakedet.evaluation.bootstrap._CHUNK", 1)
    pieces = curve_bands(labels, scores, codes)
    assert whole is not None
    assert pieces is not None
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_allclose(one.low, other.low)
        np.testing.assert_allclose(one.high, other.high)
