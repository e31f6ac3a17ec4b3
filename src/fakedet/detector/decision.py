"""What a detector says of a score: how probable a fake is, and real, fake or uncertain by it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fakedet.errors import UserError, did_you_mean

METHODS = ("none", "temperature", "isotonic")
VERDICTS = ("real", "uncertain", "fake")
_FEW_GROUPS = 10
_SLOPE = 1e-7
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """How a logit becomes the probability of a fake; it rises where the logit does, until it rounds to 0 or 1.

    Attributes:
        method: `none` is the logistic function; `temperature` divides the logit first (Guo et al., "On
            calibration of modern neural networks", ICML 2017); `isotonic` goes straight from knot to knot
            and stays level beyond them (Zadrozny and Elkan, "Transforming classifier scores into accurate
            multiclass probability estimates", KDD 2002), but for a slope of a ten-millionth: levels would make
            ties of pictures that the network ranks, and change every AUC.
        temperature: what the logit is divided by; 1 unless the method is `temperature`.
        knots: (logit, probability), rising; empty unless the method is `isotonic`.

    Raises:
        UserError: for a value outside these.
    """

    method: str = "none"
    temperature: float = 1.0
    knots: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            hint = did_you_mean(self.method, METHODS)
            raise UserError(f"decision.calibration={_shown(self.method)}{hint} is not one of {', '.join(METHODS)}.")
        temperature = _number("temperature", self.temperature, 0, np.finfo(np.float64).max)
        if not temperature > 0 or (self.method != "temperature" and temperature != 1):
            raise UserError(f"decision.temperature={temperature:g} does not go with calibration={self.method}.")
        object.__setattr__(self, "temperature", temperature)
        object.__setattr__(self, "knots", _knots(self.knots))
        if bool(self.knots) != (self.method == "isotonic"):
            raise UserError(f"decision.knots has {len(self.knots)} knots, which do not go with {self.method}.")

    def __call__(self, logits: Floats) -> Floats:
        """Probability of a fake, in [0, 1], of the same shape."""
        if self.method == "isotonic":
            order = 0.5 - np.arctan(logits) / np.pi  # from 1 down to 0: what lies on a level stays at or below it
            return np.asarray(self.level(logits) * (1 - _SLOPE * order))
        return self.level(logits)

    def level(self, logits: Floats) -> Floats:
        """The same without the slope, as exported files have it: thresholds are fitted on it, so that both agree."""
        if self.method == "isotonic":
            places, probabilities = np.array(self.knots).T
            return np.asarray(np.interp(logits, places, probabilities))
        return np.exp(-np.logaddexp(0.0, -logits / self.temperature))


@dataclass(frozen=True)
class FittedOn:
    """The validation images behind a decision.

    Attributes:
        images: number of them.
        reals: number of those that are real.
        groups: number of their groups (photographs, source videos, persons).
        protocol: how the data were split, in words.
    """

    images: int
    reals: int
    groups: int
    protocol: str

    def __post_init__(self) -> None:
        for name in ("images", "reals", "groups"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UserError(f"decision.fitted_on.{name}={_shown(value)} is not a number of at least 1.")
        _text("fitted_on.protocol", self.protocol)


@dataclass(frozen=True)
class Decision:
    """Calibration, threshold and the band in which the verdict is left open; without arguments, unfitted.

    Attributes:
        calibration: from logit to probability.
        threshold: an image is taken for a fake above it, on the calibrated probability.
        false_positive_rate: the rate on validation reals that the threshold keeps; None when unfitted.
        band: (low, high) around the threshold: `real` up to low, `uncertain` above low up to high, `fake`
            above high. Empty where low = high.
        fitted_on: what it was fitted on; None when unfitted.
        reason: why it is unfitted, a clause; None where nobody tried, and when fitted.

    Raises:
        UserError: for a value outside these.
    """

    calibration: Calibration = field(default_factory=Calibration)
    threshold: float = 0.5
    false_positive_rate: float | None = None
    band: tuple[float, float] = (0.5, 0.5)
    fitted_on: FittedOn | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", _number("threshold", self.threshold, 0, 1))
        if not isinstance(self.band, tuple | list) or len(self.band) != 2:
            raise UserError(f"decision.band={_shown(self.band)} is not of the form [low, high].")
        low, high = (_number("band", end, 0, 1) for end in self.band)
        if not low <= self.threshold <= high:
            raise UserError(f"decision.band=[{low:g}, {high:g}] does not hold the threshold {self.threshold:g}.")
        object.__setattr__(self, "band", (low, high))
        if (self.false_positive_rate is None) != (self.fitted_on is None):
            raise UserError("decision.false_positive_rate and decision.fitted_on are given together or not at all.")
        if self.false_positive_rate is not None:
            object.__setattr__(self, "false_positive_rate", rate_of(self.false_positive_rate))
        if self.reason is not None:
            _text("reason", self.reason)

    @property
    def fitted(self) -> bool:
        """Whether validation images stand behind it; otherwise the probability is the network's own claim."""
        return self.fitted_on is not None

    def probability(self, logits: ArrayLike) -> Floats:
        """Calibrated probability of a fake, in [0, 1], of the logits' shape.

        It holds where reals and fakes are equally frequent.

        Raises:
            UserError: for a logit that is not a number.
        """
        values = np.asarray(logits, dtype=np.float64)
        if np.isnan(values).any():
            raise UserError(
                f"{int(np.isnan(values).sum())} of {values.size} logits are not numbers (NaN): leave out what could "
                "not be scored; a NaN has no verdict."
            )
        return self.calibration(values)

    def verdict(self, probabilities: ArrayLike) -> NDArray[np.str_]:
        """`real`, `uncertain` or `fake`, of the shape of the calibrated probabilities.

        Raises:
            UserError: for what is no probability, NaN included.
        """
        values = np.asarray(probabilities, dtype=np.float64)
        outside = int(values.size - ((values >= 0) & (values <= 1)).sum())
        if outside:
            raise UserError(
                f"{outside} of {values.size} probabilities lie outside [0, 1] or are not numbers (NaN): leave out "
                "what could not be scored, and calibrate logits first."
            )
        return np.asarray(np.array(VERDICTS)[np.searchsorted(self.band, values, side="left")])

    def describe(self) -> str:
        """What it does and what it rests on, in one line for a model card."""
        low, high = self.band
        limits = f"fake above {self.threshold:.5g}"
        if low < high:
            limits += f", uncertain from {low:.5g} to {high:.5g}"
        base, calibration = self.fitted_on, self.calibration
        if base is None or self.false_positive_rate is None:
            return f"{limits}; unfitted" + (f", because {self.reason}" if self.reason else "")
        by = f" {calibration.temperature:.3g}" if calibration.method == "temperature" else ""
        return (
            f"{limits}; at most {100 * self.false_positive_rate:g} % of validation reals are called fake; "
            f"calibration {calibration.method}{by}; fitted on {base.images:,} validation images ({base.reals:,} real) "
            f"of {base.groups:,} groups, {base.protocol}"
        )

    def notes(self) -> list[str]:
        """What a user of its verdicts has to know, a sentence each."""
        base = self.fitted_on
        if base is None or self.false_positive_rate is None:
            because = f", because {self.reason}" if self.reason else ""
            return [f"The threshold {self.threshold:g} is a convention and was not fitted{because}."]
        lines, rate = [], f"{100 * self.false_positive_rate:g} %"
        if base.reals * self.false_positive_rate < 1:
            lines.append(
                f"The threshold is the highest of {base.reals:,} validation reals: of so few none may be called fake "
                f"at a rate of {rate}, and the true rate may be higher."
            )
        if base.groups < _FEW_GROUPS:
            lines.append(
                f"The threshold was fitted on {base.groups} groups only: on other photographs, videos or persons the "
                f"rate may be far from {rate}."
            )
        if not self.calibration(np.array(np.inf)) > self.band[1]:
            lines.append("No image can be called fake: validation images do not bear it out at this rate.")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Plain dict; `from_json` gives the same decision back."""
        knots = [list(knot) for knot in self.calibration.knots]
        return {**asdict(self), "calibration": {**asdict(self.calibration), "knots": knots}, "band": list(self.band)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Decision":
        """The decision of such a dict; a key that is not a field is refused by name, and so is what is no dict."""
        given = _fields("decision", cls, values)
        if "calibration" in given:
            given["calibration"] = Calibration(**_fields("decision.calibration", Calibration, given["calibration"]))
        if given.get("fitted_on") is not None:
            given["fitted_on"] = FittedOn(**_fields("decision.fitted_on", FittedOn, given["fitted_on"], complete=True))
        return cls(**given)


def rate_of(value: object) -> float:
    """A false-positive rate, checked.

    Raises:
        UserError: when it is not a number between 0 and 1.
    """
    rate = _number("false_positive_rate", value, 0, 1)
    if rate in (0, 1):
        raise UserError(f"decision.false_positive_rate={rate:g} leaves nothing to decide: choose one such as 0.05.")
    return rate


def _knots(values: Any) -> tuple[tuple[float, float], ...]:
    if not isinstance(values, tuple | list) or not all(isinstance(knot, tuple | list) for knot in values):
        raise UserError(f"decision.knots={_shown(values)} is not a list of pairs.")
    if any(len(knot) != 2 for knot in values):
        raise UserError("decision.knots holds what is not a pair of logit and probability.")
    most = np.finfo(np.float64).max
    knots = tuple((_number("knots", x, -most, most), _number("knots", y, 0, 1)) for x, y in values)
    if any(after[0] <= before[0] or after[1] < before[1] for before, after in pairwise(knots)):
        raise UserError("decision.knots do not rise from one to the next.")
    return knots


def _number(name: str, value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UserError(f"decision.{name}={_shown(value)} is not a number from {low:.3g} to {high:.3g}.")
    return float(value)


def _text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise UserError(f"decision.{name}={_shown(value)} is not a text.")


def _fields(name: str, kind: type, values: object, *, complete: bool = False) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise UserError(f"{name}={_shown(values)} is not a mapping of names to values.")
    known = [entry.name for entry in fields(kind)]
    unknown = sorted(str(key) for key in values if key not in known)
    if unknown:
        raise UserError(f"{name} has no field {', '.join(unknown)[:200]}.")
    missing = [key for key in known if key not in values] if complete else []
    if missing:
        raise UserError(f"{name} lacks the field {', '.join(missing)}.")
    return dict(values)


def _shown(value: object) -> str:
    return f"{value!r:.60}"
