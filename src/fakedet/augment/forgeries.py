"""Forgeries made from real photographs, with the true mask of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import albumentations
import cv2
import numpy as np
from numpy.typing import NDArray

from fakedet.augment.compression import encode_jpeg
from fakedet.augment.pipeline import Pipeline
from fakedet.augment.regions import blend, region
from fakedet.errors import UserError, did_you_mean

Image = NDArray[np.uint8]

# A forgery that changes its region by less (grey levels of 255, mean over the mask) is drawn again:
# an inpainted patch of blue sky is blue sky, and its label would be wrong.
LEAST_CHANGE = 3.0
ATTEMPTS = 4

# Colours of a self-blend's source, stronger than for faces: scenes vary more than skin does.
_COLOUR = Pipeline(
    [
        albumentations.RGBShift(r_shift_limit=25, g_shift_limit=25, b_shift_limit=25, p=0.7),
        albumentations.HueSaturationValue(hue_shift_limit=8, sat_shift_limit=40, val_shift_limit=25, p=0.7),
        albumentations.RandomBrightnessContrast(brightness_limit=0.15, contrast_limit=0.15, p=0.7),
    ]
)


@dataclass(frozen=True)
class Forgery:
    """A forged picture.

    Attributes:
        image: RGB, (height, width, 3), uint8; equal to the original where the mask is 0.
        mask: (height, width), uint8: 255 is forged, 0 untouched, soft edges between.
        method: which forgery it is, one of `METHODS`.
    """

    image: Image
    mask: Image
    method: str


def self_blend(image: Image, donor: Image, rng: np.random.Generator) -> tuple[Image, Image]:  # noqa: ARG001
    """Blend a picture with itself, shifted, in other colours and with another sharpness.

    Self-blended images (Shiohara & Yamasaki, CVPR 2022, section 3) without landmarks: the region is
    random, and only the blended-in copy is changed, so that the rest stays as it was.
    """
    mask = region(image.shape[:2], rng)
    source = _COLOUR(image, int(rng.integers(2**31)))
    source = _blurred(source, rng.uniform(1.5, 2.5), rng) if rng.random() < 0.5 else _sharpened(source, rng)
    offset = rng.uniform(-0.03, 0.03, 2) * image.shape[0]
    scale = rng.uniform(0.95, 1.05)
    move = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
    source = np.asarray(cv2.warpAffine(source, move, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101), np.uint8)
    return blend(image, source, mask, rng.choice([0.75, 1.0, 1.0])), mask


def splice(image: Image, donor: Image, rng: np.random.Generator) -> tuple[Image, Image]:
    """Paste a region of the donor photograph, mirrored or not."""
    mask = region(image.shape[:2], rng)
    source = np.ascontiguousarray(donor[:, ::-1]) if rng.random() < 0.5 else donor
    return blend(image, source, mask), mask


def inpaint(image: Image, donor: Image, rng: np.random.Generator) -> tuple[Image, Image]:  # noqa: ARG001
    """Remove a region and fill it from its surroundings (Telea 2004; Bertalmio et al., CVPR 2001)."""
    mask = region(image.shape[:2], rng, share=(0.05, 0.2))
    mask = np.where(mask > 127, 255, 0).astype(np.uint8)
    method = cv2.INPAINT_TELEA if rng.random() < 0.5 else cv2.INPAINT_NS
    return np.asarray(cv2.inpaint(image, mask, 3, method), np.uint8), mask


def resample(image: Image, donor: Image, rng: np.random.Generator) -> tuple[Image, Image]:  # noqa: ARG001
    """Shrink a region and enlarge it again: what a pasted object of another scale looks like."""
    mask = region(image.shape[:2], rng)
    return blend(image, _blurred(image, rng.uniform(2.0, 4.0), rng), mask), mask


def _blurred(image: Image, factor: float, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    small = cv2.resize(image, (round(width / factor), round(height / factor)), interpolation=cv2.INTER_AREA)
    method = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)[rng.integers(3)]
    return np.asarray(cv2.resize(small, (width, height), interpolation=method), np.uint8)


def _sharpened(image: Image, rng: np.random.Generator) -> Image:
    amount = rng.uniform(0.8, 2.0)
    smooth = cv2.GaussianBlur(image, (0, 0), 1.2)
    return np.asarray(cv2.addWeighted(image, 1 + amount, smooth, -amount, 0), np.uint8)


_FORGERIES: dict[str, Callable[[Image, Image, np.random.Generator], tuple[Image, Image]]] = {
    "self_blend": self_blend,
    "splice": splice,
    "inpaint": inpaint,
    "resample": resample,
}
METHODS = tuple(_FORGERIES)


class Forger:
    """Makes forgeries of several methods, each equally often."""

    def __init__(self, methods: Sequence[str] = METHODS) -> None:
        """Choose among `METHODS`.

        Raises:
            UserError: for an unknown name, or none at all.
        """
        for name in methods:
            if name not in METHODS:
                raise UserError(
                    f"There is no forgery {name!r}{did_you_mean(name, METHODS)}; choose from {', '.join(METHODS)}."
                )
        if not methods:
            raise UserError(f"A forger needs at least one method; choose from {', '.join(METHODS)}.")
        self.methods = tuple(methods)

    def encode(self, image: Image, rng: np.random.Generator) -> bytes:
        """The last step of both classes: the bytes of a JPEG file, see `encode_jpeg`."""
        return encode_jpeg(image, rng)

    def forge(self, image: Image, donor: Image, rng: np.random.Generator) -> Forgery:
        """Forge a part of a picture.

        Args:
            image: RGB, (height, width, 3), uint8; it is not changed.
            donor: another photograph of the same size, which `splice` takes its region from.
            rng: decides method, region and strength.

        Returns:
            The forgery; of several tries the first with a visible change, or the strongest.
        """
        method = self.methods[rng.integers(len(self.methods))]
        strongest = -1.0
        for _ in range(ATTEMPTS):
            forged, mask = _FORGERIES[method](image, donor, rng)
            change = _change(image, forged, mask)
            if change > strongest:
                strongest, best = change, Forgery(forged, mask, method)
            if change >= LEAST_CHANGE:
                break
        return best


def _change(image: Image, forged: Image, mask: Image) -> float:
    """Mean absolute difference in grey levels, weighted by the mask."""
    difference = cv2.absdiff(image, forged).mean(axis=2)
    return float((difference * mask).sum() / mask.sum())
