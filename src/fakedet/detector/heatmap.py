"""From a network's small map to a heatmap of its input's size."""

import cv2
import numpy as np
from numpy.typing import NDArray


def enlarge(small: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Enlarge a map by bilinear interpolation, and scale it so that its largest value is 1.

    The same as `fakedet.explain.gradcam.heatmaps` does.

    Args:
        small: (h, w), what speaks for fake; negative values count as none.
        size: of the result.

    Returns:
        (size, size), float32 in [0, 1]; all zero where nothing speaks for fake.
    """
    large = cv2.resize(np.maximum(small, 0), (size, size), interpolation=cv2.INTER_LINEAR)
    peak = large.max()
    return np.asarray(large / peak if peak > 0 else large, np.float32)
