"""How a property of files or pictures is spread over the classes."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike

from fakedet.figures import canvas

BINS = 32
_CLASSES = ((0, "real", canvas.REAL, ""), (1, "fake", canvas.FAKE, "////"))


def number_figure(labels: ArrayLike, values: ArrayLike, title: str, show: Callable[[float], str]) -> Figure:
    """Share of each class's images by a number; the outer hundredths are gathered in the last bars.

    Args:
        labels: 1 = fake, (n,).
        values: finite numbers, (n,).
        title: what stands above.
        show: a value with its unit.
    """
    truth, numbers = np.asarray(labels), np.asarray(values, dtype=np.float64)
    figure, axes = canvas.new(4.6, 3.2)
    low, high = np.quantile(numbers, [0.01, 0.99]) if len(numbers) else (0.0, 1.0)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    for label, name, colour, hatch in _CLASSES:
        chosen = numbers[truth == label]
        shares = np.histogram(np.clip(chosen, low, high), edges)[0] / max(1, len(chosen))
        axes.stairs(
            100 * shares, edges, fill=True, facecolor=(colour, 0.35), edgecolor=colour, hatch=hatch, linewidth=1.2,
            label=f"{name} ({len(chosen):,})",
        )  # fmt: skip
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: show(value)))
    axes.locator_params(axis="x", nbins=6)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("Share of the class (%)")
    axes.set_title(title, fontsize="medium", pad=24, parse_math=False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize="small")
    return figure


def kinds_figure(labels: ArrayLike, values: Sequence[str], title: str, limit: int = 8) -> Figure:
    """Share of each class's images by kind, such as the file format, as bars.

    Args:
        labels: 1 = fake, (n,).
        values: the kind of each image, (n,).
        title: what stands above.
        limit: the rarer kinds beyond so many are left out.
    """
    truth, kinds = np.asarray(labels), np.asarray(values, dtype=object)
    names, counts = np.unique(kinds.astype(str), return_counts=True)
    names = names[np.argsort(-counts, kind="stable")][:limit]
    figure, axes = canvas.new(4.6, 1.4 + 0.45 * max(1, len(names)))
    for label, name, colour, hatch in _CLASSES:
        chosen = kinds[truth == label].astype(str)
        shares = [100 * float(np.mean(chosen == kind)) if len(chosen) else 0.0 for kind in names]
        places = np.arange(len(names)) + 0.4 * label
        bars = axes.barh(
            places, shares, height=0.36, facecolor=(colour, 0.35), edgecolor=colour, hatch=hatch,
            label=f"{name} ({len(chosen):,})",
        )  # fmt: skip
        axes.bar_label(bars, [f"{share:.0f} %" for share in shares], padding=3, fontsize="small")
    axes.set_yticks(np.arange(len(names)) + 0.2, [canvas.printable(name, 24) for name in names], parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(0, 115)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("Share of the class (%)")
    axes.set_title(title, fontsize="medium", pad=24, parse_math=False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize="small")
    return figure
