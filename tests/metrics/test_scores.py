import warnings

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn import metrics as sk
from torchmetrics.functional import classification as tm

from fakedet.metrics import scores
from fakedet.metrics.ranking import Ranking

Case = tuple[NDArray[np.int64], NDArray[np.float64]]


def _cases() -> dict[str, Case]:
    rng = np.random.default_rng(7)
    cases: dict[str, Case] = {
        "two images": (np.array([0, 1]), np.array([0.2, 0.7])),
        "two images, wrong way": (np.array([1, 0]), np.array([0.2, 0.7])),
        "constant score": (np.array([0, 1, 1, 0, 1]), np.full(5, 0.3)),
        "constant at the threshold": (np.array([0, 1, 1, 0, 1]), np.full(5, 0.5)),
        "nothing called fake": (np.array([0, 1, 1]), np.array([0.1, 0.2, 0.3])),
        "everything called fake": (np.array([0, 1, 1]), np.array([0.7, 0.8, 0.9])),
        "perfect": (np.array([0, 0, 1, 1]), np.array([0.0, 0.1, 0.9, 1.0])),
        "inverted": (np.array([1, 1, 0, 0]), np.array([0.0, 0.1, 0.9, 1.0])),
        "one real in thousands": (np.append(np.ones(3000, int), 0), rng.random(3001)),
        "zeros and ones": (rng.integers(0, 2, 400), rng.integers(0, 2, 400).astype(float)),
    }
    for number in range(20):
        size = int(rng.integers(2, 400))
        labels = rng.integers(0, 2, size)
        labels[:2] = [0, 1]
        # float32 values, so that torchmetrics sees the same ties; half of the cases have many of them.
        values = rng.random(size).astype(np.float32).astype(np.float64)
        cases[f"random {number}"] = (labels, np.round(values, 1) if number % 2 else values)
    return cases


CASES = _cases()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("weighted", [False, True])
def test_every_metric_equals_scikit_learn(case: Case, weighted: bool) -> None:
    labels, values = case
    weights = np.random.default_rng(1).integers(0, 4, len(labels)).astype(float) if weighted else None
    if weights is not None:
        weights[np.argmin(labels)], weights[np.argmax(labels)] = 2, 1  # both classes stay
    called = values > 0.5
    expected = {
        "auc": sk.roc_auc_score(labels, values, sample_weight=weights),
        "ap": sk.average_precision_score(labels, values, sample_weight=weights),
        "accuracy": sk.accuracy_score(labels, called, sample_weight=weights),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, called, sample_weight=weights),
        "precision": sk.precision_score(labels, called, sample_weight=weights, zero_division=0),
        "recall": sk.recall_score(labels, called, sample_weight=weights),
        "f1": sk.f1_score(labels, called, sample_weight=weights),
    }
    actual = scores.measure(Ranking(labels, values), weights)
    assert set(actual) == {*expected, "eer"} == set(scores.TITLES)
    for name, value in expected.items():
        assert float(actual[name]) == pytest.approx(value, abs=1e-9), name
    matrix = sk.confusion_matrix(labels, called, sample_weight=weights)
    np.testing.assert_allclose(scores.confusion(labels, values, weights), matrix, atol=1e-9)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_metric_equals_torchmetrics(case: Case) -> None:
    labels, values = case
    preds, target = torch.tensor(values, dtype=torch.float32), torch.tensor(labels)
    expected = {
        "auc": tm.binary_auroc(preds, target),
        "ap": tm.binary_average_precision(preds, target),
        "accuracy": tm.binary_accuracy(preds, target),
        "precision": tm.binary_precision(preds, target),
        "recall": tm.binary_recall(preds, target),
        "f1": tm.binary_f1_score(preds, target),
    }
    actual = scores.measure(Ranking(labels, values))
    for name, value in expected.items():
        assert float(actual[name]) == pytest.approx(float(value), abs=1e-6), name
    matrix = tm.binary_confusion_matrix(preds, target)
    np.testing.assert_array_equal(scores.confusion(labels, values), matrix.numpy())
    assert float(tm.binary_eer(preds, target)) in _nearest_points(labels, values)


