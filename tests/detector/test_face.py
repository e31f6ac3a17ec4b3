import cmath
import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fakedet.detector.face import Face, Landmarks, choose, crop, crop_mask
from fakedet.detector.spec import FaceSpec
from fakedet.errors import UserError

Picture = NDArray[np.uint8]

# ArcFace's template, written out once more so that a slip in either place shows.
_TEMPLATE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))


def _noise(height: int, width: int) -> Picture:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _places(height: int, width: int) -> Picture:
    """A picture whose red says the column and whose green says the row."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0], picture[..., 1] = np.arange(width)[None, :], np.arange(height)[:, None]
    return picture


def _box(left: float, top: float, right: float, bottom: float, score: float = 0.9) -> Face:
    return Face((left, top, right, bottom), score)


def _turned(scale: float, degrees: float, x: float, y: float) -> Landmarks:
    """The template's points, enlarged, turned clockwise about its corner and moved."""
    turn = cmath.rect(scale, math.radians(degrees))
    points = [turn * complex(*point) + complex(x, y) for point in _TEMPLATE]
    left_eye, right_eye, nose, left_corner, right_corner = [(point.real, point.imag) for point in points]
    return left_eye, right_eye, nose, left_corner, right_corner


def test_it_knows_its_middle_size_and_area() -> None:
    face = _box(10, 20, 40, 80)
    assert face.centre == (25, 50)
    assert face.side == 60
    assert face.area == 1800


def test_the_largest_or_the_most_central_face_is_chosen() -> None:
    large, central = _box(0, 0, 50, 60), _box(90, 40, 110, 60)
    for faces in ([large, central], [central, large]):
        assert choose(faces, "largest", 100, 200) is large
        assert choose(faces, "central", 100, 200) is central
    assert choose([], "largest", 100, 200) is None


def test_equals_are_chosen_by_score_and_then_by_place() -> None:
    left, right = _box(10, 40, 30, 60), _box(70, 40, 90, 60)
    surer = replace(right, score=0.95)
    for choice in ("largest", "central"):
        for others in ([left, right], [right, left]):
            assert choose(others, choice, 100, 100) is left
        for others in ([left, surer], [surer, left]):
            assert choose(others, choice, 100, 100) is surer


@pytest.mark.parametrize("margin", [1.0, 1.3, 2.0])
def test_a_crop_is_the_square_around_the_box_pixel_for_pixel(margin: float) -> None:
    picture = _noise(300, 400)
    side = round(margin * 80)
    cut = crop(picture, _box(150, 100, 190, 180), FaceSpec(margin=margin))
    top, left = 140 - side // 2, 170 - side // 2
    assert np.array_equal(cut, picture[top : top + side, left : left + side])
    assert cut.flags.c_contiguous


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ((60, 80), (-20, -30, 60, 50)),
        ((60, 80), (50, 30, 110, 90)),
        ((10, 12), (-40, -40, 60, 60)),  # the pad is larger than the picture
        ((1, 7), (2, 0, 32, 1)),
        ((1, 1), (0, 0, 9, 9)),
    ],
)
def test_what_lies_over_the_edge_is_mirrored(shape: tuple[int, int], box: tuple[float, float, float, float]) -> None:
    picture = _noise(*shape)
    face = Face(box, 0.9)
    side = round(1.3 * face.side)
    cut = crop(picture, face, FaceSpec())
    assert cut.shape == (side, side, 3)
    padded = np.pad(picture, ((200, 200), (200, 200), (0, 0)), mode="symmetric")
    top, left = round(face.centre[1] - side / 2) + 200, round(face.centre[0] - side / 2) + 200
    assert np.array_equal(cut, padded[top : top + side, left : left + side])


def test_a_face_below_a_pixel_gives_a_pixel() -> None:
    assert crop(_noise(9, 9), _box(4.4, 4.4, 4.6, 4.6), FaceSpec()).shape == (1, 1, 3)


def test_a_face_on_the_template_is_copied() -> None:
    picture = _noise(300, 300)
    face = Face((0, 0, 1, 1), 0.9, _turned(1, 0, 30, 40))
    assert np.array_equal(crop(picture, face, FaceSpec(margin=1, align="landmarks")), picture[40:152, 30:142])
    wide = crop(picture, face, FaceSpec(margin=1.5, align="landmarks"))
    assert np.array_equal(wide, picture[12:180, 2:170])


