import numpy as np
import pytest

from fakedet.errors import UserError
from fakedet.metrics.ranking import Ranking


def test_tied_scores_are_one_level() -> None:
    counts = Ranking([1, 0, 1, 0], [0.5, 0.5, 0.9, 0.1]).counts()
    assert [tuple(map(float, counts.at(levels))) for levels in range(4)] == [(0, 0), (1, 0), (2, 1), (2, 2)]


def test_infinite_scores_are_tied_like_others() -> None:
    assert list(Ranking([1, 0, 1, 0], [np.inf, np.inf, -np.inf, -np.inf]).levels) == [np.inf, -np.inf]


def test_levels_are_looked_up_for_each_weighting() -> None:
    counts = Ranking([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.6]).counts([[1, 2, 3, 4], [4, 3, 2, 1]])
    fakes, reals = counts.at(np.array([1, 4]))
    assert (fakes.tolist(), reals.tolist()) == ([1, 6], [0, 4])
    limits = np.array([2, 3])
    assert counts.last(lambda _, reals: reals < limits).tolist() == [1, 1]
    assert counts.last(lambda fakes, _: fakes <= limits + 1).tolist() == [2, 2]
    assert counts.last(lambda fakes, reals: fakes + reals <= 10).tolist() == [4, 4]
    assert counts.last(lambda fakes, reals: fakes + reals < 0).tolist() == [0, 0]


@pytest.mark.parametrize(("threshold", "column"), [(0.95, 0), (0.9, 0), (0.89, 1), (0.5, 1), (0.1, 2), (0.0, 3)])
def test_only_scores_above_the_threshold_count(threshold: float, column: int) -> None:
    assert Ranking([1, 0, 1], [0.9, 0.5, 0.1]).above(threshold) == column


@pytest.mark.parametrize(
    ("labels", "scores", "weights", "message"),
    [
        ([0, 1], [0.1, float("nan")], None, "1 of 2 scores are not numbers"),
        ([0, 2], [0.1, 0.2], None, "other than 0"),
        ([0, float("nan")], [0.1, 0.2], None, "other than 0"),
        ([0, 1, 1], [0.1, 0.2], None, "not one pair each"),
        ([[0, 1]], [[0.1, 0.2]], None, "not one pair each"),
        ([0, 1], [0.1, 0.2], [1.0], "do not fit 2 images or groups"),
        ([0, 1], [0.1, 0.2], [1.0, -1.0], "below zero"),
        ([0, 1], [0.1, 0.2], [1.0, float("nan")], "below zero or not numbers"),
    ],
)
def test_bad_input_is_named(labels: list, scores: list, weights: list | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Ranking(labels, scores).counts(weights)


def test_groups_that_do_not_fit_are_named() -> None:
    with pytest.raises(UserError, match="1 groups do not fit 2 images"):
        Ranking([0, 1], [0.1, 0.2], [0])
