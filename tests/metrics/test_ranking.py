import numpy as np
import pytest

from fakedet.errors import UserError
from fakedet.metrics.ranking import Ranking


def test_tied_scores_are_one_level() -> None:
    counts = Ranking([1, 0, 1, 0], [0.5, 0.5, 0.9, 0.1]).counts()
    np.testing.assert_array_equal(counts.fakes, [0, 1, 2, 2])
    np.testing.assert_array_equal(counts.reals, [0, 0, 1, 2])


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
        ([0, 1], [0.1, 0.2], [1.0], "do not fit 2 images"),
        ([0, 1], [0.1, 0.2], [1.0, -1.0], "below zero"),
        ([0, 1], [0.1, 0.2], [1.0, float("nan")], "below zero or not numbers"),
    ],
)
def test_bad_input_is_named(labels: list, scores: list, weights: list | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Ranking(labels, scores).counts(weights)
