import io

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fakedet.augment.corruptions import CORRUPTIONS, by_factor, check, compressed, corrupt, scaled
from fakedet.augment.suite import CLEAN, SURFACE, Suite, Variant, build_suite
from fakedet.errors import UserError

Picture = NDArray[np.uint8]
MILD_AND_SEVERE = {
    "jpeg": (90, 20), "downscale": (0.8, 0.2), "blur": (0.5, 3), "noise": (2, 20), "brightness": (0.05, 0.4),
    "contrast": (0.1, 0.8), "sharpen": (0.3, 4), "screenshot": (0.9, 0.3), "social": (60, 20),
}  # fmt: skip


@pytest.fixture
def picture() -> Picture:
    """Soft hills with fine grain, in three colours, neither square nor a multiple of eight."""
    rng = np.random.default_rng(3)
    hills = cv2.resize(rng.uniform(60, 190, (6, 8, 3)).astype(np.float32), (77, 58), interpolation=cv2.INTER_CUBIC)
    return (hills + rng.normal(0, 6, hills.shape)).clip(0, 255).astype(np.uint8)


def _energy(image: Picture) -> float:
    """Variance of what is finer than three pixels."""
    return float(cv2.Laplacian(image.astype(np.float32), cv2.CV_32F).var())


def test_every_corruption_is_tried() -> None:
    assert set(MILD_AND_SEVERE) == set(CORRUPTIONS)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_stronger_the_farther_from_the_picture(name: str, picture: Picture) -> None:
    before = picture.copy()
    distances = []
    for strength in MILD_AND_SEVERE[name]:
        changed = corrupt(picture, name, strength, seed=5)
        assert changed.dtype == np.uint8
        assert changed.flags.c_contiguous
        if name not in ("screenshot", "social"):
            assert changed.shape == picture.shape
        back = scaled(changed, *picture.shape[:2])
        distances.append(float(np.abs(back.astype(float) - picture).mean()))
    assert 0.3 < distances[0] < distances[1]
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_seed_decides_and_nothing_else(name: str, picture: Picture) -> None:
    strength = MILD_AND_SEVERE[name][0]
    first = corrupt(picture, name, strength, seed=5)
    np.random.default_rng(0).random(10)
    corrupt(picture, "noise", 3, seed=9)
    np.testing.assert_array_equal(first, corrupt(picture.copy(), name, strength, seed=5))
    others = [corrupt(picture, name, strength, seed=seed) for seed in range(6, 12)]
    assert all(np.array_equal(first, other) for other in others) == (name not in ("noise", "social"))


@pytest.mark.parametrize("name", [name for name, each in CORRUPTIONS.items() if each.neutral is not None])
def test_the_neutral_strength_changes_nothing(name: str, picture: Picture) -> None:
    neutral = CORRUPTIONS[name].neutral
    assert neutral is not None
    np.testing.assert_array_equal(corrupt(picture, name, neutral, seed=0), picture)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 40, 3), (37, 2, 3)])
def test_the_smallest_pictures_survive(name: str, shape: tuple[int, int, int]) -> None:
    tiny = np.full(shape, 90, np.uint8)
    for strength in MILD_AND_SEVERE[name]:
        assert min(corrupt(tiny, name, strength, seed=1).shape) >= 1


def test_jpeg_is_libjpeg_at_that_quality(picture: Picture) -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=40)
    other = np.asarray(Image.open(buffer))
    assert np.abs(compressed(picture, 40).astype(int) - other).max() <= 2  # two libraries round chroma differently
    assert np.abs(compressed(picture, 90).astype(int) - other).mean() > 3
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    assert corrupt(red, "jpeg", 95, 0)[..., 0].mean() > 190 > 20 > corrupt(red, "jpeg", 95, 0)[..., 2].mean()


def test_numbers_mean_what_their_units_say() -> None:
    grey = np.full((200, 200, 3), 100, np.uint8)
    noise = corrupt(grey, "noise", 8, seed=0).astype(float) - 100
    assert noise.std() == pytest.approx(8, rel=0.02)
    assert abs(noise.mean()) < 0.1
    louder = corrupt(grey, "noise", 16, seed=0).astype(float) - 100
    assert np.corrcoef(noise.ravel(), louder.ravel())[0, 1] > 0.99
    assert np.unique(corrupt(grey, "brightness", 0.2, 0)).tolist() == [151]
    assert np.unique(corrupt(grey, "brightness", -0.2, 0)).tolist() == [49]
    edge = np.concatenate([np.full((8, 8, 3), 60, np.uint8), np.full((8, 8, 3), 140, np.uint8)])
    assert np.unique(corrupt(edge, "contrast", 0.5, 0)).tolist() == [40, 160]
    assert np.unique(corrupt(edge, "contrast", -0.5, 0)).tolist() == [80, 120]
    impulse = np.zeros((41, 41, 3), np.uint8)
    impulse[20, 20] = 255
    blurred = corrupt(impulse, "blur", 1, 0)[..., 0].astype(float)
    assert blurred[20, 20] == pytest.approx(255 / (2 * np.pi), rel=0.02)


