"""Random regions that a forgery covers."""

import cv2
import numpy as np
from numpy.typing import NDArray


def region(
    shape: tuple[int, int],
    rng: np.random.Generator,
    share: tuple[float, float] = (0.08, 0.35),
    softness: tuple[float, float] = (0.003, 0.02),
) -> NDArray[np.uint8]:
    """Draw a blob: an ellipse with a wavy outline and a soft edge.

    It stands for the landmark hull with elastic deformation and blurred border of self-blended images
    (Shiohara & Yamasaki, CVPR 2022, section 3.2), for pictures that have no face.

    Args:
        shape: height and width in pixels, at least 32 each.
        rng: decides place, shape and edge.
        share: least and most of the area that is inside.
        softness: least and most deviation of the edge's Gaussian blur, as a share of the longer side.

    Returns:
        (height, width), uint8: 255 is inside, 0 outside, the edge between.
    """
    height, width = shape
    centre = rng.uniform(0.3, 0.7, 2)
    stretch = np.exp(rng.uniform(-0.4, 0.4))
    angle = rng.uniform(0.0, np.pi)
    rows = (np.arange(height, dtype=np.float32) / height - centre[0])[:, None]
    columns = (np.arange(width, dtype=np.float32) / width - centre[1])[None, :]
    along = (np.cos(angle) * rows + np.sin(angle) * columns) * stretch
    across = (np.cos(angle) * columns - np.sin(angle) * rows) / stretch
    waves = rng.normal(0.0, rng.uniform(0.02, 0.08), (6, 6)).astype(np.float32)
    distance = np.sqrt(along**2 + across**2) + cv2.resize(waves, (width, height), interpolation=cv2.INTER_CUBIC)
    # The quantile as outline gives the drawn area exactly, whatever the waves do.
    covered = min(int(rng.uniform(*share) * distance.size), distance.size - 1)
    inside = (distance <= np.partition(distance, covered, axis=None)[covered]).astype(np.uint8) * 255
    deviation = rng.uniform(*softness) * max(height, width)
    return np.asarray(cv2.GaussianBlur(inside, (0, 0), deviation), np.uint8)


def blend(
    image: NDArray[np.uint8], other: NDArray[np.uint8], mask: NDArray[np.uint8], strength: float = 1.0
) -> NDArray[np.uint8]:
    """`other` where the mask is 255 and `image`, to the bit, where it is 0; uint8, (height, width, 3)."""
    weight = mask[..., None].astype(np.float32) * np.float32(strength / 255.0)
    mixed = image + weight * (other.astype(np.float32) - image)
    return np.rint(mixed).astype(np.uint8)
