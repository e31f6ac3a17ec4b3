"""Where a network looks: the corners that are told belong to the pixels that are cut."""

import cmath
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage
from numpy.typing import NDArray

from fakedet.detector.face import Face, corners, crop
from fakedet.detector.finders import open_finder
from fakedet.detector.image import decode, resize
from fakedet.detector.regions import Cut, cut, whole
from fakedet.detector.spec import FaceSpec, PreprocessSpec

Picture = NDArray[np.uint8]
ASTRONAUT = decode(Path(skimage.__file__).parent / "data" / "astronaut.png")


def _places(height: int, width: int) -> Picture:
    """Red says the column, green the row, of pixels' middles times two."""
    rows, columns = np.mgrid[:height, :width]
    return np.dstack([columns, rows, np.zeros_like(rows)]).astype(np.uint8)


def _at(region: Cut, across: float, down: float) -> complex:
    """The place in the picture that a share of the way along the region's edges leads to."""
    upper_left, upper_right, _, lower_left = (complex(*corner) for corner in region.region)
    return upper_left + across * (upper_right - upper_left) + down * (lower_left - upper_left)


@pytest.mark.parametrize(
    "face",
    [
        FaceSpec(margin=1.0),
        FaceSpec(margin=1.3),
        FaceSpec(margin=1.0, align="landmarks"),
        FaceSpec(margin=1.2, align="landmarks"),
    ],
)
def test_corners_say_where_pixels_come_from(face: FaceSpec) -> None:
    turn = cmath.rect(0.8, math.radians(20))
    points = [
        turn * point + (60 + 55j) for point in (38.3 + 51.7j, 73.5 + 51.5j, 56 + 71.7j, 41.5 + 92.4j, 70.7 + 92.2j)
    ]
    found = Face((70.3, 80.2, 150.9, 170.4), 0.9, tuple((point.real, point.imag) for point in points))  # type: ignore[arg-type]
    spec = PreprocessSpec(face=face, size=128)
    picture = _places(250, 250)
    (region,) = cut(picture, spec, [found])
    assert region.region == corners(found, face)
    assert region.face is found
    assert np.array_equal(region.pixels, resize(crop(picture, found, face), spec))
    for row in (10, 64, 120):
        for column in (8, 64, 119):
            place = _at(region, (column + 0.5) / 128, (row + 0.5) / 128) - (0.5 + 0.5j)
            assert abs(complex(*region.pixels[row, column, :2].astype(float)) - place) < 1.5


def test_corners_go_clockwise_from_the_upper_left_one() -> None:
    found = Face((10, 20, 50, 80), 0.9)
    assert corners(found, FaceSpec(margin=1.0)) == ((0, 20), (60, 20), (60, 80), (0, 80))
    assert corners(found, FaceSpec(margin=1.5)) == ((-15, 5), (75, 5), (75, 95), (-15, 95))


@pytest.mark.parametrize(("height", "width"), [(50, 80), (81, 50), (64, 64)])
def test_a_whole_picture_is_its_middle_square(height: int, width: int) -> None:
    region = whole(_places(height, width), PreprocessSpec(size=32))
    side = min(height, width)
    (left, top), _, (right, bottom), _ = region.region
    assert (right - left, bottom - top) == (side, side)
    assert abs(left - (width - right)) <= 1
    assert abs(top - (height - bottom)) <= 1
    assert region.face is None
    place = _at(region, 15.5 / 32, 15.5 / 32) - (0.5 + 0.5j)
    assert abs(complex(*region.pixels[15, 15, :2].astype(float)) - place) < 1


def test_what_is_cut_depends_on_the_spec_alone() -> None:
    finder = open_finder("mtcnn")
    faces = finder.find(ASTRONAUT)
    spec = PreprocessSpec(face=FaceSpec(), size=64)
    assert [region.face for region in cut(ASTRONAUT, spec, faces)] == faces
    assert cut(ASTRONAUT, spec, []) == []
    (instead,) = cut(ASTRONAUT, PreprocessSpec(face=FaceSpec(), size=64, no_face="whole_image"), [])
    assert instead.face is None
    (plain,) = cut(ASTRONAUT, PreprocessSpec(size=64), faces)
    assert np.array_equal(plain.pixels, cv2.resize(ASTRONAUT, (64, 64), interpolation=cv2.INTER_AREA))
