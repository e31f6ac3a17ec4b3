"""A metric of detectors on data sets, as a heat map with its numbers."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from fakedet.figures import canvas

_LINE = 26  # letters of a name before it goes on below
_WIDTH, _HEIGHT = 1.35, 0.72  # inches of a cell


def matrix_figure(
    values: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    own: ArrayLike,
    marks: Sequence[Sequence[str]],
    title: str,
    scale: tuple[float, float],
) -> Figure:
    """The deeper the blue, the better; a frame around what a detector was trained on, hatching where no number is.

    Args:
        values: (detectors, data sets), NaN where there is none.
        low: lower bounds of the intervals, of the same shape, NaN where there is none.
        high: upper bounds.
        rows: names of the detectors; a line break begins a smaller second part.
        columns: names of the data sets.
        own: true where a detector is tested on what it was trained on, of the same shape.
        marks: text behind a value, or in place of one that is missing, of the same shape.
        title: what stands above.
        scale: the value that is white, and the one that is deepest blue.
    """
    numbers, lows, highs = (np.asarray(each, dtype=np.float64) for each in (values, low, high))
    is_own = np.asarray(own, dtype=bool)
    worst, best = scale
    depth: NDArray[np.float64] = np.clip((numbers - worst) / (best - worst), 0, 1)
    names = [_wrapped(name) for name in rows]
    heads = [textwrap.fill(canvas.printable(name, 60), _LINE // 2) for name in columns]
    most = max(len(line) for name in names for line in name.splitlines())
    across = max(_WIDTH, 3.2 / len(columns))
    figure, axes = canvas.new(0.6 + 0.085 * most + across * len(columns), 0.9 + _HEIGHT * len(rows))
    axes.imshow(np.ma.masked_invalid(depth), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(numbers.shape):
        value = numbers[row, column]
        missing = bool(np.isnan(value))
        if missing:
            axes.add_patch(
                Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor="#f5f5f5", edgecolor="#d8d8d8", hatch="//", lw=0)
            )
        ink = "white" if depth[row, column] > 0.55 else "black"
        known = not np.isnan([lows[row, column], highs[row, column]]).any()
        text = (marks[row][column] or "—") if missing else f"{value:.3f}{marks[row][column]}"
        weight = "bold" if is_own[row, column] else "normal"
        place = row - (0.14 if known and not missing else 0)
        axes.text(column, place, text, ha="center", va="center", color=ink, fontweight=weight, parse_math=False)
        if known and not missing:
            between = f"[{lows[row, column]:.3f}, {highs[row, column]:.3f}]"
            axes.text(column, row + 0.22, between, ha="center", va="center", color=ink, fontsize="x-small")
    for row, column in zip(*np.nonzero(is_own), strict=True):
        frame = Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, fill=False, edgecolor=canvas.VERMILION, lw=2.2)
        axes.add_patch(frame)
    axes.set_xticks(np.arange(len(columns)), heads, fontsize="small", parse_math=False)
    axes.set_yticks(np.arange(len(rows)), names, fontsize="small", parse_math=False)
    axes.set_xlabel("tested on")
    axes.set_ylabel("detector")
    axes.set_title(title, fontsize="medium", parse_math=False)
    axes.set_xticks(np.arange(len(columns) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    return figure


def _wrapped(name: str) -> str:
    return "\n".join(textwrap.fill(canvas.printable(line, 80), _LINE) for line in name.splitlines())
