import time

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm, t
from sklearn.metrics import accuracy_score, roc_auc_score

from fakedet.errors import UserError
from fakedet.evaluation import intervals as module
from fakedet.evaluation.intervals import draws, intervals
from fakedet.metrics.scores import TITLES


def _clusters(groups: int, size: int, rng: np.random.Generator) -> tuple[NDArray, NDArray, NDArray]:
    """Labels, scores that share a shift within their group, and groups that hold one class each."""
    labels = np.repeat(np.arange(groups) % 2, size)
    shift = np.repeat(rng.normal(size=groups), size)
    return (
        labels,
        labels + 0.7 * shift + 0.7 * rng.normal(size=groups * size),
        np.repeat(np.arange(groups), size),
    )


def test_bounds_equal_a_plain_loop_over_repeated_images() -> None:
    rng = np.random.default_rng(0)
    labels, scores, groups = _clusters(20, 6, rng)
    found = intervals(labels, scores, groups.astype(str), threshold=0.4, resamples=200, seed=5)
    aucs, accuracies = [], []
    for row in next(draws(20, 200, 5, images=len(labels))):
        picked = np.concatenate([np.flatnonzero(groups == g) for g in range(20) for _ in range(int(row[g]))])
        if len(set(labels[picked])) == 2:
            aucs.append(roc_auc_score(labels[picked], scores[picked]))
            accuracies.append(accuracy_score(labels[picked], scores[picked] > 0.4))
    tail = norm.cdf(t.ppf(0.025, 19) * np.sqrt(20 / 19))
    assert found.bounds["auc"] == pytest.approx(np.quantile(aucs, [tail, 1 - tail]), abs=1e-12)
    assert found.bounds["accuracy"] == pytest.approx(np.quantile(accuracies, [tail, 1 - tail]), abs=1e-12)
    assert set(found.bounds) == set(TITLES)
    assert (found.groups, found.resamples, found.dropped) == (20, 200, 200 - len(aucs))


def test_draws_are_multiplicities_and_do_not_depend_on_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(draws(7, 50, 3, images=10)))
    assert whole.shape == (50, 7)
    assert (whole.sum(axis=1) == 7).all()
    assert len(np.unique(whole, axis=0)) > 40
    monkeypatch.setattr(module, "_CHUNK", 30)
    pieces = list(draws(7, 50, 3, images=10))
    assert max(len(piece) for piece in pieces) == 3
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert not np.array_equal(np.concatenate(list(draws(7, 50, 4, images=10))), whole)


def test_images_of_a_group_are_not_taken_for_independent() -> None:
    rng = np.random.default_rng(1)
    labels, scores, groups = _clusters(30, 50, rng)
    clustered = intervals(labels, scores, groups, resamples=300).bounds["auc"]
    alone = intervals(labels, scores, np.arange(len(labels)), resamples=300).bounds["auc"]
    assert clustered[1] - clustered[0] > 3 * (alone[1] - alone[0])


def test_about_95_of_100_intervals_hold_the_true_value() -> None:
    rng = np.random.default_rng(2)
    truth = norm.cdf(1 / np.sqrt(2 * (0.49 + 0.49)))
    held = 0
    for seed in range(300):
        low, high = intervals(*_clusters(60, 4, rng), resamples=300, seed=seed).bounds["auc"]
        held += low <= truth <= high
    assert 0.92 <= held / 300 <= 0.98


@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        ([0, 1, 0, 1], ["a"] * 4),
        ([0, 1, 0, 1], ["real", "fake", "real", "fake"]),
        ([0, 0, 1, 1], ["a", "b", "c", "c"]),
        ([1, 1], ["a", "a"]),
        ([], []),
    ],
)
def test_no_interval_where_a_class_has_one_group(labels: list[int], groups: list[str]) -> None:
    found = intervals(np.array(labels, dtype=int), np.linspace(0.1, 0.9, len(labels)), groups, resamples=50)
    assert all(np.isnan(bound) for bounds in found.bounds.values() for bound in bounds)
    assert found.groups == len(set(groups))


def test_groups_of_one_class_each_are_drawn_and_incomplete_resamples_counted() -> None:
    found = intervals([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], ["a", "b", "c", "d"], resamples=2000)
    # Both draws of each class missing: 2 · (1/2)^4 of all resamples.
    assert found.dropped == pytest.approx(2000 / 8, rel=0.2)
    low, high = found.bounds["auc"]
    assert (low, high) == (0.0, 1.0)


def test_one_class_has_bounds_for_what_it_can_give() -> None:
    found = intervals([1, 1, 1, 1], [0.1, 0.6, 0.4, 0.9], ["a", "b", "c", "d"], resamples=200)
    assert found.dropped == 0
    assert {name for name, (low, _) in found.bounds.items() if not np.isnan(low)} == {"accuracy", "recall"}


@pytest.mark.parametrize(
    ("scores", "groups", "message"),
    [
        ([0.1, float("nan")], ["a", "b"], "not numbers"),
        ([0.1, 0.2], ["a", None], "1 images have no group"),
        ([0.1, 0.2], ["a"], "1 groups do not fit 2 images"),
    ],
)
def test_bad_input_is_named(scores: list[float], groups: list[str | None], message: str) -> None:
    with pytest.raises(UserError, match=message):
        intervals([0, 1], scores, np.array(groups, dtype=object))


def test_a_thousand_resamples_of_a_hundred_thousand_scores() -> None:
    rng = np.random.default_rng(4)
    labels, groups = rng.integers(0, 2, 100_000), rng.integers(0, 5000, 100_000)
    started = time.process_time()
    found = intervals(labels, rng.random(100_000), groups)
    assert time.process_time() - started < 20
    assert found.bounds["auc"][0] < 0.5 < found.bounds["auc"][1]