def test_a_face_over_the_edge_of_the_template_is_mirrored() -> None:
    picture = _noise(100, 90)
    face = Face((0, 0, 1, 1), 0.9, _turned(1, 0, -30, 20))
    padded = np.pad(picture, ((200, 200), (200, 200), (0, 0)), mode="symmetric")
    cut = crop(picture, face, FaceSpec(margin=1, align="landmarks"))
    assert np.array_equal(cut, padded[220:332, 170:282])


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.4])
@pytest.mark.parametrize("degrees", [0, 30, -75, 180])
def test_a_turned_face_is_turned_back_in_its_own_resolution(scale: float, degrees: float) -> None:
    picture = _places(250, 250)
    corner = complex(125, 125) - cmath.rect(scale, math.radians(degrees)) * complex(56, 56)
    face = Face((0, 0, 1, 1), 0.9, _turned(scale, degrees, corner.real, corner.imag))
    cut = crop(picture, face, FaceSpec(margin=1, align="landmarks")).astype(float)
    side = round(112 * scale)
    assert cut.shape == (side, side, 3)
    # Every pixel of the crop shows the place that the similarity transform says, so none was enlarged.
    row, column = np.mgrid[:side, :side] + 0.5 - side / 2
    turn = cmath.rect(1, math.radians(degrees))
    place = turn * (column + 1j * row) + (125 + 125j) - (0.5 + 0.5j)
    assert np.abs(cut[..., 0] - place.real).max() < 1.1
    assert np.abs(cut[..., 1] - place.imag).max() < 1.1


def test_noisy_landmarks_give_the_best_similarity_and_no_mirror_image() -> None:
    rng = np.random.default_rng(1)
    points = np.array(_turned(1.2, 20, 60, 50)) + rng.normal(0, 2, (5, 2))
    face = Face((0, 0, 1, 1), 0.9, tuple((float(x), float(y)) for x, y in points))  # type: ignore[arg-type]
    cut = crop(_places(250, 250), face, FaceSpec(margin=1, align="landmarks")).astype(float)
    # Umeyama's closed form, by singular values.
    template = np.array(_TEMPLATE)
    a, b = template - template.mean(0), points - points.mean(0)
    u, d, vt = np.linalg.svd(b.T @ a / 5)
    sign = np.diag([1, np.sign(np.linalg.det(u @ vt))])
    rotation, scale = u @ sign @ vt, (d * np.diag(sign)).sum() / a.var(0).sum()
    assert cut.shape[0] == round(112 * scale)
    middle = scale * rotation @ (np.array([56, 56]) - template.mean(0)) + points.mean(0) - 0.5
    half = cut.shape[0] // 2
    assert np.abs(cut[half - 1 : half + 1, half - 1 : half + 1, :2].mean((0, 1)) - middle).max() < 1


@pytest.mark.parametrize("align", ["box", "landmarks"])
def test_a_mask_is_cut_at_the_same_place_and_keeps_its_values(align: str) -> None:
    picture = _places(200, 220)
    mask = np.where(np.hypot(*(np.mgrid[:200, :220] - 90)) < 50, 255, 0).astype(np.uint8)
    face = Face((-20, 30, 90, 170), 0.9, _turned(0.9, 25, 60, 20))
    spec = FaceSpec(align=align)
    cut, cut_mask = crop(picture, face, spec), crop_mask(mask, face, spec)
    assert cut_mask.shape == cut.shape[:2]
    assert set(np.unique(cut_mask)) == {0, 255}
    inside = np.hypot(cut[..., 0] - 90.0, cut[..., 1] - 90.0)
    assert (cut_mask[inside < 47] == 255).all()
    assert (cut_mask[inside > 53] == 0).all()


def test_alignment_without_landmarks_is_refused() -> None:
    spec = FaceSpec(align="landmarks")
    with pytest.raises(UserError, match=r"needs landmarks.*finder=mtcnn"):
        crop(_noise(9, 9), _box(0, 0, 5, 5), spec)
    spot: Landmarks = ((3, 3), (3, 3), (3, 3), (3, 3), (3, 3))
    with pytest.raises(UserError, match="on one spot"):
        crop(_noise(9, 9), Face((0, 0, 5, 5), 0.9, spot), spec)
