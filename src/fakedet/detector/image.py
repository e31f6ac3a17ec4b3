"""Bytes to RGB array to network input: the only decoder, resizer and normaliser there is."""

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
MAX_PIXELS = 50_000_000
_EXIF_ORIENTATION = 0x0112
_INTERPOLATIONS = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


class ImageError(UserError):
    """The bytes are no picture that can be judged; the text says why."""


def decode(source: bytes | Path) -> NDArray[np.uint8]:
    """Decode a picture as a viewer would show it: upright, 8-bit, without transparency.

    Pillow reads the header and refuses what is no picture before a pixel is decoded; common 8-bit
    JPEG and PNG files are then decoded by OpenCV, three times as fast and with the same pixels. Of an
    animation or a file of many pages it is the first picture; 16 bits are scaled to 8.

    Args:
        source: the file's bytes, or its path.

    Returns:
        RGB array of shape (height, width, 3), uint8, C-contiguous.

    Raises:
        ImageError: for a missing, empty, truncated or unknown file, or above `MAX_PIXELS`.
    """
    try:
        data = source.read_bytes() if isinstance(source, Path) else source
    except OSError as error:
        raise ImageError(f"cannot be read ({error.strerror})") from error
    if not data:
        raise ImageError("is empty")
    try:
        with warnings.catch_warnings():
            # Pillow warns at half of its own bomb limit; ours below is lower and an error.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            header = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise ImageError(f"has more than {MAX_PIXELS // 1_000_000} million pixels") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError(f"is no {', '.join(FORMATS[:-1])} or {FORMATS[-1]} picture") from error
    width, height = header.size
    if width * height > MAX_PIXELS:
        raise ImageError(f"has {width} × {height} pixels, more than {MAX_PIXELS // 1_000_000} million")
    try:
        if _is_plain(header):
            # OpenCV repairs some broken PNGs in silence, so Pillow checks their checksums first.
            if header.format == "PNG":
                Image.open(io.BytesIO(data), formats=FORMATS).verify()
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
            if image is None:
                raise ImageError("is truncated or damaged")
            return np.asarray(image, dtype=np.uint8)
        return _decode_with_pillow(header)
    except ImageError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, cv2.error) as error:
        raise ImageError("is truncated or damaged") from error


def _is_plain(header: Image.Image) -> bool:
    """Whether both decoders agree: 8-bit grey or RGB, JPEG or PNG, upright, no transparency."""
    return (
        header.format in ("JPEG", "PNG")
        and header.mode in ("RGB", "L")
        and "transparency" not in header.info
        and header.getexif().get(_EXIF_ORIENTATION, 1) == 1
    )


def _decode_with_pillow(picture: Image.Image) -> NDArray[np.uint8]:
    upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I;16"):
        # Pillow's own conversion would clip at 255 instead of scaling.
        grey = np.rint(np.asarray(upright, dtype=np.float64) / 257).astype(np.uint8)
        return np.ascontiguousarray(np.repeat(grey[..., None], 3, axis=2))
    if upright.mode in ("I", "F"):
        raise ImageError("has 32-bit pixels, whose white is not known; save it with 8 or 16 bits")
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        rgba = upright.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        upright = Image.alpha_composite(white, rgba)
    return np.ascontiguousarray(np.asarray(upright.convert("RGB")))


def resize(image: NDArray[np.uint8], spec: PreprocessSpec) -> NDArray[np.uint8]:
    """Cut the centre square and scale it to `spec.size`.

    Args:
        image: RGB, (height, width, 3), uint8.
        spec: the detector's preprocessing.

    Returns:
        RGB, (size, size, 3), uint8.
    """
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    if side != spec.size:
        method = _INTERPOLATIONS[spec.interpolation]
        if spec.interpolation == "area" and side < spec.size:
            method = cv2.INTER_LINEAR
        square = np.asarray(cv2.resize(square, (spec.size, spec.size), interpolation=method), dtype=np.uint8)
    return np.ascontiguousarray(square)


def normalise(image: NDArray[np.uint8], spec: PreprocessSpec) -> NDArray[np.float32]:
    """From (size, size, 3) uint8 to (3, size, size) float32 with the spec's mean and deviation."""
    scale = (1.0 / (255.0 * np.asarray(spec.std))).astype(np.float32)
    shift = (-np.asarray(spec.mean) / np.asarray(spec.std)).astype(np.float32)
    values = image.transpose(2, 0, 1) * scale[:, None, None]
    values += shift[:, None, None]
    return np.ascontiguousarray(values, dtype=np.float32)


def preprocess(image: NDArray[np.uint8], spec: PreprocessSpec) -> NDArray[np.float32]:
    """Decoded picture (height, width, 3) to network input (3, size, size)."""
    return normalise(resize(image, spec), spec)
