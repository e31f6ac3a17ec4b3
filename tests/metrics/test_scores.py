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
        "thousands": (rng.integers(0, 2, 5000), rng.random(5000).astype(np.float32).astype(np.float64)),
        "thousands with ties": (rng.integers(0, 2, 5000), np.round(rng.random(5000), 2)),
        "thousands, nearly perfect": (
            np.repeat([0, 1], 2000),
            np.append(rng.random(2000) * 0.6, 0.5 + rng.random(2000) / 2),
        ),
        "a hundred reals": (np.repeat([0, 1], 100), rng.random(200)),
        "next to the bounds of bins": (
            rng.integers(0, 2, 300),
            np.repeat(np.arange(1, 16) / 15, 20) + np.tile([-1e-6, -2e-6], 150),
        ),
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
        "partial_auc": sk.roc_auc_score(labels, values, sample_weight=weights, max_fpr=0.1),
        "ap": sk.average_precision_score(labels, values, sample_weight=weights),
        "accuracy": sk.accuracy_score(labels, called, sample_weight=weights),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, called, sample_weight=weights),
        "precision": sk.precision_score(labels, called, sample_weight=weights, zero_division=0),
        "recall": sk.recall_score(labels, called, sample_weight=weights),
        "f1": sk.f1_score(labels, called, sample_weight=weights),
        "mcc": sk.matthews_corrcoef(labels, called, sample_weight=weights),
        "brier": sk.brier_score_loss(labels, values, sample_weight=weights),
        "log_loss": sk.log_loss(labels, values, sample_weight=weights),
        "ece": _ece(labels, values, weights),
        "tpr_at_fpr_1e-2": _tpr(labels, values, weights, 0.01),
        "tpr_at_fpr_1e-3": _tpr(labels, values, weights, 0.001),
    }
    actual = scores.measure(Ranking(labels, values), weights)
    assert set(actual) == {*expected, "eer"} == set(scores.TITLES)
    for name, value in expected.items():
        assert float(actual[name]) == pytest.approx(value, abs=1e-9, nan_ok=True), name
    matrix = sk.confusion_matrix(labels, called, sample_weight=weights)
    np.testing.assert_allclose(scores.confusion(labels, values, weights), matrix, atol=1e-9)


def _tpr(labels: NDArray[np.int64], values: NDArray[np.float64], weights: NDArray | None, rate: float) -> float:
    if (labels == 0).sum() < 1 / rate:
        return np.nan
    false_rates, true_rates, _ = sk.roc_curve(labels, values, sample_weight=weights, drop_intermediate=False)
    return float(true_rates[false_rates <= rate].max())


def _ece(labels: NDArray[np.int64], values: NDArray[np.float64], weights: NDArray | None) -> float:
    counted = np.ones(len(labels)) if weights is None else weights
    total = 0.0
    for number in range(15):
        inside = (values >= number / 15) & ((values < (number + 1) / 15) | (number == 14))
        if counted[inside].sum():
            share = np.average(labels[inside], weights=counted[inside])
            confidence = np.average(values[inside], weights=counted[inside])
            total += counted[inside].sum() * abs(share - confidence)
    return total / counted.sum()


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
        "partial_auc": tm.binary_auroc(preds, target, max_fpr=0.1),
        "brier": torch.mean((preds - target) ** 2),
        # It gives a score of 1 a sixteenth bin.
        "ece": tm.binary_calibration_error(preds.clip(max=1 - 2**-24), target, n_bins=15),
    }
    if len(set(values > 0.5)) == 2:  # else it makes something up, where scikit-learn says 0
        expected["mcc"] = tm.binary_matthews_corrcoef(preds, target)
    for rate, name in ((0.01, "tpr_at_fpr_1e-2"), (0.001, "tpr_at_fpr_1e-3")):
        if (labels == 0).sum() >= 1 / rate:
            expected[name] = tm.binary_sensitivity_at_specificity(preds, target, min_specificity=1 - rate)[0]
    actual = scores.measure(Ranking(labels, values))
    for name, value in expected.items():
        assert float(actual[name]) == pytest.approx(float(value), abs=1e-6), name
    matrix = tm.binary_confusion_matrix(preds, target)
    np.testing.assert_array_equal(scores.confusion(labels, values), matrix.numpy())
    assert float(tm.binary_eer(preds, target)) in _nearest_points(labels, values)


