import time

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.metrics import accuracy_score, roc_auc_score

from fakedet.errors import UserError
from fakedet.evaluation.bootstrap import Groups, Resampled
from fakedet.evaluation.intervals import intervals
from fakedet.metrics.scores import PROBABILISTIC, REALS_WANTED, TITLES


def _clusters(groups: int, size: int, rng: np.random.Generator) -> tuple[NDArray, NDArray, NDArray]:
    """Labels, probabilities that share a shift within their group, and groups that hold one class each."""
    labels = np.repeat(np.arange(groups) % 2, size)
    shift = np.repeat(rng.normal(size=groups), size)
    logits = labels - 0.5 + 0.7 * shift + 0.7 * rng.normal(size=groups * size)
    return labels, 1 / (1 + np.exp(-logits)), np.repeat(np.arange(groups), size)


def _known(bounds: dict[str, tuple[float, float]]) -> set[str]:
    return {name for name, (low, high) in bounds.items() if not np.isnan([low, high]).any()}


def test_bounds_equal_a_plain_loop_over_repeated_images() -> None:
    rng = np.random.default_rng(0)
    labels, scores, groups = _clusters(20, 6, rng)
    found = intervals(labels, scores, groups.astype(str), threshold=0.4, resamples=200, seed=5)

    def measured(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        values: dict[str, list[float]] = {"auc": [], "accuracy": []}
        for row in weights.astype(int):
            picked = np.concatenate([np.flatnonzero(groups == group) for group in range(20) for _ in range(row[group])])
            values["auc"].append(roc_auc_score(labels[picked], scores[picked]))
            values["accuracy"].append(accuracy_score(labels[picked], scores[picked] > 0.4))
        return {name: np.array(each) for name, each in values.items()}

    drawn = np.concatenate(list(Groups(labels, groups).draws(200, 5)))
    points = {name: float(value[0]) for name, value in measured(np.ones((1, 20))).items()}
    expected = Resampled(points, measured(drawn), measured(1 - np.eye(20)), groups=20)
    for name in ("auc", "accuracy"):
        assert found.bounds[name] == pytest.approx(expected.bounds(name), abs=1e-12)
    assert set(found.bounds) == set(TITLES)
    assert (found.groups, found.resamples, found.dropped) == (20, 200, 200 - len(drawn))


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
    for seed in range(200):
        low, high = intervals(*_clusters(60, 4, rng), resamples=200, seed=seed).bounds["auc"]
        held += low <= truth <= high
    assert 0.92 <= held / 200 <= 0.98


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
    assert _known(found.bounds) == set()
    assert found.groups == len(set(groups))


def test_one_class_has_bounds_for_what_it_can_give() -> None:
    found = intervals([1] * 8, [0.1, 0.6, 0.4, 0.9, 0.8, 0.3, 0.7, 0.2], list("abcdefgh"), resamples=200)
    assert found.dropped == 0
    assert _known(found.bounds) == {"accuracy", "recall", "brier", "log_loss"}


def test_what_no_resample_can_contradict_has_no_interval() -> None:
    rng = np.random.default_rng(3)
    labels, _, groups = _clusters(30, 4, rng)
    apart = 0.1 + 0.3 * rng.random(120) + 0.5 * labels
    found = intervals(labels, apart, groups, resamples=200)
    # Every image is on its side: only how sure the detector is varies.
    assert _known(found.bounds) == {"brier", "log_loss"}
    apart[0], apart[-1] = 0.95, 0.05
    found = intervals(labels, apart, groups, resamples=200)
    assert "auc" in _known(found.bounds)
    assert found.bounds["auc"][0] < found.bounds["auc"][1] <= 1


def test_a_rare_rate_has_an_interval_where_ten_reals_may_be_called_fake() -> None:
    rng = np.random.default_rng(4)
    for reals, expected in ((900, set()), (1000, {"tpr_at_fpr_1e-2"}), (10_000, set(REALS_WANTED))):
        labels = np.append(np.zeros(reals), np.ones(200))
        scores = np.clip(rng.normal(0.4 + 0.2 * labels, 0.1), 0, 1)
        found = intervals(labels, scores, np.arange(len(labels)), resamples=50)
        assert _known(found.bounds) & set(REALS_WANTED) == expected


def test_no_interval_for_what_chance_pushes_one_way() -> None:
    known = _known(intervals(*_clusters(40, 4, np.random.default_rng(5)), resamples=50).bounds)
    assert known == set(TITLES) - {"ece", *REALS_WANTED}
    labels, scores, groups = _clusters(40, 4, np.random.default_rng(5))
    assert not _known(intervals(labels, 4 * scores - 2, groups, resamples=50).bounds) & set(PROBABILISTIC)


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
    labels, groups = rng.integers(0, 2, 100_000), rng.integers(0, 3000, 100_000)
    started = time.process_time()
    found = intervals(labels, rng.random(100_000), groups)
    assert time.process_time() - started < 20
    assert found.bounds["auc"][0] < 0.5 < found.bounds["auc"][1]
