"""Maps against true masks, with maps and masks whose agreement is known."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fakedet.detector.image import ImageError, decode, resize
from fakedet.detector.spec import PreprocessSpec
from fakedet.explain.overlap import overlap, true_mask

pytestmark = pytest.mark.filterwarnings("error")

MASK = np.zeros((8, 8), bool)
MASK[2:4, 2:6] = True  # an eighth of the picture


def _blob(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    heat = np.where(mask, 0.6, 0.0)
    heat[tuple(np.argwhere(mask)[0])] = 1.0
    return heat


def test_a_map_of_the_mask_itself_reaches_one_and_its_opposite_nothing() -> None:
    found = overlap(np.stack([_blob(MASK), _blob(MASK[::-1])]), np.stack([MASK, MASK]))
    for values in found.values.values():
        np.testing.assert_array_equal(values, [1.0, 0.0])
    assert not found.zero.any()


def test_numbers_of_a_map_that_is_half_right() -> None:
    heat = np.zeros((8, 8))
    heat[2:4, 4:8] = 0.5  # half of it on the mask
    heat[3, 5] = 1.0
    heat[7, 7] = 0.49  # below half of the peak
    found = overlap(heat[None], MASK[None])
    total = 7 * 0.5 + 1.0 + 0.49
    assert found.values["pointing"] == [1.0]
    assert found.values["energy"] == pytest.approx([(3 * 0.5 + 1.0) / total])
    assert found.values["iou"] == pytest.approx([4 / 12])
    assert found.chance["pointing"] == found.chance["energy"] == pytest.approx([1 / 8])
    assert found.chance["iou"] == pytest.approx([(1 / 64) / (1 / 8 + 1 / 8 - 1 / 64)])


@pytest.mark.parametrize("level", [1e-6, 0.3, 1.0])
def test_a_map_without_a_place_is_chance(level: float) -> None:
    found = overlap(np.full((1, 8, 8), level, np.float32), MASK[None])
    for name, values in found.values.items():
        assert values == pytest.approx([1 / 8])
        assert found.chance[name] == pytest.approx([1 / 8])


def test_chance_is_what_a_map_reaches_on_average_over_all_places() -> None:
    heat = np.random.default_rng(0).random((8, 8)) ** 4
    places = [np.roll(heat, shift, (0, 1)) for shift in np.ndindex(8, 8)]
    found = overlap(np.stack(places), np.stack([MASK] * 64))
    for name in ("pointing", "energy"):
        assert found.values[name].mean() == pytest.approx(found.chance[name].mean())
    assert found.values["iou"].mean() == pytest.approx(found.chance["iou"].mean(), rel=0.05)


def test_several_equal_peaks_count_by_their_share() -> None:
    heat = np.zeros((8, 8))
    heat[[2, 2, 7, 7], [2, 3, 0, 1]] = 0.8
    assert overlap(heat[None], MASK[None]).values["pointing"] == [0.5]


def test_maps_of_zeros_are_counted_and_point_nowhere() -> None:
    found = overlap(np.stack([np.zeros((8, 8)), _blob(MASK)]), np.stack([MASK, MASK]))
    np.testing.assert_array_equal(found.zero, [True, False])
    summary = found.summarise(None, ["a", "b"], lambda _values, _groups: (float("nan"), float("nan")))
    assert (summary["images"], summary["zero_maps"]) == (2, 1)
    for name in found.values:
        np.testing.assert_array_equal(found.values[name], [0.0, 1.0])
        assert summary[name]["value"] == 0.5
        assert (summary[name]["low"], summary[name]["high"]) == (None, None)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_a_summary_tells_differences_image_by_image() -> None:
    small = np.zeros((8, 8), bool)
    small[0, 0] = True
    masks = np.stack([MASK, small])
    found = overlap(np.stack([_blob(MASK), _blob(small)]), masks)
    usual = overlap(np.stack([_blob(small), _blob(small)]), masks)
    seen: list[tuple[list[float], list[str]]] = []

    def interval(values: NDArray[np.float64], groups: Sequence[Any]) -> tuple[float, float]:
        seen.append((values.tolist(), list(groups)))
        return float(values.min()), float(values.max())

    energy = found.summarise(usual, ["a", "b"], interval)["energy"]
    assert (energy["value"], energy["usual"]) == (1.0, 0.5)
    assert energy["chance"] == pytest.approx((1 / 8 + 1 / 64) / 2)
    assert energy["minus_chance"] == pytest.approx({"value": 1 - (1 / 8 + 1 / 64) / 2, "low": 7 / 8, "high": 63 / 64})
    assert energy["minus_usual"] == {"value": 0.5, "low": 0.0, "high": 1.0}
    assert ([7 / 8, 63 / 64], ["a", "b"]) in seen
    assert ([1.0, 0.0], ["a", "b"]) in seen
    assert found.summarise(None, ["a", "b"], interval)["energy"] == energy | {"usual": None, "minus_usual": None}


@pytest.mark.parametrize("shape", [(90, 150), (150, 90), (64, 64), (40, 50)])
@pytest.mark.parametrize("interpolation", ["area", "bilinear", "bicubic"])
def test_a_mask_goes_where_the_forged_pixels_go(shape: tuple[int, int], interpolation: str, tmp_path: Path) -> None:
    mask = np.zeros(shape, np.uint8)
    mask[shape[0] // 3 : shape[0] // 2, shape[1] // 2 : shape[1] // 2 + 20] = 255
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.5), np.uint8)
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    picture = np.repeat(mask[..., None], 3, axis=2)  # bright where it is forged
    spec = PreprocessSpec(size=64, interpolation=interpolation)
    found = true_mask(tmp_path / "mask.png", picture, spec)
    assert found.shape == (64, 64)
    assert 0.005 < found.mean() < 0.5
    np.testing.assert_array_equal(found, resize(picture, spec)[..., 0] > 127)


def test_masks_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "mask.png"), np.zeros((40, 50), np.uint8))
    spec = PreprocessSpec(size=64)
    with pytest.raises(ImageError, match=r"^has 50 × 40 pixels, its picture 40 × 40$"):
        true_mask(tmp_path / "mask.png", np.zeros((40, 40, 3), np.uint8), spec)
    with pytest.raises(ImageError, match="cannot be read"):
        true_mask(tmp_path / "absent.png", decode(tmp_path / "mask.png"), spec)
