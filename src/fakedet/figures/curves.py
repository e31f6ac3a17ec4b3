"""ROC and precision-recall curves of several splits or detectors on one pair of axes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from fakedet.figures import canvas

_FAINT = 0.15  # of a band: those of several curves lie over one another


@dataclass(frozen=True)
class Band:
    """Where a line may as well lie.

    Attributes:
        x: rising, (points,).
        low: lower bounds of the intervals, (points,), NaN where there is none.
        high: upper bounds.
    """

    x: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """One named line.

    Attributes:
        x: (points,); empty when the data have one class only, which the legend then says.
        y: (points,).
        value: the area that the legend gives: AUC, or average precision.
        chance: precision of a guess, the share of fakes; only for precision-recall.
        band: its pointwise 95 % intervals; None where none are known.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    value: float
    chance: float | None = None
    band: Band | None = None


def roc_figure(curves: Mapping[str, Curve], title: str = "ROC curve") -> Figure:
    """True-positive rate against false-positive rate, with the diagonal of a guess."""
    figure, axes = canvas.new(4.6, 4.6)
    axes.plot([0, 1], [0, 1], color=canvas.GREY, linewidth=0.8, linestyle=":", label="guess (AUC 0.500)")
    _draw(axes, curves, "AUC", steps=False)
    axes.set_xlabel("False-positive rate (reals called fake)")
    axes.set_ylabel("True-positive rate (fakes found)")
    axes.set_title(title, fontsize="medium", parse_math=False)
    _legend(axes, "lower right")
    return figure


def pr_figure(curves: Mapping[str, Curve], title: str = "Precision-recall curve (dotted: guess)") -> Figure:
    """Precision against recall; a dotted line of the same colour is the precision of a guess."""
    figure, axes = canvas.new(4.6, 4.6)
    _draw(axes, curves, "AP", steps=True)
    axes.set_xlabel("Recall (fakes found)")
    axes.set_ylabel("Precision (fakes among those called fake)")
    axes.set_title(title, fontsize="medium", parse_math=False)
    _legend(axes, "lower left")
    return figure


def _draw(axes: Axes, curves: Mapping[str, Curve], area: str, *, steps: bool) -> None:
    for number, (name, curve) in enumerate(curves.items()):
        colour = canvas.CYCLE[number % len(canvas.CYCLE)]
        dashes = canvas.DASHES[number % len(canvas.DASHES)]
        if curve.band is not None:
            axes.fill_between(
                curve.band.x, curve.band.low, curve.band.high, color=colour, alpha=_FAINT, linewidth=0,
                step="pre" if steps else None,
            )  # fmt: skip
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
    handles: list[Artist] = list(axes.get_legend_handles_labels()[0])
    if axes.collections:
        handles.append(Patch(facecolor=canvas.GREY, alpha=2 * _FAINT, label="95 % interval at each point"))
    # Behind the text the bands would shine through.
    for text in axes.legend(handles=handles, loc=place, framealpha=0.8, edgecolor="none", fontsize="small").get_texts():
        text.set_parse_math(False)  # a name may hold dollar signs
