"""ROC and precision-recall curves of several splits or detectors on one pair of axes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fakedet.figures import canvas


@dataclass(frozen=True)
class Curve:
    """One named line.

    Attributes:
        x: (points,); empty when the data have one class only, which the legend then says.
        y: (points,).
        value: the area that the legend gives: AUC, or average precision.
        chance: precision of a guess, the share of fakes; only for precision-recall.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    value: float
    chance: float | None = None


def roc_figure(curves: Mapping[str, Curve]) -> Figure:
    """True-positive rate against false-positive rate, with the diagonal of a guess."""
    figure, axes = canvas.new(4.6, 4.6)
    axes.plot([0, 1], [0, 1], color=canvas.GREY, linewidth=0.8, linestyle=":", label="guess (AUC 0.500)")
    _draw(axes, curves, "AUC", steps=False)
    axes.set_xlabel("False-positive rate (reals called fake)")
    axes.set_ylabel("True-positive rate (fakes found)")
    axes.set_title("ROC curve")
    _legend(axes, "lower right")
    return figure


def pr_figure(curves: Mapping[str, Curve]) -> Figure:
    """Precision against recall; a dotted line of the same colour is the precision of a guess."""
    figure, axes = canvas.new(4.6, 4.6)
    _draw(axes, curves, "AP", steps=True)
    axes.set_xlabel("Recall (fakes found)")
    axes.set_ylabel("Precision (fakes among those called fake)")
    axes.set_title("Precision-recall curve (dotted: guess)")
    _legend(axes, "lower left")
    return figure


def _draw(axes: Axes, curves: Mapping[str, Curve], area: str, *, steps: bool) -> None:
    for number, (name, curve) in enumerate(curves.items()):
        colour = canvas.CYCLE[number % len(canvas.CYCLE)]
        dashes = canvas.DASHES[number % len(canvas.DASHES)]
        value = f"{area} {curve.value:.3f}" if len(curve.x) else "one class only"
        axes.plot(
            curve.x,
            curve.y,
            color=colour,
            linestyle=dashes,
            linewidth=1.8,
            drawstyle="steps-post" if steps else "default",
            label=f"{canvas.printable(name, 40)} ({value})",
        )
        if curve.chance is not None and len(curve.x):
            axes.axhline(curve.chance, color=colour, linewidth=0.8, linestyle=":")
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_aspect("equal")


def _legend(axes: Axes, place: Literal["lower left", "lower right"]) -> None:
    lines, _ = axes.get_legend_handles_labels()
    for text in axes.legend(handles=lines, loc=place, frameon=False, fontsize="small").get_texts():
        text.set_parse_math(False)  # a name may hold dollar signs
