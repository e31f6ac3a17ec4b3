import io

import numpy as np
import pytest
from PIL import Image

from fakedet.augment import Forger, encode_jpeg
from fakedet.augment.compression import QUALITY
from fakedet.detector.image import decode


def quality(data: bytes) -> int:
    """Undo libjpeg's scaling of the standard luminance table from its entries."""
    with Image.open(io.BytesIO(data)) as picture:
        first = picture.quantization[0]  # type: ignore[attr-defined]
    scale = 100 * sum(first) / STANDARD_SUM
    return round((200 - scale) / 2 if scale <= 100 else 5000 / scale)


with io.BytesIO() as _buffer:
    Image.new("RGB", (8, 8)).save(_buffer, "JPEG", quality=50)
    STANDARD_SUM = sum(Image.open(_buffer).quantization[0])  # type: ignore[attr-defined]


def test_channels_are_not_swapped() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    again = decode(encode_jpeg(red, np.random.default_rng(0)))
    assert again[..., 0].mean() == pytest.approx(200, abs=3)
    assert again[..., 2].mean() == pytest.approx(0, abs=3)


def test_quality_says_nothing_about_the_class() -> None:
    image, donor = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 3), dtype=np.uint8)
    forger = Forger()
    drawn: dict[int, list[int]] = {0: [], 1: []}
    for seed in range(600):
        rng = np.random.default_rng(seed)
        label = seed % 2
        picture = forger.forge(image, donor, rng).image if label else image
        drawn[label].append(quality(encode_jpeg(picture, rng)))
    for values in drawn.values():
        assert min(values) == QUALITY[0]
        assert max(values) == QUALITY[1]
    # Both are uniform over the range; the means of 300 draws have a standard error of 0.35.
    assert abs(np.mean(drawn[0]) - np.mean(drawn[1])) < 1.5
    assert abs(np.std(drawn[0]) - np.std(drawn[1])) < 1.0