def _nearest_points(labels: NDArray[np.int64], values: NDArray[np.float64]) -> list[object]:
    """Our EER; and, only where another point of the curve is exactly as near, that point's too."""
    counts = Ranking(labels, values).counts()
    reals, fakes = counts.all_reals, counts.all_fakes
    distance = np.abs(counts.reals * fakes + counts.fakes * reals - reals * fakes)
    nearest = np.flatnonzero(distance == distance.min())
    rates = (counts.reals[nearest] / reals + 1 - counts.fakes[nearest] / fakes) / 2
    assert float(scores.eer(labels, values)) == pytest.approx(rates[0], abs=1e-12)
    return [pytest.approx(rate, abs=1e-6) for rate in rates]


def test_eer_by_hand() -> None:
    # Above 0.35: one of four reals is called fake, one of four fakes is missed.
    labels = [0, 0, 0, 0, 1, 1, 1, 1]
    assert float(scores.eer(labels, [0.1, 0.2, 0.3, 0.6, 0.25, 0.5, 0.7, 0.8])) == pytest.approx(0.25)
    assert float(scores.eer([0, 1], [0.1, 0.9])) == 0.0
    assert float(scores.eer([0, 1], [0.9, 0.1])) == 1.0


@pytest.mark.parametrize(
    ("labels", "defined"),
    [([], set()), ([1], {"accuracy", "recall"}), ([1, 1, 1], {"accuracy", "recall"}), ([0, 0], {"accuracy"})],
)
def test_a_missing_class_leaves_gaps(labels: list[int], defined: set[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = scores.measure(Ranking(np.array(labels, dtype=int), np.linspace(0.6, 0.9, len(labels))))
    assert {name for name, value in values.items() if not np.isnan(value)} == defined
    assert float(values["accuracy"]) == pytest.approx(np.mean(labels) if labels else np.nan, nan_ok=True)


def test_a_resample_without_a_class_is_a_gap_beside_others() -> None:
    weights = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 0], [0, 0, 0]])
    values = scores.measure(Ranking([0, 1, 1], [0.1, 0.9, 0.2]), weights)
    np.testing.assert_array_equal(np.isnan(values["auc"]), [False, True, True, True])
    np.testing.assert_array_equal(np.isnan(values["accuracy"]), [False, False, False, True])
    np.testing.assert_array_equal(np.isnan(values["recall"]), [False, False, True, True])


def test_many_weightings_at_once_equal_each_alone_and_repeated_images() -> None:
    rng = np.random.default_rng(3)
    labels, values = rng.integers(0, 2, 60), np.round(rng.random(60), 1)
    weights = rng.integers(0, 3, (25, 60))
    together = scores.measure(Ranking(labels, values), weights)
    for row, weight in enumerate(weights):
        repeated = scores.measure(Ranking(np.repeat(labels, weight), np.repeat(values, weight)))
        for name, value in together.items():
            assert value.shape == (25,)
            assert value[row] == pytest.approx(float(repeated[name]), abs=1e-12), name


def test_each_function_gives_its_entry_of_measure() -> None:
    rng = np.random.default_rng(5)
    labels, values, weights = rng.integers(0, 2, 50), rng.random(50), rng.integers(0, 3, (4, 50))
    expected = scores.measure(Ranking(labels, values), weights, threshold=0.3)
    for name in ("auc", "eer"):
        np.testing.assert_array_equal(getattr(scores, name)(labels, values, weights), expected[name])
    np.testing.assert_array_equal(scores.average_precision(labels, values, weights), expected["ap"])
    for name in ("accuracy", "balanced_accuracy", "precision", "recall", "f1"):
        np.testing.assert_array_equal(getattr(scores, name)(labels, values, weights, 0.3), expected[name])


def test_gap_names_split_and_class() -> None:
    assert scores.gap("val", 3, 4) is None
    assert str(scores.gap("val", 0, 4)).startswith("val has no real image: only accuracy and recall")
    assert str(scores.gap("test", 4, 0)).startswith("test has no fake image: only accuracy can")
    assert scores.gap("test", 0, 0) == "test has no scored image, so it has no metrics."
