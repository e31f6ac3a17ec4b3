"""How far heat maps can be believed: what removing the pixels they mark does, and what they point at."""

from collections.abc import Mapping
from typing import Any, Literal

from matplotlib.figure import Figure

from fakedet.figures import canvas

# Kind of curve -> what stands above it and below.
_KINDS = {
    "deletion": ("Deletion: the smaller the area, the better", "Share of pixels removed, the most marked first"),
    "insertion": ("Insertion: the larger the area, the better", "Share of pixels put in, the most marked first"),
}
# Kind of map -> its name, colour and dashes.
MAPS = {
    "gradcam": ("Grad-CAM", canvas.VERMILION, "-"),
    "random": ("same map elsewhere", canvas.BLUE, "--"),
    "usual": ("mean of other maps", canvas.GREEN, ":"),
}
MEASURES = {
    "pointing": "Peak on the forged region",
    "energy": "Share of the map on it",
    "iou": "Intersection over union",
}


def removal_figure(kind: Literal["deletion", "insertion"], entry: Mapping[str, Any]) -> Figure:
    """Score against the share of pixels, for Grad-CAM's maps and for those they are held against.

    Args:
        kind: which curve it is.
        entry: `shares`; `gradcam`, `random` and perhaps `usual`, each with `area` {value, …}, `mean`, `lower` and
            `upper` (points,); `minus_random` and `minus_usual` {value, low, high}, bounds None where unknown.
    """
    title, abscissa = _KINDS[kind]
    figure, axes = canvas.new(4.6, 5.2)
    for name, (text, colour, dashes) in MAPS.items():
        if name in entry:
            curve = entry[name]
            label = f"{text}: area {curve['area']['value']:.3f}"
            if name != "gradcam":
                label += f"\nGrad-CAM minus it {_signed(entry[f'minus_{name}'])}"
            axes.fill_between(entry["shares"], curve["lower"], curve["upper"], color=colour, alpha=0.13, linewidth=0)
            axes.plot(entry["shares"], curve["mean"], color=colour, linestyle=dashes, linewidth=1.8, label=label)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.01)
    axes.set_xlabel(abscissa)
    axes.set_ylabel("Score: mean, and middle half of the pictures")
    axes.set_title(title, fontsize="medium")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), frameon=False, fontsize="small")
    return figure


def overlap_figure(overlap: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Bars by method for each of `MEASURES`, with its interval; lines across them show what needs no picture.

    Args:
        overlap: method -> {images, and for each measure {value, low, high, chance, usual}}, None where unknown.
    """
    names = list(overlap)[::-1]
    figure = Figure(figsize=(8.4, 1.5 + 0.46 * max(1, len(names))), layout="constrained")
    for axes, (measure, title) in zip(figure.subplots(1, len(MEASURES), sharey=True), MEASURES.items(), strict=True):
        axes.spines[["top", "right"]].set_visible(False)
        for place, name in enumerate(names):
            part = overlap[name][measure]
            axes.barh(place, part["value"], height=0.64, color=canvas.SKY)
            if part["low"] is not None and part["high"] is not None:
                axes.plot([part["low"], part["high"]], [place, place], color=canvas.BLACK, linewidth=1.2)
            for line, colour, dashes in (("chance", canvas.VERMILION, "-"), ("usual", canvas.GREEN, (0, (2, 1)))):
                if part[line] is not None:
                    ends = [place - 0.42, place + 0.42]
                    axes.plot([part[line]] * 2, ends, color=colour, linestyle=dashes, linewidth=2.2)
        axes.set_xlim(0, 1)
        axes.set_title(title, fontsize="medium")
    labels = [f"{canvas.printable(name, 30)} ({overlap[name]['images']:,})" for name in names]
    figure.axes[0].set_yticks(range(len(names)), labels, parse_math=False)
    figure.supxlabel(
        "Bar: mean of the pictures; black: 95 % interval; orange: chance; green, dashed: the mean of other maps",
        fontsize="small",
    )
    return figure


def _signed(number: Mapping[str, float | None]) -> str:
    """`−0.154 [−0.190, −0.120]`, without brackets where no interval is known."""
    shown = {key: "" if value is None else f"{value:+.3f}" for key, value in number.items()}
    interval = f" [{shown['low']}, {shown['high']}]" if shown["low"] and shown["high"] else ""
    return f"{shown['value']}{interval}".replace("-", "\N{MINUS SIGN}")
