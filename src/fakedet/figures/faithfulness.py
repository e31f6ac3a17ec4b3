"""How far heat maps can be believed: what removing the pixels they mark does, and what they point at."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure

from fakedet.figures import canvas

# Kind of curve -> title, what the abscissa counts, and which sign of the difference speaks for the maps.
_KINDS = {
    "deletion": ("Deletion", "Share of pixels removed, the most marked first", "below 0 is better"),
    "insertion": ("Insertion", "Share of pixels put in, the most marked first", "above 0 is better"),
}
_MAPS = {"gradcam": ("Grad-CAM", canvas.VERMILION, "-"), "random": ("random maps", canvas.BLUE, "--")}
MEASURES = {
    "pointing": "Peak on the forged region",
    "energy": "Share of the map on it",
    "iou": "Intersection over union",
}


def removal_figure(kind: Literal["deletion", "insertion"], entry: Mapping[str, Any]) -> Figure:
    """Score against the share of pixels, for Grad-CAM's maps and for random ones; bands hold the middle half.

    Args:
        kind: which curve it is.
        entry: `shares`; `gradcam` and `random`, each with `area` {value, …}, `mean`, `lower` and `upper`;
            `difference` {value, low, high}, bounds None where none are known.
    """
    title, abscissa, better = _KINDS[kind]
    figure, axes = canvas.new(4.6, 4.2)
    for name, (text, colour, dashes) in _MAPS.items():
        curve = entry[name]
        axes.fill_between(entry["shares"], curve["lower"], curve["upper"], color=colour, alpha=0.15, linewidth=0)
        axes.plot(
            entry["shares"], curve["mean"], color=colour, linestyle=dashes, linewidth=1.8,
            label=f"{text} (area {curve['area']['value']:.3f})",
        )  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.01)
    axes.set_xlabel(abscissa)
    axes.set_ylabel("Score: mean and middle half of the pictures")
    difference = entry["difference"]
    known = difference["low"] is not None and difference["high"] is not None
    interval = f" [{difference['low']:+.3f}, {difference['high']:+.3f}]" if known else ""
    axes.set_title(
        f"{title}\ndifference of areas {difference['value']:+.3f}{interval}, {better}".replace("-", "\N{MINUS SIGN}"),
        fontsize="medium",
    )
    axes.legend(loc="best", frameon=False, fontsize="small")
    return figure


def overlap_figure(overlap: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Bars by method for each of `MEASURES`, with its interval, and chance as a line across the bar.

    Args:
        overlap: method -> {images, and for each measure {value, low, high, chance}}; bounds None where none
            are known.
    """
    names = list(overlap)[::-1]
    places = np.arange(len(names))
    figure = Figure(figsize=(8.4, 1.5 + 0.42 * max(1, len(names))), layout="constrained")
    for axes, (measure, title) in zip(figure.subplots(1, len(MEASURES), sharey=True), MEASURES.items(), strict=True):
        axes.spines[["top", "right"]].set_visible(False)
        for place, name in zip(places, names, strict=True):
            part = overlap[name][measure]
            axes.barh(place, part["value"], height=0.64, color=canvas.SKY)
            if part["low"] is not None and part["high"] is not None:
                axes.plot([part["low"], part["high"]], [place, place], color=canvas.BLACK, linewidth=1.2)
            axes.plot([part["chance"]] * 2, [place - 0.42, place + 0.42], color=canvas.VERMILION, linewidth=2.2)
        axes.set_xlim(0, 1)
        axes.set_title(title, fontsize="medium")
    left = figure.axes[0]
    labels = [f"{canvas.printable(name, 30)} ({overlap[name]['images']:,})" for name in names]
    left.set_yticks(places, labels, parse_math=False)
    figure.supxlabel("Bar: mean of the pictures; black: 95 % interval; orange: chance", fontsize="small")
    return figure
