"""The confusion matrix of one split."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from fakedet.figures import canvas


def confusion_figure(confusion: ArrayLike, title: str) -> Figure:
    """Counts and the share of their row; the deeper the blue, the larger the share.

    Args:
        confusion: counts [[true reals, false fakes], [missed fakes, true fakes]], (2, 2).
        title: what stands above, such as the split and the threshold.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    figure, axes = canvas.new(3.6, 3.4)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row in range(2):
        for column in range(2):
            share = f"{shares[row, column]:.1%} of row" if totals[row, 0] else "no such image"
            axes.text(
                column,
                row,
                f"{counts[row, column]:,.0f}\n{share}",
                ha="center",
                va="center",
                color="white" if shares[row, column] > 0.55 else "black",
            )
    axes.set_xticks([0, 1], ["real", "fake"])
    axes.set_yticks([0, 1], ["real", "fake"], rotation=90, va="center")
    axes.set_xlabel("called")
    axes.set_ylabel("is")
    axes.set_title(title, fontsize="medium", parse_math=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure
