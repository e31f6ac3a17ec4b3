"""Bytes to RGB array to network input: the only decoder, resizer and normaliser there is."""

import io
import re
import struct
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
UNREAD = "cannot be read"  # how an error begins that is the machine's, not the picture's
_NO_MEMORY = f"{UNREAD} (not enough memory)"
_MOST_SCANS = 100  # of a progressive JPEG, as in libtiff; encoders write about ten
# What begins a segment of a JPEG: not a stuffed byte, a reserved marker, a restart or a filler (ITU-T T.81, B.1.1).
_MARKER = re.compile(rb"\xff[^\x00-\xbf\xd0-\xd8\xff]")
_STRIP = 256  # rows that are converted together
_START_OF_SCAN, _END_OF_IMAGE, _EXIF_SEGMENT = 0xDA, 0xD9, 0xE1
_MOST_EXIF = 2**20  # bytes; one segment of a JPEG holds a sixteenth of it
_MOST_TAGS, _MOST_VALUES = 4096, 100_000  # of a TIFF, and of one of its tags
_LONG_EXIF = f"has more than {_MOST_EXIF} bytes of EXIF data"
_OPAQUE = (1, 2, 7)  # types whose values stay bytes: BYTE, ASCII, UNDEFINED (TIFF 6.0, section 2)
_PLACES = (273, 279, 324, 325)  # tags of strips and tiles, each of which becomes an object
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
        raise ImageError(f"{UNREAD} ({error.strerror})") from error
    except ValueError as error:  # a name that no file can have
        raise ImageError(f"{UNREAD} ({error})") from error
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
    except MemoryError as error:
        raise ImageError(_NO_MEMORY) from error
    except Exception as error:  # bytes of any kind make decoders raise anything, struct.error for one
        raise ImageError(_NO_MEMORY if _lacks_memory(error) else "is truncated or damaged") from error


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
    except MemoryError as error:
        raise ImageError(_NO_MEMORY) from error
    except Exception as error:  # as above
        raise ImageError("is truncated or damaged") from error


def _lacks_memory(error: Exception) -> bool:
    return isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem


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
        ImageError: for an empty or unknown file, a JPEG of very many scans, a TIFF of very many values and very
            long EXIF data; `TooLarge` above that number.
    """
    if not data:
        raise ImageError("is empty")
    # What a small file could make Pillow or libjpeg do for hours, or fill the memory with, while they open it.
    if data.startswith(b"\xff\xd8"):
        _check_segments(data)
    elif data[:2] in (b"II", b"MM"):
        _check_directory(data)
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
    if isinstance(header, TiffImageFile):
        _check_tiles(header, most)
    return header


def _check_segments(data: bytes) -> None:
    """Refuse a JPEG of very many scans, each of which goes over all pixels, and of very long EXIF data.

    What follows its first picture is not read.
    """
    place, scans, exif = 2, 0, 0
    while (found := _MARKER.search(data, place)) is not None and found[0][1] != _END_OF_IMAGE:
        length = int.from_bytes(data[found.end() : found.end() + 2], "big")
        scans += found[0][1] == _START_OF_SCAN
        exif += length * (found[0][1] == _EXIF_SEGMENT and data[found.end() + 2 : found.end() + 6] == b"Exif")
        if scans > _MOST_SCANS:
            raise ImageError(f"is a JPEG of more than {_MOST_SCANS} scans")
        if exif > _MOST_EXIF:
            raise ImageError(_LONG_EXIF)
        place = found.end() + length


def _check_directory(data: bytes) -> None:
    """Refuse a TIFF whose tags have more values than a picture needs: Pillow makes an object of each."""
    order, is_big = "<" if data.startswith(b"II") else ">", data[2:3] == b"+"
    entry = struct.Struct(order + ("HHQ8x" if is_big else "HHL4x"))
    try:
        (place,) = struct.unpack_from(order + ("Q" if is_big else "L"), data, 8 if is_big else 4)
        (tags,) = struct.unpack_from(order + ("Q" if is_big else "H"), data, place)
    except (struct.error, OverflowError):
        return  # no TIFF, as Pillow will say
    first = place + (8 if is_big else 2)
    entries = data[first : first + min(tags, _MOST_TAGS) * entry.size]
    for tag, kind, count in entry.iter_unpack(entries[: len(entries) // entry.size * entry.size]):
        if count > _MOST_VALUES and (tag in _PLACES or kind not in _OPAQUE):
            raise ImageError(f"is a TIFF with {count} values of one tag")
    if tags > _MOST_TAGS:
        raise ImageError(f"is a TIFF with {tags} tags")


def _orientation(picture: Image.Image) -> int:
    """As EXIF counts, 1 for upright."""
    if any(len(picture.info.get(name, "")) > _MOST_EXIF for name in ("exif", "Raw profile type exif")):
        raise ImageError(_LONG_EXIF)
    found = picture.getexif().get(_EXIF_ORIENTATION, 1)
    return found if isinstance(found, int) else 1


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
    return is_upright or _orientation(header) == 1


def _decode_with_pillow(picture: Image.Image) -> NDArray[np.uint8]:
    picture.load()
    # Not Pillow's exif_transpose, which writes the other tags anew and fails where one of them is odd.
    turn = _TURNS.get(_orientation(picture))
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
