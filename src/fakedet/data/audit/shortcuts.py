"""How well the classes can be told apart without looking at what the pictures show."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

from fakedet.data.audit.progress import counted
from fakedet.data.audit.properties import PROPERTIES, Property, percent
from fakedet.data.manifest import FAKE, REAL
from fakedet.metrics.ranking import Ranking
from fakedet.metrics.scores import measure

FOLDS = 5
LEAST_GROUPS = 10  # of each class: two in each fold
# Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 2003: the variance over k folds
# is too small by (1 / k + 1 / (k - 1)) / (1 / k). Of generated sets without any shortcut, 8 of 75 had a finding
# without this, and none of 50 with it.
_FOLD_ERROR = (1 + FOLDS / (FOLDS - 1)) ** 0.5
TOGETHER = "all together"
_ENOUGH = 0.5  # share of pictures with a face from which on its place in the picture means something


class Bounds(Protocol):
    """What `Intervals` gives: metric name -> (low, high)."""

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """NaN where there is none."""


class Intervals(Protocol):
    """`evaluation.intervals.intervals`; it is handed in, because data may not import that room."""

    def __call__(self, labels: ArrayLike, scores: ArrayLike, groups: ArrayLike, *, seed: int) -> Bounds:
        """95 % intervals by a bootstrap over groups."""


@dataclass(frozen=True)
class Shortcut:
    """How well one property gives the class away.

    Attributes:
        name: of the property, or `TOGETHER`.
        title: for tables.
        images: that have the property.
        auc: cross-validated by group; None where a class has fewer than `LEAST_GROUPS` groups.
        low: lower bound of its 95 % interval; None where there is none, as for an AUC of 1.
        high: upper bound.
        verdict: `finding`, `fine` or `too few to tell`.
        real: the property among the real images, in words; empty for `TOGETHER`.
        fake: the same among the fake ones.
        says: a sentence.
    """

    name: str
    title: str
    images: int
    auc: float | None
    low: float | None
    high: float | None
    verdict: str
    real: str = ""
    fake: str = ""
    says: str = ""


def find_shortcuts(table: pd.DataFrame, intervals: Intervals, max_auc: float, seed: int) -> list[Shortcut]:
    """Try every property of a table by itself, and all together; those that say most come first.

    A property is a finding when its AUC is above `max_auc`, and above 0.5 beyond chance: for that, the lower
    arm of its interval is stretched for so many properties (Bonferroni), and for folds that share training
    images. There are too few to tell when the interval holds both 0.5 and `max_auc`.

    Args:
        table: of `properties`.
        intervals: see `Intervals`.
        max_auc: between 0.5 and 1.
        seed: of folds, trees and intervals.

    Returns:
        `TOGETHER` first; without properties that all images share.
    """
    tried = [each for each in PROPERTIES if len(table[each.name].dropna().unique()) > 1]
    if (table["face"] == "present").mean() < _ENOUGH:
        tried = [each for each in tried if not each.name.startswith("face")]
    results = []
    for each in counted([None, *tried], len(tried) + 1, "Looking for shortcuts"):
        rows = table if each is None else table[table[each.name].notna()]
        scores = _scores(rows, tried if each is None else [each], seed)
        auc, low, high = _measured(rows, scores, intervals, seed)
        verdict = _verdict(auc, low, high, max_auc, len(tried) + 1)
        if each is None:
            says = f"file, light and framing together tell the classes apart with an AUC of {auc:.2f}" if auc else ""
            results.append(Shortcut(TOGETHER, TOGETHER, len(rows), auc, low, high, verdict, says=says))
        else:
            real, fake, says = _words(each, rows)
            results.append(Shortcut(each.name, each.title, len(rows), auc, low, high, verdict, real, fake, says))
    return sorted(results, key=lambda each: (each.name != TOGETHER, -(each.auc or 0.0)))


def _scores(rows: pd.DataFrame, tried: Sequence[Property], seed: int) -> NDArray[np.float64] | None:
    """P(fake) of each row by trees that saw no image of its group; None where groups are too few for that."""
    groups = rows.groupby("label")["group"].nunique().reindex([REAL, FAKE], fill_value=0)
    if groups.min() < LEAST_GROUPS or not tried:
        return None
    # What an image does not have is -1, which no property is: the trees can cut it off.
    columns = [rows[each.name].fillna(-1) if each.says else pd.factorize(rows[each.name])[0] for each in tried]
    values = np.stack([np.asarray(column, np.float64) for column in columns], axis=1)
    leaf = max(5, min(20, len(rows) // 20))
    trees = GradientBoostingClassifier(n_estimators=25, learning_rate=0.2, min_samples_leaf=leaf, random_state=seed)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    found = cross_val_predict(trees, values, rows["label"], groups=rows["group"], cv=folds, method="predict_proba")
    return np.asarray(found[:, 1], np.float64)


def _measured(
    rows: pd.DataFrame, scores: NDArray[np.float64] | None, intervals: Intervals, seed: int
) -> tuple[float | None, float | None, float | None]:
    if scores is None:
        return None, None, None
    auc = float(measure(Ranking(rows["label"], scores))["auc"])
    low, high = intervals(rows["label"], scores, rows["group"], seed=seed).bounds["auc"]
    return auc, None if np.isnan(low) else low, None if np.isnan(high) else high


def _verdict(auc: float | None, low: float | None, high: float | None, max_auc: float, tried: int) -> str:
    if auc is None:
        return "too few to tell"
    if low is None or high is None:  # all resamples gave the same AUC, which is then 1
        return "finding" if auc > max_auc else "fine"
    stretched = auc - (auc - low) * _FOLD_ERROR * norm.isf(0.025 / tried) / norm.isf(0.025)
    if auc > max_auc and stretched > 0.5:
        return "finding"
    return "too few to tell" if auc > max_auc or low <= 0.5 < max_auc < high else "fine"


def _words(each: Property, rows: pd.DataFrame) -> tuple[str, str, str]:
    """The property of the reals, of the fakes, and what that means."""
    parts = [rows.loc[rows["label"] == label, each.name] for label in (REAL, FAKE)]
    if each.says is None:
        shares = [part.value_counts(normalize=True) for part in parts]
        kind = shares[0].sub(shares[1], fill_value=0.0).abs().sort_index().idxmax()
        real, fake = (percent(share.get(kind, 0.0)) for share in shares)
        says = f"{each.title}: {kind} in {real} of the real and {fake} of the fake images"
        return f"{real} {kind}", f"{fake} {kind}", says
    real, fake = (each.show(float(part.median())) if len(part) else "—" for part in parts)
    if real == fake:
        # The medians are alike, so the spread differs.
        quartiles = [part.quantile([0.25, 0.75]) for part in parts]
        real, fake = (" to ".join(each.show(float(value)) for value in pair) for pair in quartiles)
    return real, fake, each.says.format(real=real, fake=fake)
