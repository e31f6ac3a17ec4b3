"""What may be given as a picture: a file, its bytes, or what is decoded already."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fakedet.detector.image import decode, from_array, from_pillow
from fakedet.errors import UserError

Source = str | Path | bytes | Image.Image | NDArray[np.uint8]


def name_of(source: Source, number: int) -> str:
    """The file's name, or `image 3` for what has none."""
    name = Path(source).name if isinstance(source, str | Path) else ""
    return name or f"image {number}"


def check(source: Any, number: int) -> None:
    """Refuse what is no picture by its kind; what a file or its bytes hold is seen later.

    Raises:
        UserError: when it is none of `Source`, or an array of another kind.
    """
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3:
            shape = " × ".join(str(length) for length in source.shape)
            raise UserError(
                f"image {number} is an array of {shape} {source.dtype} instead of height × width × 3 uint8 in RGB."
            )
    elif not isinstance(source, str | Path | bytes | Image.Image):
        raise UserError(
            f"image {number} is a {type(source).__name__} instead of a path, bytes, a PIL image or an RGB array."
        )


def pixels(source: Source) -> NDArray[np.uint8]:
    """RGB, (height, width, 3), uint8, upright, contiguous.

    Raises:
        ImageError: when it cannot be judged.
    """
    if isinstance(source, Image.Image):
        return from_pillow(source)
    if isinstance(source, np.ndarray):
        return from_array(source)
    return decode(Path(source) if isinstance(source, str) else source)
