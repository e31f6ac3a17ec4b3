"""Two detectors on the same images: which is better, by how much, and could it be chance?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fakedet.errors import UserError
from fakedet.evaluation.bootstrap import Floats, Groups, resample
from fakedet.evaluation.intervals import resolves
from fakedet.metrics.delong import DeLong, delong
from fakedet.metrics.ranking import Ranking
from fakedet.metrics.scores import THRESHOLD, TITLES, measure

_COLUMNS = ("path", "label", "group", "score")


@dataclass(frozen=True)
class Difference:
    """First less second, of one metric; NaN where the images do not give it.

    Attributes:
        value: the difference.
        low: lower bound of its 95 % interval.
        high: upper bound.
        p_value: two-sided, of the hypothesis that there is none.
    """

    value: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Differences:
    """Two detectors on the same images.

    Attributes:
        first: metric name -> value of the first detector.
        second: the same of the second.
        metrics: metric name -> first less second.
        delong: DeLong's test of the AUC, clustered by group.
        delong_images: DeLong's own test, which takes images for independent, as frames of a video are not.
        images: number of images.
        groups: number of groups that were drawn from.
        resamples: number of resamples that were asked for.
        dropped: how many of them were left out because they missed a class that the data have.
    """

    first: dict[str, float]
    second: dict[str, float]
    metrics: dict[str, Difference]
    delong: DeLong
    delong_images: DeLong
    images: int
    groups: int
    resamples: int
    dropped: int


def differences(
    first: pd.DataFrame,
    second: pd.DataFrame,
    *,
    thresholds: tuple[float, float] = (THRESHOLD, THRESHOLD),
    resamples: int = 1000,
    seed: int = 0,
) -> Differences:
    """Differences of all metrics with intervals and p values, from resamples of groups that both share.

    Every resample draws the same groups for both detectors, so that what is hard for both cancels out.
    Intervals and p values are those of `bootstrap.Resampled.difference`, and missing where `intervals` has none
    by its rules. No p value is adjusted for there being one for each metric: choose the metric first.

    Args:
        first: scored rows of the first detector with `path`, `label`, `group` and `score`, in any order.
        second: those of the second, of the same images.
        thresholds: an image is called fake above it, of the first and of the second.
        resamples: number of resamples.
        seed: of the draws.

    Raises:
        UserError: when a column is missing, a path stands twice, or the images, labels or groups differ.
    """
    rows, others = matched(first, second)
    labels = rows["label"].to_numpy()
    clusters = Groups(labels, rows["group"])
    scores = [table["score"].to_numpy(dtype="float64") for table in (rows, others)]
    rankings = [Ranking(labels, values, clusters.codes) for values in scores]

    def both(weights: Floats) -> tuple[dict[str, Floats], dict[str, Floats]]:
        one, other = (measure(*each) for each in zip(rankings, (weights, weights), thresholds, strict=True))
        return one, other

    def less(weights: Floats) -> dict[str, Floats]:
        one, other = both(weights)
        return {name: one[name] - other[name] for name in TITLES}

    points = [{name: float(value) for name, value in each.items()} for each in both(np.ones(clusters.number))]
    found = resample(clusters, less, resamples, seed) if clusters.enough else None
    metrics = {}
    for name in TITLES:
        low, high, p_value = float("nan"), float("nan"), float("nan")
        if found is not None and resolves(name, len(rankings[0].reals)):
            low, high, p_value = found.difference(name)
        metrics[name] = Difference(points[0][name] - points[1][name], low, high, p_value)
    return Differences(
        first=points[0],
        second=points[1],
        metrics=metrics,
        delong=delong(labels, scores[0], scores[1], clusters.codes),
        delong_images=delong(labels, scores[0], scores[1]),
        images=len(rows),
        groups=clusters.number,
        resamples=resamples,
        dropped=0 if found is None else resamples - len(found.samples["accuracy"]),
    )


def matched(first: pd.DataFrame, second: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables in the first one's order.

    Raises:
        UserError: when a column is missing, a path stands twice, or the images, labels or groups differ.
    """
    for name, rows in {"first": first, "second": second}.items():
        absent = [column for column in _COLUMNS if column not in rows]
        if absent:
            raise UserError(f"The {name} predictions lack the column {', '.join(absent)}; write them with evaluate.py.")
        twice = rows["path"][rows["path"].duplicated()]
        if len(twice):
            raise UserError(f"The {name} predictions name {len(twice)} paths twice, the first is {twice.iloc[0]}.")
    only = [rows["path"][~rows["path"].isin(other["path"])] for rows, other in ((first, second), (second, first))]
    if any(map(len, only)):
        example = next(iter(only[0] if len(only[0]) else only[1]))
        raise UserError(
            f"The two detectors did not score the same images: {len(only[0])} are in the first predictions only, "
            f"{len(only[1])} in the second only, such as {example}; evaluate both on the same data and split."
        )
    others = second.set_index("path").loc[first["path"]].reset_index()
    for column in ("label", "group"):
        unequal = (first[column].to_numpy() != others[column].to_numpy()).nonzero()[0]
        if len(unequal):
            raise UserError(
                f"The two predictions give {len(unequal)} images another {column}, the first is "
                f"{first['path'].iloc[unequal[0]]}: evaluate both on the same manifest."
            )
    return first.reset_index(drop=True), others
