import numpy as np
import pytest

from fakedet.augment.regions import blend, region


@pytest.mark.parametrize("shape", [(224, 224), (64, 96), (32, 32)])
def test_region_covers_the_share_that_was_drawn(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        mask = region(shape, rng, share=(0.1, 0.3))
        assert mask.shape == shape
        assert mask.dtype == np.uint8
        assert 0.08 <= (mask > 127).mean() <= 0.32
        assert mask.max() > 200
        assert mask.min() == 0


def test_regions_differ_and_repeat() -> None:
    masks = [region((64, 64), np.random.default_rng(seed)).tobytes() for seed in (0, 1, 0)]
    assert masks[0] == masks[2]
    assert masks[0] != masks[1]


def test_blend_is_exact_at_both_ends() -> None:
    rng = np.random.default_rng(0)
    image, other = rng.integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    mask = np.zeros((16, 16), np.uint8)
    mask[:4], mask[4:8] = 255, 128
    mixed = blend(image, other, mask)
    assert (mixed[:4] == other[:4]).all()
    assert (mixed[8:] == image[8:]).all()
    wanted = image[4:8] + (other[4:8].astype(float) - image[4:8]) * 128 / 255
    assert np.abs(mixed[4:8] - wanted).max() <= 0.51
