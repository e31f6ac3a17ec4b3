import json
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from fakedet.detector.decision import Calibration, Decision, FittedOn
from fakedet.errors import UserError

SCALED = Decision(
    calibration=Calibration("temperature", temperature=2.5),
    threshold=0.75,
    false_positive_rate=0.05,
    band=(0.6, 0.9),
    fitted_on=FittedOn(images=1200, reals=640, groups=70, protocol="official split"),
)
STEPS = Decision(
    calibration=Calibration("isotonic", knots=((-2.0, 0.1), (-1.0, 0.1), (1.5, 0.7), (3.0, 0.95))),
    threshold=0.7,
    false_positive_rate=0.1,
    band=(0.5, 0.8),
    fitted_on=FittedOn(images=40, reals=8, groups=4, protocol="by group"),
)


@pytest.mark.parametrize("decision", [Decision(), Decision(reason="val is empty"), SCALED, STEPS])
def test_json_gives_the_same_decision_back(decision: Decision) -> None:
    text = json.dumps(decision.to_json(), allow_nan=False)
    assert Decision.from_json(json.loads(text)) == decision
    assert json.dumps(Decision.from_json(json.loads(text)).to_json()) == text


def test_it_cannot_change() -> None:
    with pytest.raises(FrozenInstanceError):
        SCALED.threshold = 0.1  # type: ignore[misc]


def test_without_calibration_the_probability_is_the_logistic_function() -> None:
    logits = np.array([[-np.inf, -800.0, -30.0, -1e-3], [0.0, 2.0, 40.0, np.inf]])
    np.testing.assert_allclose(Decision().probability(logits), expit(logits), rtol=1e-14)
    assert Decision().probability(0.0).shape == ()


def test_a_temperature_divides_the_logit() -> None:
    logits = np.linspace(-50, 50, 1001)
    found = SCALED.probability(logits)
    np.testing.assert_allclose(found, expit(logits / 2.5), rtol=1e-13)
    assert (np.diff(found) >= 0).all()
    assert SCALED.probability(np.ones(2, np.float32)).dtype == np.float64


def test_isotonic_goes_straight_between_knots_and_all_but_level_beyond() -> None:
    found = STEPS.probability([-np.inf, -9, -1.5, 0.25, 1.5, 2.25, 9, np.inf])
    np.testing.assert_allclose(found, [0.1, 0.1, 0.1, 0.4, 0.7, 0.825, 0.95, 0.95], rtol=1e-7)
    assert (np.diff(found) > 0).all(), "the network's order is kept"
    assert (found <= [0.1, 0.1, 0.1, 0.4, 0.7, 0.825, 0.95, 0.95]).all(), "a threshold at a level is not passed"


def test_verdicts_are_real_up_to_the_band_and_fake_above_it() -> None:
    assert SCALED.verdict([0.0, 0.6, 0.61, 0.75, 0.9, 0.91, 1.0]).tolist() == [
        "real", "real", "uncertain", "uncertain", "uncertain", "fake", "fake",
    ]  # fmt: skip
    assert Decision().verdict([[0.5, 0.51]]).tolist() == [["real", "fake"]], "an empty band leaves nothing open"
    assert SCALED.verdict(0.95) == "fake"
    assert SCALED.verdict(0.95).shape == ()
    assert SCALED.verdict([]).tolist() == []


@pytest.mark.parametrize("decision", [Decision(), SCALED, STEPS])
def test_a_nan_never_becomes_a_probability_or_a_verdict(decision: Decision) -> None:
    with pytest.raises(UserError, match=r"1 of 2 logits are not numbers \(NaN\)"):
        decision.probability([1.0, np.nan])
    with pytest.raises(UserError, match=r"1 of 2 probabilities lie outside \[0, 1\] or are not numbers"):
        decision.verdict([0.1, np.nan])
    for outside in (-0.01, 1.01, np.inf):
        with pytest.raises(UserError, match="calibrate logits first"):
            decision.verdict(outside)


def test_a_default_says_that_it_is_unfitted() -> None:
    assert not Decision().fitted
    assert Decision().describe() == "fake above 0.5; unfitted"
    assert Decision().notes() == ["The threshold 0.5 is a convention and was not fitted."]
    reason = Decision(reason="val has no real image")
    assert reason.describe().endswith("unfitted, because val has no real image")
    assert reason.notes()[0].endswith("was not fitted, because val has no real image.")


def test_a_fitted_one_says_what_it_rests_on() -> None:
    assert SCALED.fitted
    assert SCALED.describe() == (
        "fake above 0.75, uncertain from 0.6 to 0.9; at most 5 % of validation reals are called fake; calibration "
        "temperature 2.5; fitted on 1,200 validation images (640 real) of 70 groups, official split"
    )
    assert SCALED.notes() == []
    few, groups = STEPS.notes()
    assert "the highest of 8 validation reals" in few
    assert "at a rate of 10 %" in few
    assert "fitted on 4 groups only" in groups


