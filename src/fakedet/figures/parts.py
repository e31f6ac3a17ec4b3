"""How the parts of the data fare beside each other: a dot and its interval for each method or data set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from fakedet.figures import canvas

_GUESS = 0.5
_ROW = 0.3  # inches


@dataclass(frozen=True)
class Part:
    """One part of the data.

    Attributes:
        name: of the method, data set or compression.
        auc: AUC of its images.
        low: lower bound of its 95 % interval; NaN where none is known.
        high: upper bound.
        fakes: how many fakes it has.
    """

    name: str
    auc: float
    low: float
    high: float
    fakes: int


def parts_figure(parts: Sequence[Part], whole: float, title: str) -> Figure:
    """A line for each part, the lowest AUC last, which is marked by shape, colour and name.

    Args:
        parts: at least one.
        whole: AUC of all images together; NaN draws no line.
        title: what stands above.
    """
    ranked = sorted(parts, key=lambda part: (-part.auc, part.name))
    figure, axes = canvas.new(5.2, 1.9 + _ROW * len(ranked))
    axes.axvline(_GUESS, color=canvas.GREY, linewidth=0.8, linestyle=":", label="guess (0.500)")
    if not np.isnan(whole):
        axes.axvline(whole, color=canvas.BLACK, linewidth=0.8, linestyle="--", label=f"all together ({whole:.3f})")
    for place, part in enumerate(ranked):
        worst = len(ranked) > 1 and place == len(ranked) - 1
        colour = canvas.VERMILION if worst else canvas.BLUE
        axes.plot([part.low, part.high], [place, place], color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot(
            part.auc, place, color=colour, marker="D" if worst else "o", markersize=7, linestyle="none",
            label=f"worst: {canvas.printable(part.name, 30)} ({part.auc:.3f})" if worst else None,
        )  # fmt: skip
    names = [f"{canvas.printable(part.name, 30)} ({part.fakes:,})" for part in ranked]
    axes.set_yticks(range(len(ranked)), names, parse_math=False)
    axes.set_ylim(len(ranked) - 0.4, -0.6)
    seen = np.array([[_GUESS, part.auc, part.low] for part in ranked])
    axes.set_xlim(float(np.nanmin(seen)) - 0.03, 1.01)
    axes.grid(axis="y", color=canvas.GREY, alpha=0.2, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("AUC with its 95 % interval (in brackets on the left: fakes)")
    axes.set_title(title, fontsize="medium", parse_math=False)
    for text in figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize="small").get_texts():
        text.set_parse_math(False)  # a name may hold dollar signs
    return figure