def test_detail_goes_or_comes(picture: Picture) -> None:
    fine = _energy(picture)
    assert _energy(corrupt(picture, "blur", 1, 0)) < 0.3 * fine
    assert _energy(corrupt(picture, "downscale", 0.5, 0)) < 0.3 * fine
    assert _energy(corrupt(picture, "sharpen", 1, 0)) > 2 * fine


def test_shared_pictures_are_bounded_and_never_grow(picture: Picture) -> None:
    assert corrupt(picture, "social", 40, 0).shape == (30, 40, 3)
    same = corrupt(picture, "social", 960, 0)
    assert same.shape == picture.shape
    assert not np.array_equal(same, picture)
    assert corrupt(picture, "screenshot", 1.5, 0).shape == (87, 116, 3)
    assert corrupt(np.full((8, 8, 3), 100, np.uint8), "screenshot", 1, 0).mean() == pytest.approx(109, abs=2)


@pytest.mark.parametrize(
    ("name", "strength", "message"),
    [
        ("jpg", 50, r"no corruption 'jpg' .did you mean jpeg\?.; choose from jpeg, downscale"),
        ("jpeg", 0, r"strength 0 of jpeg .quality. is not between 1 and 100"),
        ("jpeg", 50.5, "50.5 of jpeg .quality. is not a whole number"),
        ("downscale", 0, "strength 0 of downscale .share of the side. is not between 0.02 and 1"),
        ("blur", float("nan"), "strength nan of blur"),
        ("blur", "much", "strength much of blur"),
        ("blur", True, "strength True of blur"),
        ("blur", None, "strength None of blur"),
    ],
)
def test_wrong_names_and_strengths_are_named(name: str, strength: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check(name, strength)


def _suite(**changed: object) -> Suite:
    declared: dict[str, object] = {
        "corruptions": {"jpeg": [50], "blur": [0, 2]},
        "surface": None,
        "images": 4,
        "seed": 0,
    }
    return build_suite(**{**declared, **changed})  # type: ignore[arg-type]


def test_a_suite_is_what_was_declared_and_begins_clean() -> None:
    suite = _suite(surface={"jpeg": [50, 20], "downscale": [0.5]})
    singly = [Variant(CLEAN), Variant("jpeg", 50.0), Variant("blur", 0.0), Variant("blur", 2.0)]
    grid = [(None, 1.0), (None, 0.5), (50.0, 1.0), (50.0, 0.5), (20.0, 1.0), (20.0, 0.5)]
    assert suite.variants == (*singly, *(Variant(SURFACE, quality, scale) for quality, scale in grid))
    assert (suite.images, suite.seed) == (4, 0)
    # Without compression and scaling it is the clean picture, and so is a blur of nothing: made once.
    simplest = [variant.simplest for variant in suite.variants]
    assert simplest[2] == simplest[4] == Variant(CLEAN)
    assert simplest[5:8] == [Variant("downscale", 0.5), Variant("jpeg", 50.0), Variant(SURFACE, 50.0, 0.5)]
    assert len(set(simplest)) == 7


def test_a_variant_and_its_simplest_form_are_the_same_pixels(picture: Picture) -> None:
    suite = _suite(surface={"jpeg": [50], "downscale": [1, 0.5]})
    assert len([variant for variant in suite.variants if variant.corruption == SURFACE]) == 4
    for variant in suite.variants:
        np.testing.assert_array_equal(variant(picture, 3), variant.simplest(picture, 3))
    assert Variant(CLEAN)(picture, 3) is picture
    np.testing.assert_array_equal(Variant("noise", 4)(picture, 3), corrupt(picture, "noise", 4, 3))


def test_on_the_surface_a_picture_is_compressed_while_it_is_small(picture: Picture) -> None:
    found = Variant(SURFACE, 30, 0.5)(picture, 0)
    np.testing.assert_array_equal(found, scaled(compressed(by_factor(picture, 0.5), 30), *picture.shape[:2]))
    assert not np.array_equal(found, compressed(corrupt(picture, "downscale", 0.5, 0), 30))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"corruptions": {"blurr": [1]}}, r"no corruption 'blurr' .did you mean blur"),
        ({"corruptions": {"blur": [99]}}, "strength 99 of blur"),
        ({"corruptions": {"blur": []}}, r"robustness.corruptions.blur=\[\] is no list of strengths"),
        ({"corruptions": {"blur": 3}}, "robustness.corruptions.blur=3 is no list of strengths"),
        ({"corruptions": {"blur": [1, 2, 1.0]}}, "names a strength twice"),
        ({"corruptions": {}}, "robustness.corruptions is empty"),
        ({"surface": {"jpeg": [50], "downscal": [0.5]}}, r"no axis downscal .did you mean downscale"),
        ({"surface": {"jpeg": [50]}}, "needs jpeg and downscale; null leaves the surface out"),
        ({"surface": {"jpeg": [500], "downscale": [0.5]}}, "strength 500 of jpeg"),
        ({"images": 1}, "robustness.images=1 is no whole number"),
        ({"images": "all"}, "robustness.images=all is no whole number"),
        ({"seed": -1}, "robustness.seed=-1"),
    ],
)
def test_a_wrong_declaration_is_an_error(changed: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        _suite(**changed)
