"""The last step of every sample picture, real or fake: one JPEG compression."""

import cv2
import numpy as np
from numpy.typing import NDArray

QUALITY = (75, 95)


def encode_jpeg(image: NDArray[np.uint8], rng: np.random.Generator) -> bytes:
    """Compress a picture as JPEG.

    The quality is drawn in the same way for both classes, so that it says nothing about the label.

    Args:
        image: RGB, (height, width, 3), uint8.
        rng: gives the quality, uniform over the whole numbers of `QUALITY`.

    Returns:
        The file's bytes.
    """
    quality = int(rng.integers(QUALITY[0], QUALITY[1], endpoint=True))
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()
