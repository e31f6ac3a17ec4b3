"""The look that all figures share: size, type, and colours that colour-blind readers tell apart."""

import io
import warnings

from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito, "Color Universal Design", 2008. Yellow is left out: too pale for a line on white.
BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
PURPLE, ORANGE, SKY, BLACK = "#CC79A7", "#E69F00", "#56B4E9", "#000000"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
# Line styles change with the colours, so that grey prints can be read too.
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
REAL, FAKE, GREY = BLUE, VERMILION, "#767676"


def new(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of so many inches with one axes, without pyplot's global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def png(figure: Figure, dpi: int = 160) -> bytes:
    """The figure as a PNG file; equal figures give equal bytes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Of a file name in a script that the font lacks, boxes are shown; the page shows it in full.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def printable(text: str, limit: int = 200) -> str:
    """Foreign text (a file name) as one line: control characters marked, the middle cut beyond `limit`."""
    line = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    if len(line) <= limit:
        return line
    head = (limit - 1) // 3
    return f"{line[:head]}…{line[len(line) - (limit - 1 - head) :]}"
