"""Does a heat map point at what was forged: maps held against true masks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fakedet.detector.image import ImageError, decode, resize
from fakedet.detector.spec import PreprocessSpec

# A pixel belongs to the region that a map marks from this share of the map's peak on.
REGION = 0.5
_FORGED = 127  # grey level of a mask above which a pixel is forged; edges may be soft

Floats = NDArray[np.float64]
# Values and their groups, (n,) each, to the bounds of the mean's 95 % interval; NaN twice where none is known.
Interval = Callable[[Floats, Sequence[Any]], tuple[float, float]]


@dataclass(frozen=True)
class Overlap:
    """How well maps and masks agree, a number a picture, each beside what a map made by chance would reach.

    Attributes:
        values: measure -> (n,) in [0, 1], more is better:
            `pointing`, whether the map's peak lies on the forged region (the pointing game of Zhang et al.,
            IJCV 2018, without its margin of 15 pixels; of several equal peaks the share that does);
            `energy`, the share of the map's sum that lies there (the energy-based pointing game of Wang et
            al., "Score-CAM", CVPRW 2020);
            `iou`, intersection over union of the forged region and of where the map is at least `REGION` of
            its peak.
        chance: measure -> (n,): the forged region's share of the picture, and for `iou` what a region as
            large as the map's comes to when it knows nothing of where the forged one lies.
        zero: (n,): maps that are zero everywhere; they point nowhere, and all their values are 0.
    """

    values: Mapping[str, Floats]
    chance: Mapping[str, Floats]
    zero: NDArray[np.bool_]

    def summarise(self, usual: "Overlap | None", groups: Sequence[Any], interval: Interval) -> dict[str, Any]:
        """Means over the pictures, of plain JSON types.

        Args:
            usual: the same masks against maps that know nothing of the picture, where there are such maps.
            groups: of the pictures, (n,).
            interval: of a mean.

        Returns:
            images, zero_maps, and for each measure {value, low, high, chance, usual, minus_chance, minus_usual},
            the last two being {value, low, high}; bounds are None where none are known, and what needs `usual`
            is None without it.
        """
        measures: dict[str, Any] = {}
        for name, values in self.values.items():
            measures[name] = {
                **mean(values, groups, interval),
                "chance": float(self.chance[name].mean()),
                "usual": None if usual is None else float(usual.values[name].mean()),
                "minus_chance": mean(values - self.chance[name], groups, interval),
                "minus_usual": None if usual is None else mean(values - usual.values[name], groups, interval),
            }
        return {"images": len(self.zero), "zero_maps": int(self.zero.sum()), **measures}


def mean(values: Floats, groups: Sequence[Any], interval: Interval) -> dict[str, float | None]:
    """The mean of values (n,) with its interval: {value, low, high}, bounds None where none are known."""
    low, high = interval(values, groups)
    return {
        "value": float(values.mean()),
        "low": None if np.isnan(low) else float(low),
        "high": None if np.isnan(high) else float(high),
    }


def overlap(maps: NDArray[np.floating], masks: NDArray[np.bool_]) -> Overlap:
    """Measure each map against its picture's mask.

    Args:
        maps: not negative, (n, h, w).
        masks: true where forged, (n, h, w); each holds a forged pixel.
    """
    pixels, forged = maps.reshape(len(maps), -1).astype(np.float64), masks.reshape(len(masks), -1)
    peaks = pixels.max(axis=1, keepdims=True)
    shown = peaks > 0
    highest = (pixels == peaks) & shown
    region = (pixels >= REGION * peaks) & shown
    area, marked = forged.mean(axis=1), region.mean(axis=1)
    expected = marked * area
    return Overlap(
        values={
            "pointing": _ratio((highest & forged).sum(axis=1), highest.sum(axis=1)),
            "energy": _ratio((pixels * forged).sum(axis=1), pixels.sum(axis=1)),
            "iou": _ratio((region & forged).sum(axis=1), (region | forged).sum(axis=1)),
        },
        chance={"pointing": area, "energy": area, "iou": _ratio(expected, marked + area - expected)},
        zero=~shown[:, 0],
    )


def true_mask(file: Path, picture: NDArray[np.uint8], spec: PreprocessSpec) -> NDArray[np.bool_]:
    """The forged region of a picture as the network sees it.

    Args:
        file: the mask, bright where forged.
        picture: as decoded, (height, width, 3); the mask has to be as large.
        spec: the detector's preprocessing, which cuts and scales mask and picture alike.

    Returns:
        (size, size), true where most of the pixel is forged.

    Raises:
        ImageError: when the mask cannot be read or belongs to a picture of another size.
    """
    mask = decode(file)
    if mask.shape != picture.shape:
        (height, width), (wanted_height, wanted_width) = mask.shape[:2], picture.shape[:2]
        raise ImageError(f"has {width} × {height} pixels, its picture {wanted_width} × {wanted_height}")
    return resize(mask, spec)[..., 0] > _FORGED


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """0 where the whole is 0: a map of zeros."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
