"""How far probabilities keep what they say: share of fakes against P(fake)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from fakedet.figures import canvas

BINS = 15  # as many as the expected calibration error has


def reliability_figure(labels: ArrayLike, probabilities: Mapping[str, ArrayLike], title: str) -> Figure:
    """Reliability diagrams of the same images side by side, such as before and after calibration.

    DeGroot and Fienberg, "The comparison and evaluation of forecasters", The Statistician 1983; fifteen bins
    of equal width, as Guo et al. have them. Both classes count equally, whatever their numbers, as they do in
    the calibration; the images below are counted as they are.

    Args:
        labels: 1 = fake, (n,).
        probabilities: what stands above each diagram -> P(fake) in [0, 1], (n,).
        title: what stands above all.
    """
    truth = np.asarray(labels).astype(np.intp)
    counts = np.bincount(truth, minlength=2)
    weights = 0.5 / np.maximum(counts, 1)[truth]
    figure = Figure(figsize=(0.6 + 3.2 * max(1, len(probabilities)), 4.6), layout="constrained")
    figure.suptitle(title, fontsize="medium", parse_math=False)
    grid = figure.subplots(
        2, max(1, len(probabilities)), sharex=True, sharey="row", squeeze=False, height_ratios=(5, 1)
    )
    for axes in grid.flat:
        axes.spines[["top", "right"]].set_visible(False)
    for number, (name, given) in enumerate(probabilities.items()):
        above, below = grid[:, number]
        _diagram(above, np.asarray(given, dtype=np.float64), truth, weights, number)
        above.set_title(canvas.printable(name, 40), fontsize="small", parse_math=False)
        _images(below, np.asarray(given, dtype=np.float64), number)
    grid[0, 0].set_ylabel("Share of fakes, classes equal")
    grid[1, 0].set_ylabel("Images")
    return figure


def _diagram(
    axes: Axes, values: NDArray[np.float64], truth: NDArray[np.intp], weights: NDArray[np.float64], number: int
) -> None:
    bins = np.minimum((values * BINS).astype(np.intp), BINS - 1)
    total, fakes, sums = (np.bincount(bins, of, minlength=BINS) for of in (weights, weights * truth, weights * values))
    held = total > 0
    axes.plot([0, 1], [0, 1], color=canvas.GREY, linewidth=0.8, linestyle=":", label="perfect")
    axes.plot(
        sums[held] / total[held],
        fakes[held] / total[held],
        color=canvas.CYCLE[number % len(canvas.CYCLE)],
        linestyle=canvas.DASHES[number % len(canvas.DASHES)],
        linewidth=1.6,
        marker="o",
        markersize=4,
        label="these images",
    )
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.legend(loc="upper left", frameon=False, fontsize="small")


def _images(axes: Axes, values: NDArray[np.float64], number: int) -> None:
    colour = canvas.CYCLE[number % len(canvas.CYCLE)]
    edges = np.linspace(0.0, 1.0, BINS + 1)
    axes.stairs(np.histogram(values, edges)[0], edges, fill=True, facecolor=(colour, 0.35), edgecolor=colour)
    axes.set_xlabel("Mean probability of fake")
