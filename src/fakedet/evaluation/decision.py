"""From validation predictions to a decision: calibration, threshold, and the band that is left open."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from fakedet.detector.decision import METHODS, Calibration, Decision, FittedOn, rate_of
from fakedet.errors import UserError, did_you_mean
from fakedet.evaluation.bootstrap import CORRECTED_FROM, LEVEL, Groups
from fakedet.evaluation.statuses import ABSTAINED
from fakedet.evaluation.summary import scored
from fakedet.metrics.ranked import ratio
from fakedet.metrics.ranking import Floats, Ranking

SPLIT = "val"
# Groups a class: one photograph or video says nothing of another.
_FEWEST = 2
# How far logits have to lean towards their labels, as a share of their size: more than float32 rounds them.
_LEANING = 1e-6
# Images on either side of the threshold that the band may hold at most.
_MOST_OPEN = 0.25


def check_wanted(calibration: str, false_positive_rate: float) -> float:
    """Refuse, before anything is trained, what `fit_decision` would refuse after it; gives the rate.

    Raises:
        UserError: for an unknown calibration or an impossible rate.
    """
    if calibration not in METHODS:
        hint = did_you_mean(calibration, METHODS)
        raise UserError(f"decision.calibration={calibration}{hint} is not one of {', '.join(METHODS)}.")
    return rate_of(false_positive_rate)


def fit_decision(
    predictions: pd.DataFrame,
    *,
    protocol: str,
    false_positive_rate: float = 0.05,
    calibration: str = "temperature",
    resamples: int = 1000,
    seed: int = 0,
) -> Decision:
    """Fit calibration, threshold and band on validation images, and on nothing else.

    The calibration minimises the log loss (`temperature`) or the squared error (`isotonic`) with both classes
    counting equally, as they do in training: a probability holds where reals and fakes are equally frequent.
    The labels are softened as Platt does ("Probabilistic outputs for support vector machines", 1999): n fakes
    aim at (n + 1)/(n + 2), so that a few images which are told apart without a mistake make no certainty.
    `isotonic` wants about a thousand images or more, and its levels make the threshold coarse.

    The threshold is the smallest probability above which at most the rate of the reals lies: of n reals, the
    one that ⌊n · rate⌋ others may exceed. Ties are called real together, so that they never break the rate.

    The band is where the verdict hangs on which validation images there happened to be: the central 95 % of
    the thresholds that resamples of the reals' groups give, the calibration being kept (Davison and Hinkley,
    "Bootstrap Methods and their Application", 1997). It holds a quarter of the reals up to the threshold at
    most, and a quarter of the fakes above it; where the reals come from fewer groups than resamples want, it
    holds as many.

    Args:
        predictions: rows of the split `val`, one an image: the manifest's columns, `logit`, `score` and
            `face_status`. Images that could not be read are left out.
        protocol: how the data were split, in words.
        false_positive_rate: share of reals that may be called fake, above 0 and below 1.
        calibration: `none`, `temperature` or `isotonic`.
        resamples: bootstrap resamples behind the band.
        seed: of the resamples.

    Returns:
        The decision; an unfitted one with its reason where a class has no image or comes from one group
        alone, and where a temperature is wanted of logits that are no higher for fakes than for reals.

    Raises:
        UserError: for rows of another split, a missing column, a label other than 0 and 1, an image
            without a group, a logit that is not finite, or an unknown calibration or impossible rate.
    """
    rate = check_wanted(calibration, false_positive_rate)
    rows = _validation_images(predictions)
    labels, logits = rows["label"].to_numpy(), rows["logit"].to_numpy(dtype="float64")
    clusters = Groups(labels, rows["group"])
    groups = [len(np.unique(clusters.codes[labels == label])) for label in (0, 1)]
    for name, count in zip(("real", "fake"), groups, strict=True):
        if count < _FEWEST:
            return Decision(reason=f"the {name} validation images come from fewer than two groups")
    images = np.bincount(labels)
    soft = np.where(labels == 1, (images[1] + 1) / (images[1] + 2), 1 / (images[0] + 2))
    fitted = _FITS[calibration](logits, soft, 0.5 / images[labels])
    if fitted is None:
        return Decision(reason="the logits of validation images are no higher for fakes than for reals")
    probabilities = fitted.level(logits)
    reals, fakes = (probabilities[labels == label] for label in (0, 1))
    drawn = Groups(labels[labels == 0], rows["group"][labels == 0])
    ranking = Ranking(np.zeros(len(reals), dtype=int), reals, drawn.codes)
    threshold = float(_thresholds(ranking, np.ones(drawn.number), rate))
    return Decision(
        calibration=fitted,
        threshold=threshold,
        false_positive_rate=rate,
        band=_band(threshold, np.sort(reals), np.sort(fakes), _spread(ranking, drawn, rate, resamples, seed)),
        fitted_on=FittedOn(len(rows), len(reals), clusters.number, protocol),
    )


def _validation_images(predictions: pd.DataFrame) -> pd.DataFrame:
    absent = [name for name in ("split", "logit") if name not in predictions]
    if absent:
        raise UserError(f"The predictions lack the column {', '.join(absent)}; write them again with evaluate.py.")
    others = predictions["split"][predictions["split"] != SPLIT]
    if len(others):
        raise UserError(
            f"A decision is fitted on the split {SPLIT} alone, and {len(others)} of {len(predictions)} rows are of "
            f"another ({others.iloc[0]}): leave them out."
        )
    rows = scored(predictions)
    if "face_status" in rows:
        rows = rows[rows["face_status"] != ABSTAINED]  # 0.5 is what they are given, whatever the decision
    if not rows["label"].isin((0, 1)).all():
        raise UserError("Labels are other than 0 (real) and 1 (fake); convert them first.")
    endless = rows[~np.isfinite(rows["logit"].to_numpy(dtype="float64"))]
    if len(endless):
        raise UserError(
            f"{len(endless)} readable images have a logit that is not finite, the first is {endless.iloc[0]['path']}: "
            "the training diverged, so lower optimizer.lr."
        )
    return rows.assign(label=rows["label"].astype(int))


def _temperature(logits: Floats, soft: Floats, weights: Floats) -> Calibration | None:
    """The only minimum of the log loss, which is convex in 1 / temperature: where its slope is 0."""
    size = float(np.abs(logits).mean())
    scaled = logits / (size or 1.0)

    def slope(inverse: float) -> float:
        return float(weights @ ((expit(inverse * scaled) - soft) * scaled))

    if slope(0.0) > -_LEANING:
        return None
    steep = 1.0
    while slope(steep) < 0:  # ends, because softened labels are never reached
        steep *= 2
    return Calibration("temperature", temperature=size / brentq(slope, 0.0, steep))


def _isotonic(logits: Floats, soft: Floats, weights: Floats) -> Calibration:
    fitted = IsotonicRegression().fit(logits, soft, sample_weight=weights)
    knots = zip(fitted.X_thresholds_.tolist(), fitted.y_thresholds_.tolist(), strict=True)
    return Calibration("isotonic", knots=tuple(knots))


def _untouched(logits: Floats, soft: Floats, weights: Floats) -> Calibration:  # noqa: ARG001
    return Calibration()


_FITS: dict[str, Callable[[Floats, Floats, Floats], Calibration | None]] = {
    "none": _untouched,
    "temperature": _temperature,
    "isotonic": _isotonic,
}


def _thresholds(ranking: Ranking, weights: Floats, rate: float) -> Floats:
    """The smallest probability above which at most the rate of the reals lies, () or (B,)."""
    counts = ranking.counts(weights)
    # The first level that would break the rate if it were called fake too.
    return ranking.levels[counts.last(lambda _, passed: ratio(passed, counts.all_reals) <= rate)]


def _spread(ranking: Ranking, groups: Groups, rate: float, resamples: int, seed: int) -> tuple[float, float]:
    """Where the threshold lies in 95 % of resamples of the reals' groups; anywhere, where these are too few."""
    if groups.number < CORRECTED_FROM:
        return 0.0, 1.0
    found = np.concatenate([_thresholds(ranking, weights, rate) for weights in groups.draws(resamples, seed)])
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _band(threshold: float, reals: Floats, fakes: Floats, spread: tuple[float, float]) -> tuple[float, float]:
    """The spread, cut to `_MOST_OPEN` of the images on either side; both classes by rising probability."""
    below, above = reals[reals <= threshold], fakes[fakes > threshold]
    low = max(spread[0], float(below[len(below) - 1 - int(_MOST_OPEN * len(below))]))
    high = spread[1]
    if len(above):
        # What is tied with the first fake that keeps its verdict keeps it too.
        kept = above[int(_MOST_OPEN * len(above))]
        high = min(high, float(above[above < kept].max(initial=threshold)))
    return min(threshold, low), max(threshold, high)
