"""Do heat maps show what a score rests on? Pixels are removed and put in, in the order of the map.

Deletion and insertion curves (Petsiuk et al., "RISE", BMVC 2018, section 4.1). Deletion removes the pixels that
a map marks most and asks for the score after each step: a map that shows the evidence makes it fall fast, so
that the area under the curve is small. Insertion starts from nothing and puts the same pixels in first: there
a large area is good.

A removed pixel is one of the blurred picture. The blur is stronger than that of RISE: lightly blurred pictures
are what a detector of forgeries has learnt to call fake, smooth gradients are not. Borders between sharp and
blurred look forged too, so that no area means anything alone (Hooker et al., "A Benchmark for Interpretability
Methods in Deep Neural Networks", NeurIPS 2019), and noise, whose patches have more of them, is no fair
opponent. The maps are held against themselves, mirrored and moved, and against the mean of other pictures' maps.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from fakedet.detector.image import normalise
from fakedet.detector.spec import PreprocessSpec
from fakedet.explain.overlap import Floats, Interval, mean
from fakedet.models.registry import Network

STEPS = 10  # of a curve, which has one point more
BLUR = 1 / 4  # deviation of the Gaussian, as a share of the picture's side
_CELLS = 7  # along a side: the feature maps of most CNNs at 224 pixels

Turns = NDArray[np.uint8]


def turns(heat: NDArray[np.floating], ties: NDArray[np.floating]) -> Turns:
    """At which step each pixel goes, from 0 to STEPS - 1: the hottest first, equally many at each step.

    Args:
        heat: a map, (h, w).
        ties: which of equally hot pixels goes first: the one with more; (h, w).
    """
    order = np.lexsort((-ties.ravel(), -heat.ravel()))
    result = np.empty(heat.size, np.uint8)
    result[order] = np.arange(heat.size) * STEPS // heat.size
    return result.reshape(heat.shape)


def moved(heat: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.floating]:
    """The map somewhere else, as coarse and as compact: mirrored or not, and rolled across its borders."""
    mirrored = heat[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
    return np.roll(mirrored, rng.integers(heat.shape), axis=(0, 1))


def noise(side: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A smooth random map, (side, side) in [0, 1]: for the order of pixels that a map says nothing about."""
    cells = rng.random((_CELLS, _CELLS), dtype=np.float32)
    return np.asarray(cv2.resize(cells, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)


@torch.inference_mode()
def removal_curves(
    network: Network, square: NDArray[np.uint8], orders: Sequence[Turns], spec: PreprocessSpec, batch_size: int
) -> Floats:
    """The score of a picture while its pixels become those of the blurred picture.

    Args:
        network: in evaluation mode; asked in fp32.
        square: RGB uint8 of the network's size, (S, S, 3).
        orders: what `turns` gave, (S, S) each.
        spec: the detector's preprocessing.
        batch_size: pictures that the network sees at once.

    Returns:
        (orders, STEPS + 1) in [0, 1]: first the score of the picture as it is, last that of the blurred one.
    """
    device = next(network.parameters()).device
    blurred = np.asarray(cv2.GaussianBlur(square, (0, 0), BLUR * len(square)), np.uint8)
    sharp, soft = (torch.from_numpy(normalise(picture, spec)).to(device) for picture in (square, blurred))
    turn = torch.from_numpy(np.stack(orders)).to(device)
    # All orders begin with the same picture and end with the same.
    jobs = [(0, 0), (0, STEPS), *((order, step) for order in range(len(orders)) for step in range(1, STEPS))]
    scores = np.empty((len(orders), STEPS + 1))
    with torch.autocast(device.type, enabled=False):
        for start in range(0, len(jobs), batch_size):
            which, steps = np.array(jobs[start : start + batch_size]).T
            removed = turn[which] < torch.from_numpy(steps).to(device)[:, None, None]
            images = torch.where(removed[:, None], soft, sharp).contiguous(memory_format=torch.channels_last)
            scores[which, steps] = network(images).sigmoid().cpu().numpy()
    scores[:, 0], scores[:, STEPS] = scores[0, 0], scores[0, STEPS]
    return scores


def compare(curves: Mapping[str, Floats], groups: Sequence[Any], interval: Interval) -> dict[str, Any]:
    """Curves of several kinds of map on the same images, of plain JSON types.

    Args:
        curves: kind -> score at each step, (n, maps of each image, steps + 1); the first is held against the
            others.
        groups: of the images, (n,).
        interval: of a mean.

    Returns:
        shares: of the pixels that were removed or put in, from 0 to 1.
        each kind: {area: {value, low, high}, mean, lower, upper}: the area under the curve, and at each share
        the mean and the quartiles of the scores.
        minus_<kind>: {value, low, high}: the first kind's area minus that of the same image's other maps.
    """
    first, *others = curves
    areas = {kind: area(scores).mean(axis=1) for kind, scores in curves.items()}
    points = curves[first].shape[-1]
    result: dict[str, Any] = {"shares": np.linspace(0, 1, points).tolist()}
    for kind, scores in curves.items():
        lower, middle, upper = np.quantile(scores, 0.25, (0, 1)), scores.mean((0, 1)), np.quantile(scores, 0.75, (0, 1))
        shape = {"mean": middle.tolist(), "lower": lower.tolist(), "upper": upper.tolist()}
        result[kind] = {"area": mean(areas[kind], groups, interval), **shape}
    return result | {f"minus_{kind}": mean(areas[first] - areas[kind], groups, interval) for kind in others}


def area(curves: Floats) -> Floats:
    """Area under each curve over shares from 0 to 1, by trapezoids: (..., points) to (...)."""
    return np.asarray(np.trapezoid(curves, dx=1 / (curves.shape[-1] - 1), axis=-1))
