from pathlib import Path

import cv2
import numpy as np
import pytest

from fakedet.data.audit import similar
from fakedet.data.audit.similar import candidates, correlations
from fakedet.data.photographs import photographs
from fakedet.detector.image import decode


def _near(hashes: np.ndarray, flips: int, rng: np.random.Generator) -> np.ndarray:
    bits = np.stack([rng.permutation(64)[:flips] for _ in hashes])
    masks = np.bitwise_or.reduce(np.uint64(1) << bits.astype(np.uint64), axis=1)
    return np.asarray(hashes ^ masks)


def test_every_pair_within_the_distance_is_found_and_no_other() -> None:
    rng = np.random.default_rng(0)
    early = rng.integers(0, 2**63, 3000, dtype=np.uint64)
    late = np.concatenate([_near(early[flips * 20 : flips * 20 + 20], flips, rng) for flips in range(15)])
    i, j, distances = candidates(late, early)
    brute = np.bitwise_count(late[:, None] ^ early[None])
    wanted = np.argwhere(brute <= similar.DISTANCE)
    assert len(wanted) >= 20 * (similar.DISTANCE + 1)
    np.testing.assert_array_equal(np.stack([i, j], axis=1)[np.lexsort((j, i))], wanted)
    np.testing.assert_array_equal(distances, brute[i, j])


def test_many_equal_hashes_do_not_become_all_pairs() -> None:
    black = np.zeros(5000, np.uint64)
    i, j, _ = candidates(black, black)
    assert set(i) == set(range(5000))
    assert len(i) <= similar.NEAREST * 5000
    assert len(set(j)) < 10


def test_only_the_nearest_of_many_are_kept() -> None:
    rng = np.random.default_rng(0)
    one = np.zeros(1, np.uint64)
    others = np.concatenate([_near(np.zeros(30, np.uint64), flips, rng) for flips in (2, 6)])
    _, _, distances = candidates(one, others)
    assert len(distances) == similar.NEAREST
    assert set(distances) == {2}


@pytest.mark.parametrize(("late", "early"), [(0, 4), (4, 0), (0, 0)])
def test_nothing_is_near_nothing(late: int, early: int) -> None:
    i, j, distances = candidates(np.zeros(late, np.uint64), np.zeros(early, np.uint64))
    assert len(i) == len(j) == len(distances) == 0


def test_a_picture_is_like_its_copies_and_unlike_others(tmp_path: Path) -> None:
    images = [decode(photograph.path) for photograph in photographs()][:4]
    small = [cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA) for image in images]
    files = []
    for number, image in enumerate(small):
        for name, copy, quality in (
            ("plain", image, 95),
            ("poor", image, 20),
            ("small", cv2.resize(image, (96, 96), interpolation=cv2.INTER_AREA), 90),
            ("dark", (image * 0.7).astype(np.uint8), 90),
        ):
            files.append(tmp_path / f"{number}{name}.jpg")
            cv2.imwrite(str(files[-1]), cv2.cvtColor(np.asarray(copy), cv2.COLOR_RGB2BGR), [1, quality])
    i, j = np.triu_indices(len(files), 1)
    values = correlations(files, i, j, tmp_path)
    same = i // 4 == j // 4
    assert values[same].min() > similar.CORRELATION
    assert values[~same].max() < 0.6
    assert sorted(tmp_path.iterdir()) == sorted(files)  # the scratch file is gone


def test_what_has_no_shape_is_like_nothing(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "flat.png"), np.full((64, 64, 3), 90, np.uint8))
    (tmp_path / "broken.png").write_bytes(b"none")
    files = [tmp_path / "flat.png", tmp_path / "broken.png"]
    values = correlations(files, np.array([0, 0, 1]), np.array([0, 1, 1]), tmp_path)
    np.testing.assert_array_equal(values, [0.0, 0.0, 0.0])