def _nearest_points(labels: NDArray[np.int64], values: NDArray[np.float64]) -> list[object]:
    """Our EER; and, only where another point of the curve is exactly as near, that point's too."""
    limits = np.append(np.inf, -np.unique(-values))[:, None]
    passed, hits = (((values >= limits) & (labels == label)).sum(axis=1) for label in (0, 1))
    reals, fakes = passed[-1], hits[-1]
    distance = np.abs(passed * fakes + hits * reals - reals * fakes)
    nearest = np.flatnonzero(distance == distance.min())
    rates = (passed[nearest] / reals + 1 - hits[nearest] / fakes) / 2
    assert float(scores.measure(Ranking(labels, values))["eer"]) == pytest.approx(rates[0], abs=1e-12)
    return [pytest.approx(rate, abs=1e-6) for rate in rates]


def test_eer_by_hand() -> None:
    # Above 0.35: one of four reals is called fake, one of four fakes is missed.
    values = [0.1, 0.2, 0.3, 0.6, 0.25, 0.5, 0.7, 0.8]
    assert float(scores.measure(Ranking([0, 0, 0, 0, 1, 1, 1, 1], values))["eer"]) == pytest.approx(0.25)
    assert float(scores.measure(Ranking([0, 1], [0.1, 0.9]))["eer"]) == 0.0
    assert float(scores.measure(Ranking([0, 1], [0.9, 0.1]))["eer"]) == 1.0


def test_true_positive_rate_at_a_false_positive_rate_by_hand() -> None:
    # 200 reals below two fakes of four; two more reals may pass at 1 %, and tied with the third fake a third does.
    values = np.append(np.linspace(0, 0.4, 197), [0.7, 0.6, 0.5, 0.9, 0.8, 0.5, 0.3])
    labels = np.append(np.zeros(200), np.ones(4))
    assert float(scores.measure(Ranking(labels, values))["tpr_at_fpr_1e-2"]) == 0.5
    values[199] = 0.45
    assert float(scores.measure(Ranking(labels, values))["tpr_at_fpr_1e-2"]) == 0.75


def test_a_rate_that_so_few_reals_cannot_have_is_a_gap() -> None:
    values = np.random.default_rng(3).random(2200)
    for reals, defined in ((99, set()), (100, {"tpr_at_fpr_1e-2"}), (1000, {"tpr_at_fpr_1e-2", "tpr_at_fpr_1e-3"})):
        found = scores.measure(Ranking(np.arange(reals + 100) < 100, values[: reals + 100]))
        assert {name for name in scores.REALS_WANTED if not np.isnan(found[name])} == defined
        # Weights repeat images, they do not make new ones; and a resample may hold fewer than the data.
        many = scores.measure(Ranking(np.arange(reals + 100) < 100, values[: reals + 100]), np.full(reals + 100, 50))
        assert {name for name in scores.REALS_WANTED if not np.isnan(many[name])} == defined


def test_certainty_that_is_wrong_costs_much_but_not_infinitely() -> None:
    found = scores.measure(Ranking([0, 1], [1.0, 0.0]))
    assert float(found["log_loss"]) == pytest.approx(-np.log(np.finfo(np.float64).eps))
    assert float(found["brier"]) == float(found["ece"]) == 1.0
    found = scores.measure(Ranking([0, 1], [0.0, 1.0]))
    assert [float(found[name]) for name in scores.PROBABILISTIC] == pytest.approx([0, 0, 0], abs=1e-15)


def test_a_bin_of_the_calibration_error_holds_its_lower_bound() -> None:
    # 0.2 is the lower bound of the fourth bin: alone with 0.25 there, and not with 0.19.
    found = float(scores.measure(Ranking([0, 1, 1], [0.2, 0.25, 0.19]))["ece"])
    assert found == pytest.approx((abs(0.45 - 1) + 0.81) / 3)
    # 1 belongs to the last bin, with 0.95.
    assert float(scores.measure(Ranking([0, 1], [1.0, 0.95]))["ece"]) == pytest.approx(0.95 / 2)


