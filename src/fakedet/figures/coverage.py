"""How much of each method's material became crops."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fakedet.figures import canvas


def coverage_figure(covered: pd.DataFrame) -> Figure:
    """A bar a method: share of its frames that gave a crop.

    Args:
        covered: columns label (1 = fake), method, frames, faces.
    """
    rows = covered[covered["frames"] > 0].sort_values(["label", "method"], ascending=[False, False])
    shares = (rows["faces"] / rows["frames"]).to_numpy(dtype=np.float64)
    figure, axes = canvas.new(6.4, 1.0 + 0.32 * max(1, len(rows)))
    fake = rows["label"].to_numpy() == 1
    colours = np.where(fake, canvas.FAKE, canvas.REAL)
    names = [canvas.printable(str(method), 40) for method in rows["method"]]
    bars = axes.barh(np.arange(len(rows)), 100 * shares, color=list(colours), height=0.7)
    for bar, is_fake in zip(bars, fake, strict=True):
        bar.set_hatch("////" if is_fake else "")
        bar.set_edgecolor("white")
    axes.bar_label(bars, [f"{100 * share:.1f} %" for share in shares], padding=3, fontsize="small")
    axes.set_yticks(np.arange(len(rows)), names, parse_math=False)
    axes.set_xlim(0, 112)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("Frames that gave a crop (%); hatched: fake")
    return figure
