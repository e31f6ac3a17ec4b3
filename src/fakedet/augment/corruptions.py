"""What pictures meet on their way to a detector: one function for each kind of change, with a strength.

They act on the decoded picture, in its own pixels and before the detector's own scaling, as the world does:
a blur of two pixels harms a picture of 200 pixels more than one of 2,000.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fakedet.detector.image import decode
from fakedet.errors import UserError, did_you_mean

Image = NDArray[np.uint8]
Change = Callable[[Image, float, np.random.Generator], Image]

# What a screen and the one who shares its picture add: another tone curve, and a JPEG file of the PNG.
_GAMMA, _SCREENSHOT_QUALITY = 1.1, 90
_SHARED_QUALITY = (65, 100)
_SHARES = 2


@dataclass(frozen=True)
class Corruption:
    """One kind of change.

    Attributes:
        title: for figures.
        unit: what its strength counts.
        change: picture, strength and random generator to the changed picture.
        low: least strength.
        high: highest strength.
        neutral: the strength that changes nothing, None where there is none.
        whole: whether strengths are whole numbers.
    """

    title: str
    unit: str
    change: Change
    low: float
    high: float
    neutral: float | None = None
    whole: bool = False


def corrupt(image: Image, name: str, strength: float, seed: int) -> Image:
    """Change a picture.

    Args:
        image: RGB, (height, width, 3), uint8; it is not changed.
        name: one of `CORRUPTIONS`.
        strength: between `low` and `high` of the corruption.
        seed: of what is random; not negative. It does not depend on the strength, so that noise of another
            strength is the same noise, louder.

    Returns:
        RGB, uint8, of the same size, but for `screenshot` and `social`; the picture itself where the
        strength is the neutral one.

    Raises:
        UserError: for an unknown name or a strength outside the range.
    """
    check(name, strength)
    corruption = CORRUPTIONS[name]
    if strength == corruption.neutral:
        return image
    return corruption.change(image, strength, np.random.default_rng(seed))


def check(name: str, strength: object) -> None:
    """Raise a `UserError` unless there is such a corruption with such a strength."""
    if name not in CORRUPTIONS:
        known = ", ".join(CORRUPTIONS)
        raise UserError(f"There is no corruption {name!r}{did_you_mean(name, CORRUPTIONS)}; choose from {known}.")
    corruption = CORRUPTIONS[name]
    number = isinstance(strength, int | float) and not isinstance(strength, bool)
    if not (number and corruption.low <= strength <= corruption.high):  # type: ignore[operator]
        raise UserError(
            f"The strength {strength} of {name} ({corruption.unit}) is not between {corruption.low:g} and "
            f"{corruption.high:g}."
        )
    if corruption.whole and strength != round(strength):  # type: ignore[call-overload]
        raise UserError(f"The strength {strength} of {name} ({corruption.unit}) is not a whole number.")


def compressed(image: Image, quality: int) -> Image:
    """A picture after JPEG compression, with chroma at half the resolution as libjpeg does it by default."""
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return decode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())


def scaled(image: Image, height: int, width: int) -> Image:
    """A picture of another size: averaged when it shrinks, bilinear when it grows; at least one pixel."""
    size = max(1, width), max(1, height)
    if size == (image.shape[1], image.shape[0]):
        return image
    shrinks = size[0] <= image.shape[1] and size[1] <= image.shape[0]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8)


def by_factor(image: Image, factor: float) -> Image:
    """A picture scaled by a factor; see `scaled`."""
    return scaled(image, round(factor * image.shape[0]), round(factor * image.shape[1]))


def _jpeg(image: Image, strength: float, rng: np.random.Generator) -> Image:  # noqa: ARG001
    return compressed(image, round(strength))


def _downscale(image: Image, strength: float, rng: np.random.Generator) -> Image:  # noqa: ARG001
    return scaled(by_factor(image, strength), *image.shape[:2])


def _blur(image: Image, strength: float, rng: np.random.Generator) -> Image:  # noqa: ARG001
    return np.asarray(cv2.GaussianBlur(image, (0, 0), strength), np.uint8)


def _noise(image: Image, strength: float, rng: np.random.Generator) -> Image:
    return _rounded(image + np.float32(strength) * rng.standard_normal(image.shape, dtype=np.float32))


def _brightness(image: Image, strength: float, rng: np.random.Generator) -> Image:  # noqa: ARG001
    return _rounded(image + np.float32(255.0 * strength))


def _contrast(image: Image, strength: float, rng: np.random.Generator) -> Image:  # noqa: ARG001
    mean = image.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    return _rounded(mean + np.float32(1.0 + strength) * (image - mean))


def _sharpen(image: Image, strength: float, rng: np.random.Generator) -> Image:  # noqa: ARG001
    smooth = cv2.GaussianBlur(image, (0, 0), 1.0)
    return np.asarray(cv2.addWeighted(image, 1.0 + strength, smooth, -strength, 0.0), np.uint8)


def _screenshot(image: Image, strength: float, rng: np.random.Generator) -> Image:  # noqa: ARG001
    curve = _rounded(255.0 * (np.arange(256) / 255.0) ** (1.0 / _GAMMA))
    # The PNG file in between changes no pixel.
    return compressed(np.asarray(cv2.LUT(by_factor(image, strength), curve), np.uint8), _SCREENSHOT_QUALITY)


def _social(image: Image, strength: float, rng: np.random.Generator) -> Image:
    shared = by_factor(image, min(1.0, strength / max(image.shape[:2])))
    for quality in rng.integers(*_SHARED_QUALITY, size=_SHARES, endpoint=True):
        shared = compressed(shared, int(quality))
    return shared


def _rounded(values: NDArray[np.floating]) -> Image:
    return np.rint(values).clip(0, 255).astype(np.uint8)


# `social` is the chain by which Corvi et al., "On the detection of synthetic images generated by diffusion
# models", ICASSP 2023 (and the IEEE VIP Cup 2022) imitate social networks: scaled to 200 pixels, JPEG quality
# drawn from 65 to 100. Two things differ: nothing is cropped, because that changes what is seen, and the
# picture is shared twice. Facebook bounds the longer side to 960 or 2,048 pixels (Moltisanti et al., "Image
# manipulation on Facebook for forensics evidence", ICIAP 2015); a smaller picture keeps its size.
CORRUPTIONS = {
    "jpeg": Corruption("JPEG compression", "quality", _jpeg, 1, 100, whole=True),
    "downscale": Corruption("Scaled down and up again", "share of the side", _downscale, 0.02, 1, neutral=1),
    "blur": Corruption("Gaussian blur", "σ in pixels", _blur, 0, 50, neutral=0),
    "noise": Corruption("Gaussian noise", "σ in levels of 255", _noise, 0, 255, neutral=0),
    "brightness": Corruption("Brightness", "shift, as a share of white", _brightness, -1, 1, neutral=0),
    "contrast": Corruption("Contrast", "change, as a share", _contrast, -1, 4, neutral=0),
    "sharpen": Corruption("Sharpened again", "amount of unsharp masking", _sharpen, 0, 10, neutral=0),
    "screenshot": Corruption("Screenshot", "scale on the screen", _screenshot, 0.1, 4),
    "social": Corruption("Shared twice", "longer side in pixels", _social, 16, 8192, whole=True),
}
