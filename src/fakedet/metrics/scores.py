"""The metrics of two classes by name, float64, for one or many weightings of the same images at once.

Conventions, which scikit-learn and torchmetrics share: tied scores enter together; an image is called
fake when its score is *above* the threshold; with both classes present a ratio of 0/0 is 0 (precision
when nothing is called fake, F1 and MCC then).

A number that its images cannot give is NaN, never 0 or 1. Accuracy, Brier score, log loss and ECE want an
image, recall wants a fake, and the others want both classes. Brier score, log loss and ECE want
probabilities. A true-positive rate at 1 % false positives wants 100 reals, at 0.1 % 1,000: with fewer no
threshold has such a rate but 0, and the number would be another one than its name says.
"""

import numpy as np
from numpy.typing import ArrayLike

from fakedet.metrics import calibration, ranked, thresholded
from fakedet.metrics.ranking import Floats, Ranking

TITLES = {
    "auc": "AUC",
    "partial_auc": f"Partial AUC (FPR ≤ {100 * ranked.MAX_FPR:g} %)",
    "ap": "Average precision",
    "eer": "EER",
    "tpr_at_fpr_1e-2": "TPR at 1 % FPR",
    "tpr_at_fpr_1e-3": "TPR at 0.1 % FPR",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "mcc": "MCC",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "ece": "ECE",
}
# What depends on the threshold, and what on scores that are probabilities; the rest on their order alone.
THRESHOLDED = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "mcc")
PROBABILISTIC = ("brier", "log_loss", "ece")
LOWER_IS_BETTER = ("eer", *PROBABILISTIC)
THRESHOLD = 0.5
# One real in so many may be called fake; with fewer reals, none may, and the name would promise too much.
REALS_WANTED = {"tpr_at_fpr_1e-2": 100, "tpr_at_fpr_1e-3": 1000}


def measure(ranking: Ranking, weights: ArrayLike | None = None, threshold: float = THRESHOLD) -> dict[str, Floats]:
    """Every metric of `TITLES` by name, from one sorting and one pass over the counts.

    Args:
        ranking: the images.
        weights: see `Ranking.counts`: (n,), or (B, n) for B weightings; None counts each image once.
        threshold: an image is called fake above it.

    Returns:
        Name -> float64, () or (B,). How many reals a true-positive rate wants is asked of the images, not
        of their weights, so that the resamples of a data set give it where the data set does.
    """
    counts = ranking.counts(weights)
    unknown = np.full(counts.all_fakes.shape, np.nan)
    return {
        "auc": ranked.auc(counts),
        "partial_auc": ranked.partial_auc(counts),
        "ap": ranked.average_precision(counts),
        "eer": ranked.eer(counts),
        **{
            name: ranked.tpr_at_fpr(counts, 1 / wanted) if len(ranking.reals) >= wanted else unknown
            for name, wanted in REALS_WANTED.items()
        },
        **thresholded.rates(thresholded.confusion(counts, threshold)),
        "brier": calibration.brier(counts),
        "log_loss": calibration.log_loss(counts),
        "ece": calibration.ece(counts),
    }


def confusion(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, threshold: float = THRESHOLD
) -> Floats:
    """Counts [[true reals, false fakes], [missed fakes, true fakes]], (2, 2) or (B, 2, 2).

    Args:
        labels: 1 = fake, (n,).
        scores: (n,).
        weights: how often each image counts, (n,) or (B, n).
        threshold: an image is called fake above it.
    """
    return thresholded.confusion(Ranking(labels, scores).counts(weights), threshold)


def gap(split: str, real: int, fake: int) -> str | None:
    """One line that says which class a split lacks and what follows; None when it has both."""
    if real and fake:
        return None
    if not real and not fake:
        return f"{split} has no scored image, so it has no metrics."
    lacking, remaining = ("fake", "") if real else ("real", ", recall")
    return (
        f"{split} has no {lacking} image: only accuracy{remaining}, Brier score, log loss and ECE can be given; "
        "the other metrics want both classes."
    )
