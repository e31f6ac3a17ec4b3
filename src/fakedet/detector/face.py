"""Faces of a picture: what one is, which one is meant, and how it is cut out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from fakedet.detector.spec import FaceSpec
from fakedet.errors import UserError

Point = tuple[float, float]
Landmarks = tuple[Point, Point, Point, Point, Point]

# Eyes, nose and mouth corners in a square of 112: Deng et al., ArcFace, CVPR 2019.
_TEMPLATE_SIDE = 112.0
_TEMPLATE = np.array(
    [38.2946 + 51.6963j, 73.5318 + 51.5014j, 56.0252 + 71.7366j, 41.5493 + 92.3655j, 70.7299 + 92.2041j]
)


@dataclass(frozen=True)
class Face:
    """A face in a picture, in pixels of the full picture; 0 is the outer edge of the first pixel.

    Attributes:
        box: left, top, right and bottom; may reach over the picture's edge, as the face does.
        score: the finder's confidence, 0 to 1; finders are not comparable by it.
        landmarks: eyes, nose and mouth corners, each pair as seen: the one further left in an upright
            picture first. None where the finder has none.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: Landmarks | None = None

    @property
    def centre(self) -> Point:
        """Middle of the box: x, y."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2

    @property
    def side(self) -> float:
        """The box's longer side."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)

    @property
    def area(self) -> float:
        """Of the box."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


class FaceFinder(Protocol):
    """What finds the faces of a picture; `fakedet.detector.finders.open_finder` gives one."""

    @property
    def name(self) -> str:
        """As in `FaceSpec.finder`."""

    @property
    def version(self) -> str:
        """Everything that its boxes depend on: model, confidence, size of the search."""

    def find(self, image: NDArray[np.uint8]) -> list[Face]:
        """Faces above the finder's own confidence in an RGB picture (height, width, 3), largest first."""


def choose(faces: Sequence[Face], choice: str, height: int, width: int) -> Face | None:
    """Pick the one face that a single picture is judged by.

    `largest` is the largest box; `central` the one whose middle is nearest to the picture's middle.
    Among equals the higher score wins, then the face further left, then further up.

    Args:
        faces: what the finder found, in any order.
        choice: one of `fakedet.detector.spec.CHOICES`.
        height: of the picture.
        width: of the picture.

    Returns:
        One of the faces, or None where there is none.
    """

    def rank(face: Face) -> tuple[float, ...]:
        x, y = face.centre
        first = -face.area if choice == "largest" else math.hypot(x - width / 2, y - height / 2)
        return (first, -face.score, *face.box)

    return min(faces, key=rank, default=None)


def crop(image: NDArray[np.uint8], face: Face, spec: FaceSpec) -> NDArray[np.uint8]:
    """Cut a face out, in its own resolution.

    `align=box` copies the square around the box's middle whose side is the margin times the longer side.
    `align=landmarks` turns the face upright by the similarity transform that brings its landmarks closest
    to ArcFace's template (least squares: Umeyama, PAMI 1991) and takes the template's square, widened
    by the margin; bicubic, neither enlarged nor shrunk. What lies over the picture's edge is its mirror
    image, repeated as often as it takes.

    Args:
        image: RGB, (height, width, 3), uint8.
        face: in pixels of that picture.
        spec: margin and alignment.

    Returns:
        RGB, (side, side, 3), uint8, contiguous.

    Raises:
        UserError: for `align=landmarks` and a face without landmarks.
    """
    return _cut(image, face, spec, cv2.INTER_CUBIC)


def crop_mask(mask: NDArray[np.uint8], face: Face, spec: FaceSpec) -> NDArray[np.uint8]:
    """Cut a mask of the picture's size, (height, width), exactly as `crop` cuts the picture.

    Values are copied, never mixed, so a mask of two values stays one.
    """
    return _cut(mask, face, spec, cv2.INTER_NEAREST)


