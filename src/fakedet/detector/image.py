"""Bytes to RGB array to network input: the only decoder, resizer and normaliser there is."""

import io
import re
import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
MAX_PIXELS = 50_000_000
_MOST_SCANS = 100  # of a progressive JPEG, as in libtiff; encoders write about ten
# What begins something in a JPEG: not a stuffed byte, a restart or a filler (ITU-T T.81, B.1.1).
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
_STRIP = 256  # rows that are converted together
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_TILE_WIDTH, _TILE_LENGTH = 322, 323  # tags of TIFF 6.0, section 15
_EXIF_ORIENTATION = 0x0112
_PNG_EXIF = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")  # where one may keep it
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_INTERPOLATIONS = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


class ImageError(UserError):
    """The bytes are no picture that can be judged; the text says why."""


class TooLarge(ImageError):
    """The picture has more pixels than may be decoded."""


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
        ImageError: for a missing, empty, truncated or unknown file; `TooLarge` above `MAX_PIXELS`.
    """
    try:
        data = source.read_bytes() if isinstance(source, Path) else source
    except OSError as error:
        raise ImageError(f"cannot be read ({error.strerror})") from error
    except ValueError as error:  # a name that no file can have
        raise ImageError(f"cannot be read ({error})") from error
    header = open_header(data)
    try:
        if _is_plain(header, data):
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
    except Exception as error:  # bytes of any kind make decoders raise anything, struct.error for one
        raise ImageError("is truncated or damaged") from error


def from_pillow(picture: Image.Image) -> NDArray[np.uint8]:
    """The same of a picture that Pillow has opened: upright, 8-bit, without transparency.

    Raises:
        ImageError: when it is empty, truncated or above `MAX_PIXELS`.
    """
    _check_pixels(*picture.size)
    try:
        return _decode_with_pillow(picture)
    except ImageError:
        raise
    except Exception as error:  # as above
        raise ImageError("is truncated or damaged") from error


def from_array(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same of an RGB array, (height, width, 3), uint8: contiguous, and held to its size.

    Raises:
        ImageError: when it is empty or above `MAX_PIXELS`.
    """
    height, width = picture.shape[:2]
    _check_pixels(width, height)
    return np.ascontiguousarray(picture)


def _check_pixels(width: int, height: int, most: int = MAX_PIXELS) -> None:
    if not width * height:
        raise ImageError("is empty")
    if width * height > most:
        raise TooLarge(f"has {width} × {height} pixels, more than {most / 1e6:g} million")


def open_header(data: bytes, most: int = MAX_PIXELS) -> Image.Image:
    """What a file says of its picture, before a pixel is decoded: size, format and mode.

    Args:
        data: the file's bytes.
        most: number of pixels that may be decoded.

    Raises:
        ImageError: for an empty or unknown file, and a JPEG of very many scans; `TooLarge` above that number.
    """
    if not data:
        raise ImageError("is empty")
    try:
        with warnings.catch_warnings():
            # Pillow warns at half of its own bomb limit; ours is lower and an error.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            header = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise TooLarge(f"has more than {most / 1e6:g} million pixels") from error
    except Exception as error:  # as above
        raise ImageError(f"is no {', '.join(FORMATS[:-1])} or {FORMATS[-1]} picture") from error
    _check_pixels(*header.size, most)
    # Each scan goes over all pixels, whatever it brings: a small file could take hours.
    if header.format in ("JPEG", "MPO") and _has_many_scans(data):
        raise ImageError(f"is a JPEG of more than {_MOST_SCANS} scans")
    if isinstance(header, TiffImageFile):
        _check_tiles(header, most)
    return header


def _has_many_scans(data: bytes) -> bool:
    """Whether the first picture of a JPEG file has more scans than allowed; what follows it is not read."""
    place, scans = 2, 0
    while scans <= _MOST_SCANS:
        found = _MARKER.search(data, place)
        if found is None or found[0][1] == _END_OF_IMAGE:
            return False
        scans += found[0][1] == _START_OF_SCAN
        place = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return True


def _check_tiles(header: TiffImageFile, most: int) -> None:
    """A tile is unpacked as a whole, however small the picture that it is cut from."""
    sides = [header.tag_v2.get(tag, 0) for tag in (_TILE_WIDTH, _TILE_LENGTH)]
    if not all(isinstance(side, int) for side in sides):
        raise ImageError("is truncated or damaged")
    if sides[0] * sides[1] > most:
        raise TooLarge(f"has tiles of {sides[0]} × {sides[1]} pixels, more than {most / 1e6:g} million")


def _is_plain(header: Image.Image, data: bytes) -> bool:
    """Whether both decoders agree: 8-bit grey or RGB, JPEG or PNG, upright, no transparency."""
    if header.format not in ("JPEG", "PNG") or header.mode not in ("RGB", "L") or "transparency" in header.info:
        return False
    # Asked for the EXIF of a PNG, Pillow decodes all of it.
    is_upright = header.format == "PNG" and not any(name in data for name in _PNG_EXIF)
    return is_upright or header.getexif().get(_EXIF_ORIENTATION, 1) == 1


def _decode_with_pillow(picture: Image.Image) -> NDArray[np.uint8]:
    picture.load()
    # Not Pillow's exif_transpose, which writes the other tags anew and fails where one of them is odd.
    turn = _TURNS.get(picture.getexif().get(_EXIF_ORIENTATION, 1))
    upright = picture if turn is None else picture.transpose(turn)
    if upright.mode in ("I", "F"):
        raise ImageError("has 32-bit pixels, whose white is not known; save it with 8 or 16 bits")
    width, height = upright.size
    image = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _STRIP):  # conversions make copies: of all of it they could take a gigabyte
        image[top : top + _STRIP] = _as_rgb(upright.crop((0, top, width, min(top + _STRIP, height))))
    return image


def _as_rgb(strip: Image.Image) -> NDArray[np.uint8]:
    if strip.mode.startswith("I;16"):
        # Pillow's own conversion would clip at 255 instead of scaling.
        grey = np.rint(np.asarray(strip, dtype=np.float64) / 257).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if strip.mode in ("RGBA", "LA", "PA") or "transparency" in strip.info:
        strip = Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip.convert("RGBA"))
    return np.asarray(strip.convert("RGB"))


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
    values = np.empty((3, *image.shape[:2]), np.float32)
    for channel, plane in enumerate(cv2.split(image)):  # eight times as fast as on all three, interleaved
        np.multiply(plane, scale[channel], out=values[channel])
        values[channel] += shift[channel]
    return values


def preprocess(image: NDArray[np.uint8], spec: PreprocessSpec) -> NDArray[np.float32]:
    """Decoded picture (height, width, 3) to network input (3, size, size)."""
    return normalise(resize(image, spec), spec)
