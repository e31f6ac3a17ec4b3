import time

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fakedet.augment import METHODS, Forger
from fakedet.errors import UserError

SIZE = 96


def photograph(seed: int) -> NDArray[np.uint8]:
    """Noise of every scale on a coloured ground, much like a photograph's spectrum."""
    rng = np.random.default_rng(seed)
    picture = np.tile(rng.uniform(80, 170, 3), (SIZE, SIZE, 1))
    for cells in (3, 6, 12, 24, 48, 96):
        noise = rng.normal(0, 60 / np.sqrt(cells), (cells, cells, 3))
        picture += cv2.resize(noise, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("method", METHODS)
def test_only_the_masked_region_is_changed(method: str) -> None:
    forger = Forger([method])
    for seed in range(25):
        image, donor = photograph(seed), photograph(1000 + seed)
        forgery = forger.forge(image, donor, np.random.default_rng(seed))
        assert forgery.method == method
        assert forgery.image.shape == image.shape
        assert forgery.image.dtype == forgery.mask.dtype == np.uint8
        assert forgery.mask.shape == image.shape[:2]
        assert 0.04 <= (forgery.mask > 127).mean() <= 0.4
        difference = np.abs(forgery.image.astype(int) - image).mean(axis=2)
        assert (difference[forgery.mask == 0] == 0).all()
        assert difference[forgery.mask > 127].mean() >= 2.0
        assert (image == photograph(seed)).all()
        assert (donor == photograph(1000 + seed)).all()


def test_splice_shows_the_donor_and_the_others_do_not() -> None:
    image = photograph(0)
    for method in METHODS:
        dark, bright = np.zeros_like(image), np.full_like(image, 255)
        one, other = (Forger([method]).forge(image, donor, np.random.default_rng(3)) for donor in (dark, bright))
        assert bool((one.image != other.image).any()) is (method == "splice")


def test_forging_repeats_from_its_generator() -> None:
    image, donor = photograph(0), photograph(1)
    first, again, other = (Forger().forge(image, donor, np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert (first.image == again.image).all()
    assert (first.mask == again.mask).all()
    assert (first.image != other.image).any()


def test_all_methods_are_drawn_about_equally() -> None:
    image, donor, rng = photograph(0), photograph(1), np.random.default_rng(0)
    drawn = [Forger().forge(image, donor, rng).method for _ in range(200)]
    assert {method: 30 <= drawn.count(method) <= 70 for method in METHODS} == dict.fromkeys(METHODS, True)


def test_flat_picture_still_gives_a_forgery() -> None:
    grey = np.full((SIZE, SIZE, 3), 128, np.uint8)
    for method in METHODS:
        forgery = Forger([method]).forge(grey, grey, np.random.default_rng(0))
        assert (forgery.mask > 127).any()


def test_forgeries_leave_no_mark_on_global_statistics() -> None:
    means: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(60):
        image, rng = photograph(seed), np.random.default_rng(seed)
        means[True].append(float(Forger().forge(image, photograph(2000 + seed), rng).image.mean()))
        means[False].append(float(image.mean()))
    spread = np.std(means[False])
    assert abs(np.mean(means[True]) - np.mean(means[False])) < 0.5 * spread


@pytest.mark.parametrize(
    ("methods", "words"),
    [(["self_blent"], "did you mean self_blend"), (["gan"], "choose from self_blend"), ([], "one")],
)
def test_unknown_methods_are_refused(methods: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Forger(methods)


def test_forging_is_fast_enough_for_loading() -> None:
    image, donor, rng = photograph(0), photograph(1), np.random.default_rng(0)
    image, donor = (cv2.resize(picture, (224, 224)).astype(np.uint8) for picture in (image, donor))
    times = []
    for _ in range(40):
        start = time.process_time()
        Forger().forge(image, donor, rng)
        times.append(time.process_time() - start)
    # About 5 ms where it was measured; the limit only catches a change of kind.
    assert np.median(times) < 0.05
