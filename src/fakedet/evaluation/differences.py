"""Two detectors on the same images: which is better, by how much, and could it be chance?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from fakedet.errors import UserError
from fakedet.evaluation.bootstrap import Floats, Groups, Resampled, resample
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
    both = matched(first, second)
    return differences_of_pairs(both, [(0, 1)], thresholds=thresholds, resamples=resamples, seed=seed)[0]


def differences_of_pairs(
    tables: Sequence[pd.DataFrame],
    pairs: Sequence[tuple[int, int]],
    *,
    thresholds: Sequence[float],
    resamples: int = 1000,
    seed: int = 0,
) -> list[Differences]:
    """What `differences` gives of several pairs, each detector measured once.

    Args:
        tables: scored rows of each detector, of the same images in the same order; see `matched`.
        pairs: numbers of a first and a second table.
        thresholds: of each table.
        resamples: number of resamples.
        seed: of the draws, which are the same for all.
    """
    labels = tables[0]["label"].to_numpy()
    clusters = Groups(labels, tables[0]["group"])
    scores = [table["score"].to_numpy(dtype="float64") for table in tables]
    rankings = [Ranking(labels, values, clusters.codes) for values in scores]

    def measured(weights: Floats) -> dict[str, Floats]:
        return {
            _key(number, name): values
            for number, (ranking, limit) in enumerate(zip(rankings, thresholds, strict=True))
            for name, values in measure(ranking, weights, limit).items()
        }

    points = {name: float(value) for name, value in measured(np.ones(clusters.number)).items()}
    found = resample(clusters, measured, resamples, seed) if clusters.enough else None
    return [
        Differences(
            first={name: points[_key(first, name)] for name in TITLES},
            second={name: points[_key(second, name)] for name in TITLES},
            metrics={name: _difference(name, points, found, first, second, len(rankings[0].reals)) for name in TITLES},
            delong=delong(labels, scores[first], scores[second], clusters.codes),
            delong_images=delong(labels, scores[first], scores[second]),
            images=len(labels),
            groups=clusters.number,
            resamples=resamples,
            dropped=0 if found is None else resamples - len(found.samples[_key(0, "accuracy")]),
        )
        for first, second in pairs
    ]


def _key(table: int, name: str) -> str:
    return f"{table} {name}"


def _difference(
    name: str, points: Mapping[str, float], found: Resampled | None, first: int, second: int, reals: int
) -> Difference:
    one, other = _key(first, name), _key(second, name)
    value = points[one] - points[other]
    if found is None or not resolves(name, reals):
        return Difference(value, float("nan"), float("nan"), float("nan"))
    samples = {name: found.samples[one] - found.samples[other]}
    less = Resampled({name: value}, samples, without={}, groups=found.groups)
    return Difference(value, *less.difference(name))


def holm(p_values: ArrayLike) -> Floats:
    """P values adjusted for there being several: Holm, Scandinavian Journal of Statistics 1979.

    Whoever calls those below 5 % real differences is wrong about any of them one time in twenty at most.

    Args:
        p_values: (n,); NaN stands for a test that could not be made, stays NaN and does not count.
    """
    values = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(values.shape, np.nan)
    order = np.argsort(values)[: int(np.sum(~np.isnan(values)))]  # NaN come last
    raised = values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return adjusted


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