def corners(face: Face, spec: FaceSpec) -> tuple[Point, Point, Point, Point]:
    """Corners of the square that `crop` cuts out, clockwise from the crop's upper left one.

    In pixels of the full picture, over whose edge they may lie.

    Raises:
        UserError: as `crop` does.
    """
    if spec.align == "landmarks":
        middle, upright, side = _template_square(face, spec.margin)
    else:
        left, top, side = _box_square(face, spec.margin)
        middle, upright = complex(left + side / 2, top + side / 2), 1 + 0j
    places = [middle + upright * side / 2 * corner for corner in (-1 - 1j, 1 - 1j, 1 + 1j, -1 + 1j)]
    upper_left, upper_right, lower_right, lower_left = [(place.real, place.imag) for place in places]
    return upper_left, upper_right, lower_right, lower_left


def _cut(image: NDArray[np.uint8], face: Face, spec: FaceSpec, interpolation: int) -> NDArray[np.uint8]:
    if spec.align == "landmarks":
        return _aligned(image, face, spec.margin, interpolation)
    left, top, side = _box_square(face, spec.margin)
    return _window(image, left, top, side, side)


def _box_square(face: Face, margin: float) -> tuple[int, int, int]:
    """Left, top and side of the square around the box."""
    side = max(1, round(margin * face.side))
    x, y = face.centre
    return round(x - side / 2), round(y - side / 2), side


def _template_square(face: Face, margin: float) -> tuple[complex, complex, int]:
    """Middle of the template's square in the picture, the direction of its upper edge, and its side."""
    if face.landmarks is None:
        raise UserError("face.align=landmarks needs landmarks, which this finder does not give; use face.finder=mtcnn.")
    points = np.array([complex(*point) for point in face.landmarks])
    # In complex numbers the similarity from template to picture is z -> turn · z + shift.
    template = _TEMPLATE - _TEMPLATE.mean()
    turn = complex(np.vdot(template, points - points.mean()) / np.vdot(template, template).real)
    if abs(turn) < 1e-3:
        raise UserError("face.align=landmarks found all landmarks on one spot; use face.align=box.")
    middle = complex(points.mean() + turn * (_TEMPLATE_SIDE / 2 * (1 + 1j) - _TEMPLATE.mean()))
    return middle, turn / abs(turn), max(1, round(margin * _TEMPLATE_SIDE * abs(turn)))


def _aligned(image: NDArray[np.uint8], face: Face, margin: float, interpolation: int) -> NDArray[np.uint8]:
    middle, upright, side = _template_square(face, margin)
    reach = math.ceil(side * (abs(upright.real) + abs(upright.imag)) / 2) + 3  # 3: what bicubic looks at
    left, top = math.floor(middle.real) - reach, math.floor(middle.imag) - reach
    window = _window(image, left, top, 2 * reach + 1, 2 * reach + 1)
    # From the crop's pixels to the window's; OpenCV counts from the first pixel's middle.
    start = middle - complex(left, top) - upright * (side - 1) / 2 * (1 + 1j) - 0.5 * (1 + 1j)
    back = np.array([[upright.real, -upright.imag, start.real], [upright.imag, upright.real, start.imag]])
    turned: Any = cv2.warpAffine(window, back, (side, side), flags=interpolation | cv2.WARP_INVERSE_MAP)
    return np.asarray(turned, np.uint8)


def _window(image: NDArray[np.uint8], left: int, top: int, width: int, height: int) -> NDArray[np.uint8]:
    if 0 <= top <= image.shape[0] - height and 0 <= left <= image.shape[1] - width:
        return np.ascontiguousarray(image[top : top + height, left : left + width])
    rows = _mirrored(np.arange(top, top + height), image.shape[0])
    columns = _mirrored(np.arange(left, left + width), image.shape[1])
    return np.ascontiguousarray(image[rows[:, None], columns])


def _mirrored(positions: NDArray[np.int_], length: int) -> NDArray[np.int_]:
    """… 1 0 | 0 1 … n-1 | n-1 n-2 …"""
    inside = positions % (2 * length)
    return np.minimum(inside, 2 * length - 1 - inside)
