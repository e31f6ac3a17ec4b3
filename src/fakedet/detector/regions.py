"""From a decoded picture to the squares that a network sees, for prediction and evaluation alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fakedet.detector.face import Face, corners, crop
from fakedet.detector.image import resize
from fakedet.detector.result import Corners
from fakedet.detector.spec import PreprocessSpec


@dataclass(frozen=True, eq=False)
class Cut:
    """A square of a picture at the network's size.

    Attributes:
        pixels: RGB, (size, size, 3), uint8; `image.normalise` makes the network's input of it.
        face: what it was cut around, in pixels of the picture; None where it is the picture's middle.
        region: its corners in pixels of the picture, clockwise from its upper left one; may reach over the edge.
    """

    pixels: NDArray[np.uint8]
    face: Face | None
    region: Corners


def cut(image: NDArray[np.uint8], spec: PreprocessSpec, faces: Sequence[Face]) -> list[Cut]:
    """The squares of a picture that are scored.

    For a detector of whole pictures that is the middle square. For a detector of faces it is each of the given
    ones, and the middle square instead where there is none and the detector says so (`no_face=whole_image`).

    Args:
        image: RGB, (height, width, 3), uint8.
        spec: the detector's preprocessing.
        faces: what the finder found; or one of them, by `face.choose`, where a picture has one score.

    Raises:
        UserError: as `face.crop` does.
    """
    if spec.face is None or (not faces and spec.no_face == "whole_image"):
        return [whole(image, spec)]
    return [Cut(resize(crop(image, face, spec.face), spec), face, corners(face, spec.face)) for face in faces]


def whole(image: NDArray[np.uint8], spec: PreprocessSpec) -> Cut:
    """The picture's middle square, whatever it shows; of a square picture, such as a crop, all of it."""
    height, width = image.shape[:2]
    side = min(height, width)
    left, top = float((width - side) // 2), float((height - side) // 2)
    right, bottom = left + side, top + side
    return Cut(resize(image, spec), None, ((left, top), (right, top), (right, bottom), (left, bottom)))
