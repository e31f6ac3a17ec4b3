import numpy as np
import pandas as pd
import pytest
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from fakedet.detector.decision import METHODS
from fakedet.errors import UserError
from fakedet.evaluation.decision import fit_decision
from fakedet.metrics.calibration import log_loss
from fakedet.metrics.ranking import Ranking


def _table(labels: ArrayLike, logits: ArrayLike, groups: ArrayLike | None = None) -> pd.DataFrame:
    """Predictions of the validation split, every image its own group unless groups are given."""
    truth, values = np.asarray(labels), np.asarray(logits, dtype=float)
    names = np.arange(len(truth)) if groups is None else np.asarray(groups)
    return pd.DataFrame(
        {
            "path": [f"{number}.png" for number in range(len(truth))],
            "label": truth,
            "group": names.astype(str),
            "video": None,
            "split": "val",
            "logit": values,
            "score": expit(values),
            "face_status": "given",
        }
    )


def _drawn(size: int, temperature: float, share: float = 0.5, seed: int = 0) -> pd.DataFrame:
    """Logits that are log-likelihood ratios of two normal distributions, times a temperature."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(size) < share).astype(int)
    # N(±2, 2²) has a ratio of exp(x): calibrated where the classes are equally frequent.
    return _table(labels, temperature * (2 * (2 * labels - 1) + 2 * rng.normal(size=size)))


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_a_known_temperature_is_recovered_whatever_the_share_of_fakes(temperature: float, share: float) -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(50_000) < share).astype(int)
    # The log-likelihood ratio of exponential distributions with means 3 and 1: no symmetry hides the weights.
    ratios = rng.exponential(np.where(labels == 1, 3.0, 1.0)) * 2 / 3 - np.log(3)
    decision = fit_decision(_table(labels, temperature * ratios), protocol="by group", resamples=2)
    assert decision.calibration.method == "temperature"
    assert decision.calibration.temperature == pytest.approx(temperature, rel=0.04)


def test_the_temperature_is_the_minimum_of_the_log_loss() -> None:
    table = _drawn(300, 2.0, share=0.7)
    labels, logits = table["label"].to_numpy(), table["logit"].to_numpy()
    fakes, reals = labels.sum(), len(labels) - labels.sum()
    targets = np.where(labels == 1, (fakes + 1) / (fakes + 2), 1 / (reals + 2))

    def loss(temperature: float) -> float:
        costs = targets * np.logaddexp(0, -logits / temperature) + (1 - targets) * np.logaddexp(0, logits / temperature)
        return float(costs[labels == 1].mean() + costs[labels == 0].mean())

    expected = minimize_scalar(loss, bounds=(0.1, 20), method="bounded", options={"xatol": 1e-9}).x
    found = fit_decision(table, protocol="", resamples=20).calibration.temperature
    assert found == pytest.approx(expected, rel=1e-6)


def test_calibration_lowers_the_log_loss_of_images_it_has_not_seen() -> None:
    fresh = _drawn(5000, 3.0, seed=1)
    losses = {}
    for method in METHODS:
        decision = fit_decision(_drawn(5000, 3.0), calibration=method, protocol="", resamples=20)
        losses[method] = float(log_loss(Ranking(fresh["label"], decision.probability(fresh["logit"])).counts()))
    assert losses["none"] > 1.2 * losses["temperature"]
    assert losses["none"] > 1.2 * losses["isotonic"]


def test_the_unit_of_the_logits_does_not_matter() -> None:
    table = _drawn(400, 1.0)
    plain = fit_decision(table, protocol="")
    for unit in (1e-6, 1e6):
        other = fit_decision(table.assign(logit=unit * table["logit"]), protocol="")
        assert other.calibration.temperature == pytest.approx(unit * plain.calibration.temperature, rel=1e-6)
        assert (other.threshold, *other.band) == pytest.approx((plain.threshold, *plain.band), rel=1e-6)


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_few_images_that_are_told_apart_make_no_certainty(method: str) -> None:
    table = _table([0] * 10 + [1] * 10, [*np.linspace(-9, -1, 10), *np.linspace(1, 9, 10)])
    decision = fit_decision(table, calibration=method, protocol="")
    extremes = decision.probability([-9.0, 9.0])
    assert 0.0 < extremes[0] < 0.1
    assert 0.9 < extremes[1] < 1.0


def test_isotonic_is_that_of_scikit_learn_and_never_falls() -> None:
    table = _drawn(600, 2.0, share=0.8, seed=3)
    table["logit"] = table["logit"].round(1)
    labels, logits = table["label"].to_numpy(), table["logit"].to_numpy()
    images = np.bincount(labels)
    decision = fit_decision(table, calibration="isotonic", protocol="")
    targets = np.where(labels == 1, (images[1] + 1) / (images[1] + 2), 1 / (images[0] + 2))
    theirs = IsotonicRegression(out_of_bounds="clip").fit(logits, targets, sample_weight=1 / images[labels])
    grid = np.linspace(-20, 20, 4001)
    np.testing.assert_allclose(decision.probability(grid), theirs.predict(grid), rtol=1e-7)
    assert (np.diff(decision.probability(grid)) > 0).all()
    assert len(decision.calibration.knots) > 5


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.29, 0.5])
@pytest.mark.parametrize("decimals", [0, 1, 12])
def test_the_threshold_is_the_smallest_that_keeps_the_rate(method: str, rate: float, decimals: int) -> None:
    for seed, size in enumerate((30, 200, 401)):
        table = _drawn(size, 2.0, seed=seed)
        table["logit"] = table["logit"].round(decimals)  # makes ties
        decision = fit_decision(table, false_positive_rate=rate, calibration=method, protocol="", resamples=20)
        probabilities = decision.probability(table["logit"])
        assert np.mean(probabilities[table["label"] == 0] > decision.threshold) <= rate
        # An exported file computes without the slope, and must keep the rate too.
        reals = decision.calibration.level(table["logit"].to_numpy())[table["label"] == 0]
        assert np.mean(reals > decision.threshold) <= rate
        lower = reals[reals < decision.threshold]
        if len(lower):
            assert np.mean(reals > lower.max()) > rate, "a lower threshold would keep it too"
        assert decision.threshold in reals
        called_fake = decision.verdict(probabilities)[table["label"] == 0] == "fake"
        assert called_fake.mean() <= rate


def test_a_rate_that_the_reals_make_up_exactly_is_used_up() -> None:
    table = _table([0] * 100 + [1] * 100, [*np.arange(100.0), *np.arange(100.0, 200)])
    decision = fit_decision(table, false_positive_rate=0.29, calibration="none", protocol="")
    assert 0.29 * 100 < 29, "a product would lose one of them"
    assert decision.threshold == decision.probability(70.0)


def test_fewer_reals_than_the_rate_wants_are_said() -> None:
    table = _drawn(30, 1.0)
    decision = fit_decision(table, false_positive_rate=0.01, protocol="")
    reals = decision.probability(table["logit"])[table["label"] == 0]
    assert decision.threshold == reals.max()
    assert f"the highest of {len(reals)} validation reals" in decision.notes()[0]
    assert fit_decision(_drawn(300, 1.0), false_positive_rate=0.01, protocol="").notes() == []


def _clusters(groups: int, size: int, spread: float, seed: int = 0) -> pd.DataFrame:
    """Reals and fakes in groups whose images share a shift."""
    rng = np.random.default_rng(seed)
    names = np.repeat(np.arange(groups), size)
    labels = names % 2
    logits = 3.0 * labels + spread * np.repeat(rng.normal(size=groups), size) + rng.normal(size=len(names))
    return _table(labels, logits, names)


def test_the_band_holds_the_threshold_and_most_images_keep_their_verdict() -> None:
    for groups, spread in ((4, 0.1), (4, 3.0), (16, 0.3), (16, 5.0), (80, 1.0)):
        for method in METHODS:
            table = _clusters(groups, 25, spread)
            decision = fit_decision(table, calibration=method, protocol="")
            if not decision.fitted:
                continue
            low, high = decision.band
            assert 0 <= low <= decision.threshold <= high <= 1
            probabilities, labels = decision.probability(table["logit"]), table["label"].to_numpy()
            below = probabilities[(labels == 0) & (probabilities <= decision.threshold)]
            above = probabilities[(labels == 1) & (probabilities > decision.threshold)]
            assert np.mean(below <= low) >= 0.75
            if len(above):
                assert np.mean(above > high) >= 0.75


def test_images_of_one_group_make_the_band_wider_than_as_many_alone() -> None:
    table = _clusters(200, 20, 1.0)
    together = fit_decision(table, protocol="")
    alone = fit_decision(table.assign(group=table["path"]), protocol="")
    assert together.threshold == alone.threshold
    assert np.ptp(together.band) > 1.5 * np.ptp(alone.band) > 0


def test_the_band_shrinks_as_images_are_added() -> None:
    widths = [np.ptp(fit_decision(_drawn(size, 1.0), protocol="", resamples=200).band) for size in (1000, 16_000)]
    assert widths[0] > 2 * widths[1] > 0


def test_the_band_holds_the_threshold_of_all_images_there_are_95_times_of_100() -> None:
    held = 0
    # 95 % of normal reals around -2 with a standard deviation of 2 lie below this logit.
    truth = -2 + 2 * 1.6448536
    for seed in range(150):
        decision = fit_decision(_drawn(600, 1.0, seed=seed), calibration="none", protocol="", resamples=150)
        held += decision.band[0] <= expit(truth) <= decision.band[1]
    assert 0.88 <= held / 150 <= 0.99


def test_few_groups_leave_open_as_much_as_a_band_may() -> None:
    table = _clusters(8, 40, 0.5)
    assert table[table["label"] == 0]["group"].nunique() == 4
    decision = fit_decision(table, calibration="none", protocol="")
    probabilities, labels = decision.probability(table["logit"]), table["label"].to_numpy()
    below = probabilities[(labels == 0) & (probabilities <= decision.threshold)]
    assert np.mean(below > decision.band[0]) == pytest.approx(0.25, abs=1 / len(below))
    assert "8 groups only" in decision.notes()[-1]


def test_it_is_the_same_again_and_depends_on_the_seed_alone() -> None:
    table = _clusters(200, 5, 0.5)
    first = fit_decision(table, protocol="by group", seed=3)
    assert fit_decision(table.copy(), protocol="by group", seed=3) == first
    assert fit_decision(table, protocol="by group", seed=4).band != first.band
    assert fit_decision(table, protocol="by group", seed=4).threshold == first.threshold


def test_what_it_was_fitted_on_is_kept_and_unreadable_images_are_left_out() -> None:
    table = _clusters(20, 5, 0.5)
    unread = table.assign(face_status="unreadable", logit=np.nan, score=np.nan, label=1 - table["label"])
    decision = fit_decision(pd.concat([table, unread.iloc[:30]], ignore_index=True), protocol="official split")
    assert decision == fit_decision(table, protocol="official split")
    assert decision.fitted_on is not None
    base = decision.fitted_on
    assert (base.images, base.reals, base.groups, base.protocol) == (100, 50, 20, "official split")
    assert decision.false_positive_rate == 0.05


@pytest.mark.parametrize("split", ["test", "train", "all", np.nan])
def test_rows_of_another_split_are_refused(split: str | float) -> None:
    table = _drawn(50, 1.0)
    table.loc[7, "split"] = split
    with pytest.raises(UserError, match=rf"fitted on the split val alone, and 1 of 50 rows are of another \({split}"):
        fit_decision(table, protocol="")


def test_rows_of_no_known_split_are_refused() -> None:
    with pytest.raises(UserError, match="lack the column split"):
        fit_decision(_drawn(50, 1.0).drop(columns="split"), protocol="")


@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_fitted_is_unfitted_with_its_reason(method: str) -> None:
    table = _drawn(50, 1.0)
    one_video = table.assign(group=table["group"].where(table["label"] == 0, "same"))
    for rows, reason in (
        (table[table["label"] == 1], "the real validation images come from fewer than two groups"),
        (table[table["label"] == 0], "the fake validation images come from fewer than two groups"),
        (table.iloc[:0], "the real validation images"),
        (table.assign(face_status="unreadable"), "the real validation images"),
        (one_video, "the fake validation images come from fewer than two groups"),
    ):
        decision = fit_decision(rows, calibration=method, protocol="")
        assert not decision.fitted
        assert (decision.threshold, decision.band) == (0.5, (0.5, 0.5))
        assert decision.reason is not None
        assert decision.reason.startswith(reason)


@pytest.mark.parametrize("logits", [[0.0] * 4, [-0.3] * 4, [-0.3, -0.3, -0.3 + 3e-8, -0.3], [1.0, 2.0, 0.5, -1.0]])
def test_logits_that_do_not_tell_the_classes_apart_have_no_temperature(logits: list[float]) -> None:
    decision = fit_decision(_table([0, 0, 1, 1], logits), protocol="")
    assert decision.reason == "the logits of validation images are no higher for fakes than for reals"


def test_a_threshold_that_nothing_exceeds_is_said() -> None:
    table = _table([0, 0, 0, 1, 1, 1], [-3.0, -2.0, 5.0, -1.0, 4.0, 4.5])
    decision = fit_decision(table, calibration="isotonic", protocol="")
    assert "fake" not in decision.verdict(decision.probability(np.linspace(-99, 99, 199)))
    assert any(line.startswith("No image can be called fake") for line in decision.notes())


@pytest.mark.parametrize(
    ("changes", "settings", "message"),
    [
        ({"logit": np.inf}, {}, r"50 readable images have a logit that is not finite, the first is 0\.png"),
        ({"logit": np.nan}, {}, "50 readable images have a logit that is not finite"),
        ({"score": np.nan}, {}, "50 readable images have no score"),
        ({"label": 2}, {}, "Labels are other than 0"),
        ({"group": None}, {}, "50 images have no group"),
        ({}, {"calibration": "isotonik"}, r"calibration=isotonik \(did you mean isotonic\?\) is not one of none"),
        ({}, {"false_positive_rate": 0}, "false_positive_rate=0 leaves nothing to decide"),
        ({}, {"false_positive_rate": 5}, "false_positive_rate=5 is not a number from 0 to 1"),
    ],
)
def test_bad_input_is_named(changes: dict[str, object], settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit_decision(_drawn(50, 1.0).assign(**changes), protocol="", **settings)  # type: ignore[arg-type]


def test_missing_columns_are_named() -> None:
    for column in ("logit", "score", "group", "label", "face_status"):
        with pytest.raises(UserError, match=f"lack the column {column}"):
            fit_decision(_drawn(50, 1.0).drop(columns=column), protocol="")


def test_who_abstained_has_no_part_in_it() -> None:
    table = _clusters(20, 5, 0.5)
    silent = table.assign(face_status="abstained", logit=np.nan, score=0.5)
    decision = fit_decision(pd.concat([table, silent.iloc[:30]], ignore_index=True), protocol="by group")
    assert decision == fit_decision(table, protocol="by group")


@pytest.mark.parametrize("method", METHODS)
def test_calibration_leaves_the_order_of_pictures_as_it_is(method: str) -> None:
    decision = fit_decision(_drawn(1000, 2.0), calibration=method, protocol="", resamples=20)
    fresh = _drawn(4000, 2.0, seed=1)
    scores, logits = decision.probability(fresh["logit"]), fresh["logit"].to_numpy()
    assert len(np.unique(scores)) == len(np.unique(logits))
    assert (np.argsort(scores) == np.argsort(logits)).all()