@pytest.mark.parametrize(("reals", "said"), [(20, False), (19, True)])
def test_one_real_must_make_up_the_rate(reals: int, said: bool) -> None:
    values = {**SCALED.to_json(), "fitted_on": {"images": 90, "reals": reals, "groups": 70, "protocol": ""}}
    assert bool(Decision.from_json(values).notes()) == said


def test_it_is_said_where_nothing_can_be_called_fake() -> None:
    values = {**STEPS.to_json(), "threshold": 0.95, "band": [0.5, 0.95]}
    assert Decision.from_json(values).notes()[-1].startswith("No image can be called fake")
    assert not [line for line in STEPS.notes() if line.startswith("No image")]


FITTED = {"images": 9, "reals": 4, "groups": 3, "protocol": "by group"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("a text", r"decision='a text' is not a mapping"),
        ({"treshold": 0.4}, "decision has no field treshold"),
        ({1: 0.4, "x": 2}, "decision has no field 1, x"),
        ({"threshold": 2}, "decision.threshold=2 is not a number from 0 to 1"),
        ({"threshold": float("nan")}, "decision.threshold=nan is not"),
        ({"threshold": "0.5"}, "decision.threshold='0.5' is not"),
        ({"threshold": True}, "decision.threshold=True is not"),
        ({"threshold": None}, "decision.threshold=None is not"),
        ({"threshold": "x" * 10_000}, r"decision.threshold='x{59} is not"),
        ({"threshold": 0.7}, r"band=\[0.5, 0.5\] does not hold the threshold 0.7"),
        ({"band": [0.9, 0.1]}, r"band=\[0.9, 0.1\] does not hold"),
        ({"band": [0.1, float("nan")]}, "decision.band=nan"),
        ({"band": [0.1, 0.5, 0.9]}, r"not of the form \[low, high\]"),
        ({"band": "ab"}, "band='ab' is not of the form"),
        ({"false_positive_rate": 0.1}, "are given together or not at all"),
        ({"fitted_on": FITTED}, "are given together or not at all"),
        ({"false_positive_rate": 0, "fitted_on": FITTED}, "false_positive_rate=0 leaves nothing to decide"),
        ({"false_positive_rate": -1, "fitted_on": FITTED}, "false_positive_rate=-1 is not a number"),
        ({"fitted_on": [1, 2]}, r"decision.fitted_on=\[1, 2\] is not a mapping"),
        ({"fitted_on": {"images": 3}}, "decision.fitted_on lacks the field reals, groups, protocol"),
        ({"fitted_on": {**FITTED, "groups": 0}}, "fitted_on.groups=0 is not"),
        ({"fitted_on": {**FITTED, "images": 2.5}}, "fitted_on.images=2.5 is not"),
        ({"fitted_on": {**FITTED, "protocol": 3}}, "fitted_on.protocol=3 is not a text"),
        ({"reason": 3}, "decision.reason=3 is not a text"),
        ({"calibration": "temperature"}, "decision.calibration='temperature' is not a mapping"),
        ({"calibration": {"method": "temprature"}}, r"'temprature' \(did you mean temperature\?\) is not one of"),
        ({"calibration": {"metod": "none"}}, "decision.calibration has no field metod"),
        ({"calibration": {"temperature": 2}}, "temperature=2 does not go with calibration=none"),
        ({"calibration": {"method": "temperature", "temperature": 0}}, "temperature=0 does not go with"),
        ({"calibration": {"method": "temperature", "temperature": float("inf")}}, "temperature=inf is not"),
        ({"calibration": {"method": "temperature", "knots": [[0, 0.5]]}}, "1 knots, which do not go with temperature"),
        ({"calibration": {"method": "isotonic"}}, "0 knots, which do not go with isotonic"),
        ({"calibration": {"method": "isotonic", "knots": "abc"}}, "knots='abc' is not a list of pairs"),
        ({"calibration": {"method": "isotonic", "knots": [[0, 0.1, 0.2]]}}, "not a pair of logit and probability"),
        ({"calibration": {"method": "isotonic", "knots": [[0, 0.4], [1, 0.3]]}}, "knots do not rise"),
        ({"calibration": {"method": "isotonic", "knots": [[0, 0.4], [0, 0.5]]}}, "knots do not rise"),
        (
            {"calibration": {"method": "isotonic", "knots": [[0, 1.4]]}},
            "decision.knots=1.4 is not a number from 0 to 1",
        ),
        ({"calibration": {"method": "isotonic", "knots": [[float("nan"), 0.4]]}}, "decision.knots=nan is not"),
    ],
)
def test_nonsense_is_refused_by_name(values: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        Decision.from_json(values)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300
