"""Pictures beside what the detector looked at in them."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fakedet.figures import canvas

# (label, called fake) -> name, in the order of the rows.
OUTCOMES = {
    (1, True): "true positive: fake found",
    (1, False): "false negative: fake missed",
    (0, True): "false positive: real called fake",
    (0, False): "true negative: real passed",
}
_SIDE = 224
_OPACITY = 0.75


@dataclass(frozen=True)
class PanelItem:
    """One judged picture.

    Attributes:
        image: RGB uint8, (height, width, 3).
        heat: where the evidence for fake lies, [0, 1], any (h, w); None when the network has no map.
        score: probability of fake.
        label: 1 = fake.
        name: the file's path, shown as it is.
    """

    image: NDArray[np.uint8]
    heat: NDArray[np.floating] | None
    score: float
    label: int
    name: str

    def outcome(self, threshold: float) -> str:
        """One of `OUTCOMES`."""
        return OUTCOMES[int(self.label), bool(self.score > threshold)]

    @property
    def remark(self) -> str | None:
        """What a reader would otherwise take for a fault of the map; None for an ordinary one."""
        if self.heat is None:
            return "this network has no map"
        return None if np.any(self.heat > 0) else "the map is zero everywhere"


def overlay(image: NDArray[np.uint8], heat: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The picture with the map laid over it: the hotter, the less of the picture shows.

    A map that is zero everywhere leaves the picture as it is.

    Args:
        image: RGB uint8, (height, width, 3).
        heat: [0, 1], any (h, w); scaled to the picture.

    Returns:
        RGB uint8, (height, width, 3).
    """
    height, width = image.shape[:2]
    scaled = cv2.resize(np.asarray(heat, dtype=np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    scaled = np.clip(scaled, 0.0, 1.0)
    colours = colormaps["inferno"](0.25 + 0.75 * scaled)[..., :3] * 255.0
    opacity = (_OPACITY * scaled)[..., None]
    return np.rint(image * (1.0 - opacity) + colours * opacity).astype(np.uint8)


def pair(item: PanelItem, side: int = _SIDE) -> NDArray[np.uint8]:
    """Picture and overlay side by side in two squares, RGB uint8, (side, 2 · side + gap, 3).

    Without a map the right square is plain grey, so that it is not taken for a map of zeros.
    """
    left = _square(item.image, side)
    right = np.full_like(left, 220) if item.heat is None else _square(overlay(item.image, item.heat), side)
    return np.concatenate([left, np.full((side, side // 32, 3), 255, np.uint8), right], axis=1)


def panel_figure(items: Sequence[PanelItem], threshold: float, columns: int = 4) -> Figure:
    """A grid of pictures and overlays, true and false positives and negatives below one another.

    Args:
        items: the pictures, (any number); an outcome without one is left out.
        threshold: a picture is called fake above it.
        columns: pictures in a line at most.
    """
    lines: list[tuple[str, list[PanelItem]]] = []
    for outcome in OUTCOMES.values():
        members = [item for item in items if item.outcome(threshold) == outcome]
        lines += [
            (outcome if start == 0 else "", members[start : start + columns])
            for start in range(0, len(members), columns)
        ]
    rows, columns = max(1, len(lines)), max((len(members) for _, members in lines), default=1)
    figure = Figure(figsize=(3.2 * columns, 2.35 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for line, (outcome, members) in enumerate(lines):
        for column, item in enumerate(members):
            axes = grid[line, column]
            axes.imshow(pair(item))
            label = "fake" if item.label else "real"
            text = [f"score {item.score:.3f}, is {label}", canvas.printable(item.name, 44)]
            axes.set_title("\n".join([outcome if column == 0 else "", *text]), fontsize=8, loc="left", parse_math=False)
            if item.remark:
                plain = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
                axes.text(0.75, 0.04, item.remark, fontsize=7, ha="center", transform=axes.transAxes, bbox=plain)
    return figure


def _square(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Scaled into a square with white margins, nothing cut off."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, shape, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    square = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - shape[1]) // 2, (side - shape[0]) // 2
    square[top : top + shape[1], left : left + shape[0]] = small
    return square
