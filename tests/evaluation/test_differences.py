"""Two detectors on the same rows: what differs, how surely, and which rows are no match."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from fakedet.errors import UserError
from fakedet.evaluation.bootstrap import Groups, Resampled
from fakedet.evaluation.differences import differences, differences_of_pairs, holm, matched
from fakedet.evaluation.intervals import intervals
from fakedet.metrics.ranking import Ranking
from fakedet.metrics.scores import TITLES, measure


def _two(skill: tuple[float, float], groups: int = 60, size: int = 6, seed: int = 0) -> list[pd.DataFrame]:
    """Predictions of two detectors that find the same groups hard; images of a group share their class."""
    rng = np.random.default_rng(seed)
    labels, codes = np.repeat(np.arange(groups) % 2, size), np.repeat(np.arange(groups), size)
    hard = rng.normal(size=groups)[codes]
    tables = []
    for number, sharpness in enumerate(skill):
        logits = sharpness * (2 * labels - 1) + hard + 0.5 * rng.normal(size=len(labels))
        tables.append(
            pd.DataFrame(
                {
                    "path": [f"{position}.png" for position in range(len(labels))],
                    "label": labels,
                    "group": [f"g{code}" for code in codes],
                    "score": 1 / (1 + np.exp(-logits)),
                    "extra": number,
                }
            )
        )
    return tables


def test_bounds_equal_a_plain_loop_with_the_same_draws_for_both() -> None:
    first, second = _two((0.8, 0.6), groups=20)
    found = differences(first, second, thresholds=(0.5, 0.3), resamples=150, seed=4)
    clusters = Groups(first["label"], first["group"])

    def measured(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        values: dict[str, list[float]] = {name: [] for name in TITLES}
        for row in weights.astype(int):
            picked = np.repeat(np.arange(len(first)), row[clusters.codes])
            pair = [
                measure(Ranking(rows["label"].iloc[picked], rows["score"].iloc[picked]), threshold=limit)
                for rows, limit in ((first, 0.5), (second, 0.3))
            ]
            for name in TITLES:
                values[name].append(float(pair[0][name] - pair[1][name]))
        return {name: np.array(each) for name, each in values.items()}

    drawn = np.concatenate(list(clusters.draws(150, 4)))
    points = {name: float(value[0]) for name, value in measured(np.ones((1, 20))).items()}
    expected = Resampled(points, measured(drawn), measured(1 - np.eye(20)), groups=20)
    for name in ("auc", "partial_auc", "ap", "eer", "recall", "mcc", "brier", "log_loss"):
        got = found.metrics[name]
        assert got.value == pytest.approx(points[name], abs=1e-12)
        assert (got.low, got.high, got.p_value) == pytest.approx(expected.difference(name), abs=1e-9), name
    assert (found.images, found.groups, found.resamples, found.dropped) == (120, 20, 150, 150 - len(drawn))


def test_a_better_detector_is_told_from_one_that_is_alike() -> None:
    better = differences(*_two((1.2, 0.7)), resamples=300)
    alike = differences(*_two((0.8, 0.8)), resamples=300)
    for name, sign in {"auc": 1, "ap": 1, "eer": -1, "accuracy": 1, "mcc": 1, "brier": -1, "log_loss": -1}.items():
        found = better.metrics[name]
        assert found.value == better.first[name] - better.second[name]
        assert sign * found.value > 0
        assert min(sign * found.low, sign * found.high) > 0
        assert found.p_value < 0.05
        assert alike.metrics[name].low < 0 < alike.metrics[name].high
        assert alike.metrics[name].p_value > 0.05
    assert better.delong.p_value < 0.05 < alike.delong.p_value
    assert better.delong.first - better.delong.second == pytest.approx(better.metrics["auc"].value, abs=1e-12)


def test_pairing_sees_what_two_intervals_hide() -> None:
    first, second = _two((1.0, 0.85), groups=80)
    found = differences(first, second, resamples=300).metrics["auc"]
    spread = [
        np.ptp(intervals(rows["label"], rows["score"], rows["group"], resamples=300).bounds["auc"])
        for rows in (first, second)
    ]
    assert found.high - found.low < 0.5 * np.hypot(*spread)


def test_the_test_of_images_is_too_sure_of_frames() -> None:
    # Each detector has its own hard groups, so that nothing cancels out.
    first, second = (_two((0.8, 0.8), groups=40, size=40, seed=seed)[0] for seed in (0, 1))
    found = differences(first, second, resamples=50)
    assert found.delong.error > 3 * found.delong_images.error
    bounds = found.metrics["auc"]
    assert bounds.high - bounds.low == pytest.approx(2 * 1.96 * found.delong.error, rel=0.3)


def test_order_of_rows_does_not_matter() -> None:
    first, second = _two((1.0, 0.7))
    shuffled = second.sample(frac=1, random_state=0)
    assert repr(differences(first, shuffled, resamples=50)) == repr(differences(first, second, resamples=50))


def test_a_detector_does_not_differ_from_itself() -> None:
    first, _ = _two((1.0, 1.0))
    found = differences(first, first, resamples=50)
    for name in ("auc", "accuracy", "brier", "ece"):
        difference = found.metrics[name]
        assert difference.value == 0
        assert np.isnan([difference.low, difference.high, difference.p_value]).all()
    assert found.delong.error == 0


def test_one_group_of_a_class_leaves_gaps_but_the_differences() -> None:
    found = differences(*_two((1.0, 0.5), groups=2, size=30), resamples=50)
    assert found.metrics["auc"].value > 0
    assert np.isnan([value for each in found.metrics.values() for value in (each.low, each.high, each.p_value)]).all()
    assert found.dropped == 0


def test_rows_that_do_not_match_are_refused_in_one_sentence() -> None:
    first, second = _two((1.0, 0.7))
    other = second.assign(path=second["path"].where(second.index > 2, "x" + second["path"]))
    cases = {
        r"same images: 3 are in the first predictions only, 3 in the second only, such as 0\.png": other,
        r"same images: 10 are in the first predictions only, 0 in the second only": second.iloc[10:],
        r"the second predictions name 1 paths twice, the first is 0\.png": pd.concat([second, second.iloc[:1]]),
        r"give 1 images another label, the first is 5\.png": second.assign(label=second["label"] ^ (second.index == 5)),
        r"give 360 images another group, the first is 0\.png": second.assign(group="g"),
        "second predictions lack the column score": second.drop(columns="score"),
    }
    for message, rows in cases.items():
        with pytest.raises(UserError, match=f"(?i){message}"):
            differences(first, rows)
    with pytest.raises(UserError, match="0 are in the first predictions only, 360 in the second"):
        differences(first.iloc[:0], second)


def test_several_pairs_at_once_equal_one_after_the_other() -> None:
    first, second = _two((1.0, 0.7))
    third = _two((0.8, 0.8))[1]
    tables = [first, *(matched(first, other.sample(frac=1, random_state=0))[1] for other in (second, third))]
    pairs, limits = [(0, 1), (2, 0), (1, 2)], (0.5, 0.4, 0.6)
    together = differences_of_pairs(tables, pairs, thresholds=limits, resamples=60)
    for found, (one, other) in zip(together, pairs, strict=True):
        alone = differences(tables[one], tables[other], thresholds=(limits[one], limits[other]), resamples=60)
        assert repr(found) == repr(alone)


def test_holm_equals_its_definition_and_leaves_gaps() -> None:
    # Holm 1979: the smallest of m times m, the next times m - 1, never falling, at most 1.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.5, np.nan, 0.04, 0.9]), [1.0, np.nan, 0.12, 1.0])
    assert holm([]).shape == (0,)
    assert np.isnan(holm([np.nan])).all()


def test_holm_keeps_its_promise_in_a_simulation() -> None:
    rng = np.random.default_rng(0)
    tests = rng.uniform(size=(4000, 6))  # of nothing
    wrong = np.mean([(holm(each) < 0.05).any() for each in tests])
    assert wrong == pytest.approx(0.05, abs=0.01)
    assert np.mean((tests < 0.05).any(axis=1)) > 0.2