@pytest.mark.parametrize("values", [[-0.1, 0.9], [0.2, 1.1], [-3.0, np.inf]])
def test_scores_that_are_no_probabilities_leave_gaps_where_these_are_wanted(values: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = scores.measure(Ranking([0, 1], values))
    assert {name for name, value in found.items() if np.isnan(value)} == {*scores.PROBABILISTIC, *scores.REALS_WANTED}


@pytest.mark.parametrize(
    ("labels", "more"),
    [([], set()), ([1], {"recall"}), ([1, 1, 1], {"recall"}), ([0, 0], set())],
)
def test_a_missing_class_leaves_gaps(labels: list[int], more: set[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = scores.measure(Ranking(np.array(labels, dtype=int), np.linspace(0.6, 0.9, len(labels))))
    defined = {"accuracy", *scores.PROBABILISTIC, *more} if labels else set()
    assert {name for name, value in values.items() if not np.isnan(value)} == defined
    assert float(values["accuracy"]) == pytest.approx(np.mean(labels) if labels else np.nan, nan_ok=True)


def test_a_resample_without_a_class_is_a_gap_beside_others() -> None:
    weights = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 0], [0, 0, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = scores.measure(Ranking([0, 1, 1], [0.1, 0.9, 0.2]), weights)
    for name in ("auc", "partial_auc", "ap", "eer", "mcc"):
        np.testing.assert_array_equal(np.isnan(values[name]), [False, True, True, True])
    for name in ("accuracy", "brier", "log_loss", "ece"):
        np.testing.assert_array_equal(np.isnan(values[name]), [False, False, False, True])


@pytest.mark.parametrize("decimals", [1, 9])
def test_weights_repeat_images_and_many_weightings_are_each_alone(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    labels, values = rng.integers(0, 2, 2500), np.round(rng.random(2500), decimals)
    weights = rng.integers(0, 3, (4, 2500))
    ranking = Ranking(labels, values)
    found = scores.measure(ranking, weights, threshold=0.3)
    for number, row in enumerate(weights):
        alone = scores.measure(ranking, row, threshold=0.3)
        repeated = scores.measure(Ranking(labels.repeat(row), values.repeat(row)), threshold=0.3)
        for name in scores.TITLES:
            assert float(found[name][number]) == float(alone[name])
            assert float(alone[name]) == pytest.approx(float(repeated[name]), abs=1e-12), name


def test_weights_of_groups_are_those_of_their_images() -> None:
    rng = np.random.default_rng(6)
    labels, values, groups = rng.integers(0, 2, 300), rng.random(300), rng.integers(0, 20, 300)
    weights = rng.integers(0, 3, (3, 20))
    found = scores.measure(Ranking(labels, values, groups), weights)
    expected = scores.measure(Ranking(labels, values), weights[:, groups])
    for name in scores.TITLES:
        np.testing.assert_array_equal(found[name], expected[name])


def test_names_say_what_they_need() -> None:
    labels, values = np.arange(2000) % 2, np.random.default_rng(8).random(2000)
    at_half, at_tenth = (scores.measure(Ranking(labels, values), threshold=limit) for limit in (0.5, 0.1))
    assert {name for name in scores.TITLES if at_half[name] != at_tenth[name]} == set(scores.THRESHOLDED)
    squeezed = scores.measure(Ranking(labels, 0.5 + (values - 0.5) / 2))
    assert {name for name in scores.TITLES if at_half[name] != squeezed[name]} == set(scores.PROBABILISTIC)


def test_gap_names_split_and_class() -> None:
    assert scores.gap("val", 3, 4) is None
    assert str(scores.gap("val", 0, 4)).startswith("val has no real image: only accuracy, recall, Brier score")
    assert str(scores.gap("test", 4, 0)).startswith("test has no fake image: only accuracy, Brier score")
    assert scores.gap("test", 0, 0) == "test has no scored image, so it has no metrics."
