"""AUC after corruptions: a small plot for each kind, and JPEG quality against scale as a heat map."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from fakedet.figures import canvas

COLUMNS = 3
_WIDTH, _HEIGHT = 2.7, 2.3  # inches of one plot
_GUESS = 0.5


@dataclass(frozen=True)
class Panel:
    """One corruption at several strengths.

    Attributes:
        title: what it is.
        unit: what its strengths count.
        labels: the strengths as text, (points,).
        auc: (points,), NaN where it cannot be given.
        low: lower bounds of the intervals, (points,), NaN where there is none.
        high: upper bounds.
    """

    title: str
    unit: str
    labels: Sequence[str]
    auc: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def panels_figure(panels: Sequence[Panel], clean: float) -> Figure:
    """A plot for each corruption, all of the same height: AUC by strength, its interval as a band.

    Args:
        panels: at least one.
        clean: AUC of the images as they are, a dashed line; NaN draws none.
    """
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(_WIDTH * columns, _HEIGHT * rows + 0.4), layout="constrained")
    found = np.concatenate([[_GUESS, clean], *([panel.auc, panel.low] for panel in panels)], axis=None)
    bottom = float(np.nanmin(found)) - 0.03
    for place, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.spines[["top", "right"]].set_visible(False)
        _draw(axes, panel, clean)
        axes.set_ylim(bottom, 1.02)
        if place % columns == 0:
            axes.set_ylabel("AUC")
    legend = {
        label: line for axes in figure.axes for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=4, frameon=False, fontsize="small")
    return figure


def _draw(axes: Axes, panel: Panel, clean: float) -> None:
    places = np.arange(len(panel.labels))
    axes.axhline(_GUESS, color=canvas.GREY, linewidth=0.8, linestyle=":", label="guess")
    if not np.isnan(clean):
        axes.axhline(clean, color=canvas.BLACK, linewidth=0.8, linestyle="--", label=f"clean images ({clean:.3f})")
    if not np.isnan(panel.low).all():
        band = axes.fill_between(places, panel.low, panel.high, color=canvas.BLUE, alpha=0.2, linewidth=0)
        band.set_label("95 % interval")
    axes.plot(places, panel.auc, color=canvas.BLUE, marker="o", markersize=3.5, linewidth=1.6, label="AUC")
    axes.set_xticks(places, panel.labels, fontsize="small", parse_math=False)
    axes.tick_params(axis="y", labelsize="small")
    axes.set_xlabel(panel.unit, fontsize="small")
    axes.set_title(panel.title, fontsize="medium")


def surface_figure(auc: ArrayLike, qualities: Sequence[str], scales: Sequence[str]) -> Figure:
    """AUC of pictures that were scaled down and compressed, with numbers; the deeper the blue, the higher.

    Args:
        auc: (qualities, scales), NaN where it cannot be given.
        qualities: JPEG qualities as text.
        scales: shares of the side as text.
    """
    values = np.asarray(auc, dtype=np.float64)
    figure, axes = canvas.new(1.8 + 0.62 * len(scales), 1.4 + 0.38 * len(qualities))
    lowest = min(_GUESS, float(np.nanmin(values, initial=_GUESS)))
    axes.imshow(values, cmap="Blues", vmin=lowest, vmax=1.0, aspect="auto")
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        text = "—" if np.isnan(value) else f"{value:.3f}"
        dark = value > lowest + 0.55 * (1.0 - lowest)
        axes.text(column, row, text, ha="center", va="center", fontsize="small", color="white" if dark else "black")
    axes.set_xticks(np.arange(len(scales)), scales)
    axes.set_yticks(np.arange(len(qualities)), qualities)
    axes.set_xlabel("Scaled down to (share of the side)")
    axes.set_ylabel("JPEG quality at that size")
    axes.set_title("AUC by JPEG quality and scale", fontsize="medium")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure
