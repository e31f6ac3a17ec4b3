"""95 % intervals of all metrics, by a bootstrap that draws whole groups."""

from dataclasses import dataclass

from numpy.typing import ArrayLike

from fakedet.evaluation.bootstrap import Groups, resample
from fakedet.metrics.ranking import Ranking
from fakedet.metrics.scores import REALS_WANTED, THRESHOLD, TITLES, measure

# In simulations with half of the variance between groups (`scripts/bench_evaluate.py --coverage`), the intervals
# held a true AUC of 0.76 in 92 to 98 % of data sets of 12 to 300 groups; one of 0.98 in 91 to 96 % with 50 and
# more, in 86 to 93 % with 20, and in 85 to 89 % with 12.
FEW_GROUPS = 20
# With one or two allowed, the intervals held the true rate in 67 to 92 % of data sets only.
_FALSE_FAKES = 10
_NOTHING = (float("nan"), float("nan"))


@dataclass(frozen=True)
class Intervals:
    """Lower and upper bound of every metric, NaN where there is none.

    Attributes:
        bounds: metric name -> (low, high).
        groups: number of groups that were drawn from.
        resamples: number of resamples that were asked for.
        dropped: how many of them were left out because they missed a class that the data have.
    """

    bounds: dict[str, tuple[float, float]]
    groups: int
    resamples: int
    dropped: int


def intervals(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike,
    *,
    threshold: float = THRESHOLD,
    resamples: int = 1000,
    seed: int = 0,
) -> Intervals:
    """Intervals of all metrics from resamples of the groups; see `bootstrap.Resampled.bounds`.

    There is none where it would be a number that knows nothing: where a class lies in fewer than
    `bootstrap.MIN_GROUPS` groups, where the images do not give the metric, and where it comes out the same
    in all resamples. An AUC of 1 is such a case: there is no pair in the wrong order that a resample could
    draw. A true-positive rate at a false-positive rate has one where ten reals at least may be called fake.
    ECE has none: chance adds to each of its absolute gaps, and to those of a resample once more, so that
    resamples lie above the value and their percentiles miss the truth; Brier score and log loss have theirs.

    Args:
        labels: 1 = fake, (n,).
        scores: (n,).
        groups: what an image shares with others (photograph, source video, person), (n,).
        threshold: an image is called fake above it.
        resamples: number of resamples.
        seed: of the draws; the same seed gives the same bounds whatever the memory.

    Raises:
        UserError: for NaN scores, other labels, unequal lengths or an image without a group.
    """
    clusters = Groups(labels, groups)
    ranking = Ranking(labels, scores, clusters.codes)
    if not clusters.enough:
        return Intervals(dict.fromkeys(TITLES, _NOTHING), clusters.number, resamples, dropped=0)
    found = resample(clusters, lambda weights: measure(ranking, weights, threshold), resamples, seed)
    bounds = {name: found.bounds(name) if resolves(name, len(ranking.reals)) else _NOTHING for name in TITLES}
    return Intervals(bounds, clusters.number, resamples, dropped=resamples - len(found.samples["accuracy"]))


def resolves(name: str, reals: int) -> bool:
    """Whether resamples of so many real images tell how a metric varies."""
    return name != "ece" and reals >= _FALSE_FAKES * REALS_WANTED.get(name, 0)
