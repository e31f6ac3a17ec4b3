"""How the scores of reals and fakes lie beside each other."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from fakedet.figures import canvas

BINS = 40


def histogram_figure(labels: ArrayLike, scores: ArrayLike, threshold: float, title: str) -> Figure:
    """Share of each class's images by score, so that unequal classes can be compared.

    Args:
        labels: 1 = fake, (n,).
        scores: P(fake) in [0, 1], (n,).
        threshold: drawn as a vertical line.
        title: what stands above.
    """
    truth, values = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    figure, axes = canvas.new(4.6, 3.4)
    edges = np.linspace(0.0, 1.0, BINS + 1)
    for label, name, colour, hatch in ((0, "real", canvas.REAL, ""), (1, "fake", canvas.FAKE, "////")):
        chosen = values[truth == label]
        shares = np.histogram(chosen, edges)[0] / max(1, len(chosen))
        axes.stairs(
            shares,
            edges,
            fill=True,
            facecolor=(colour, 0.35),
            edgecolor=colour,
            hatch=hatch,
            linewidth=1.2,
            label=f"{name} ({len(chosen):,})",
        )
    axes.axvline(threshold, color=canvas.BLACK, linewidth=1, linestyle="--", label=f"threshold {threshold:.3g}")
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("Score (probability of fake)")
    axes.set_ylabel("Share of the class")
    axes.set_title(title, fontsize="medium", pad=24, parse_math=False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False, fontsize="small")
    return figure
