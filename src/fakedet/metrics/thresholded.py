"""The metrics of a decision: what is called fake, and what is."""

import numpy as np

from fakedet.metrics.ranked import ratio
from fakedet.metrics.ranking import Counts, Floats


def confusion(counts: Counts, threshold: float) -> Floats:
    """Weights [[true reals, false fakes], [missed fakes, true fakes]], (2, 2), or (B, 2, 2) for B weightings."""
    true_fakes, false_fakes = counts.at(counts.ranking.above(threshold))
    cells = [counts.all_reals - false_fakes, false_fakes, counts.all_fakes - true_fakes, true_fakes]
    return np.stack(cells, axis=-1).reshape(*true_fakes.shape, 2, 2)


def rates(cells: Floats) -> dict[str, Floats]:
    """Metrics of a confusion matrix, (2, 2) or (B, 2, 2), each float64, () or (B,).

    Accuracy: share of images that are called what they are. Balanced accuracy: mean of the accuracies on
    reals and on fakes, 0.5 for a constant answer. Precision: share of fakes among what is called fake.
    Recall: share of the fakes that are called fake. F1: harmonic mean of precision and recall. MCC:
    correlation of what is called with what is (Matthews, Biochimica et Biophysica Acta 1975), 0 for a
    constant answer.
    """
    true_reals, false_fakes = cells[..., 0, 0], cells[..., 0, 1]
    missed_fakes, true_fakes = cells[..., 1, 0], cells[..., 1, 1]
    reals, fakes = true_reals + false_fakes, true_fakes + missed_fakes
    called, passed = true_fakes + false_fakes, true_reals + missed_fakes
    both = (reals > 0) & (fakes > 0)
    hit_rate = ratio(true_fakes, fakes)
    # The root of the product in two halves: a product of four counts of 100,000 has lost its last digits.
    spread = np.sqrt(reals * fakes) * np.sqrt(called * passed)
    correlation = ratio(true_reals * true_fakes - false_fakes * missed_fakes, spread, otherwise=0.0)
    return {
        "accuracy": ratio(true_reals + true_fakes, reals + fakes),
        "balanced_accuracy": (ratio(true_reals, reals) + hit_rate) / 2.0,
        "precision": np.where(both, ratio(true_fakes, called, otherwise=0.0), np.nan),
        "recall": hit_rate,
        "f1": np.where(both, ratio(2.0 * true_fakes, called + fakes), np.nan),
        "mcc": np.where(both, correlation, np.nan),
    }
