"""Photographs that installed packages ship, as bytes of any format, and what a detector says of them."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image

from fakedet.detector.image import decode
from fakedet.detector.result import Result

Picture = NDArray[np.uint8]

_SKIMAGE = Path(skimage.__file__).parent / "data"
ASTRONAUT = decode(_SKIMAGE / "astronaut.png")
COFFEE = decode(_SKIMAGE / "coffee.png")


def encoded(picture: Picture | Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    """The bytes of a file with this picture; `options` are Pillow's."""
    stream = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(stream, file_format, **options)
    return stream.getvalue()


def answer(result: Result) -> Any:
    """Everything but the name and the time."""
    return {key: value for key, value in result.to_json().items() if key not in ("name", "milliseconds")}
