import numpy as np
import pytest
from sklearn import metrics as sk

from fakedet.metrics.curves import pr_curve, roc_curve


@pytest.mark.parametrize("decimals", [1, 9])
@pytest.mark.parametrize("weighted", [False, True])
def test_curves_equal_scikit_learn(decimals: int, weighted: bool) -> None:
    rng = np.random.default_rng(decimals)
    labels, values = rng.integers(0, 2, 150), np.round(rng.random(150), decimals)
    weights = rng.integers(0, 3, 150).astype(float) if weighted else None
    for actual, expected in zip(
        roc_curve(labels, values, weights),
        sk.roc_curve(labels, values, sample_weight=weights, drop_intermediate=False),
        strict=True,
    ):
        np.testing.assert_allclose(actual, expected, atol=1e-12)
    for actual, expected in zip(
        pr_curve(labels, values, weights),
        sk.precision_recall_curve(labels, values, sample_weight=weights),
        strict=True,
    ):
        np.testing.assert_allclose(actual, expected, atol=1e-12)


@pytest.mark.parametrize("labels", [[], [1, 1], [0]])
def test_one_class_has_no_curve(labels: list[int]) -> None:
    values = np.linspace(0.1, 0.9, len(labels))
    for curve in (roc_curve, pr_curve):
        assert [part.size for part in curve(np.array(labels, dtype=int), values)] == [0, 0, 0]
