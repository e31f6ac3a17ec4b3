from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fakedet.data.audit.properties import PROPERTIES
from fakedet.data.audit.shortcuts import TOGETHER, Shortcut, find_shortcuts
from fakedet.evaluation.intervals import intervals

COUNT = 120


def _table(count: int = COUNT, **columns: Any) -> pd.DataFrame:
    """The properties of images that differ in the given columns alone; every group is a real and a fake."""
    same = {each.name: 1.0 if each.says else "one" for each in PROPERTIES}
    base = {"path": [f"{number}.jpg" for number in range(count)], "label": np.arange(count) % 2}
    table = pd.DataFrame({**base, "group": [f"g{number // 2}" for number in range(count)], **same})
    return table.assign(**{"face": "present", **columns})


def _found(table: pd.DataFrame, max_auc: float = 0.6) -> dict[str, Shortcut]:
    return {each.name: each for each in find_shortcuts(table, intervals, max_auc, seed=0)}


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(3).normal(size=COUNT)


def test_noise_is_fine_and_what_all_share_is_not_tried(noise: np.ndarray) -> None:
    rng = np.random.default_rng(4)
    found = _found(_table(1000, width=rng.normal(size=1000), exif=rng.choice(["present", "absent"], 1000)))
    assert set(found) == {TOGETHER, "width", "exif"}
    assert {each.verdict for each in found.values()} == {"fine"}
    for each in found.values():
        assert each.auc is not None and each.low is not None and each.high is not None
        assert each.low < each.auc < each.high
        assert abs(each.auc - 0.5) < 0.1


def test_a_number_that_gives_the_class_away_is_said_in_words(noise: np.ndarray) -> None:
    label = np.arange(COUNT) % 2
    found = _found(_table(face_width=0.62 - 0.14 * label + 0.01 * noise, red=120 + 10 * noise))
    width = found["face_width"]
    assert width.verdict == "finding"
    assert (width.auc, width.low, width.high) == (1.0, None, None)
    assert (width.real, width.fake) == ("62 %", "48 %")
    assert width.says == "real faces fill 62 % of the width, fake ones 48 %"
    assert found["red"].verdict != "finding"
    assert found[TOGETHER].verdict == "finding"
    assert list(found)[:2] == [TOGETHER, "face_width"]


def test_a_kind_that_gives_the_class_away_is_said_in_words() -> None:
    kinds = np.where(np.arange(COUNT) % 2 == 1, "PNG", "JPEG")
    kinds[1] = "JPEG"
    each = _found(_table(format=kinds))["format"]
    assert each.verdict == "finding"
    assert (each.real, each.fake) == ("100 % JPEG", "2 % JPEG")
    assert each.says == "file format: JPEG in 100 % of the real and 2 % of the fake images"


def test_a_difference_in_spread_alone_is_found_and_shown(noise: np.ndarray) -> None:
    label = np.arange(COUNT) % 2
    values = 500 + np.where(label == 1, 2.0, np.sign(noise) * (60 + 10 * np.abs(noise)))
    each = _found(_table(width=np.where(np.arange(COUNT) < 2, 502.0, values)))["width"]
    assert each.verdict == "finding"
    assert each.auc is not None and each.auc > 0.9


def test_medians_that_read_alike_are_told_by_their_quartiles(noise: np.ndarray) -> None:
    label = np.arange(COUNT) % 2
    spread = np.where(label == 1, 0.001, 0.2) * np.where(np.arange(COUNT) // 2 % 2 == 0, -1, 1)
    each = _found(_table(face_x=0.5 + spread))["face_x"]
    assert each.says == "real faces lie at 30 % to 70 % of the width, fake ones at 50 % to 50 %"


def test_the_limit_is_the_callers(noise: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    table = _table(1200, width=rng.normal(size=1200) + 0.6 * (np.arange(1200) % 2))
    auc = _found(table)["width"].auc
    assert auc is not None and 0.6 < auc < 0.72
    assert _found(table)["width"].verdict == "finding"
    assert _found(table, max_auc=0.8)["width"].verdict == "fine"


def test_few_images_cannot_tell() -> None:
    rng = np.random.default_rng(2)
    each = _found(_table(24, width=rng.normal(size=24)))["width"]
    assert each.auc is not None
    assert each.verdict == "too few to tell"


@pytest.mark.parametrize(("low", "expected"), [(0.52, "too few to tell"), (0.69, "finding")])
def test_a_bound_barely_above_a_guess_is_chance_among_so_many(low: float, expected: str) -> None:
    @dataclass
    class Given:
        bounds: dict[str, tuple[float, float]]

    rng = np.random.default_rng(6)
    table = _table(width=rng.normal(size=COUNT) + 1.2 * (np.arange(COUNT) % 2))
    found = find_shortcuts(table, lambda *_, seed: Given({"auc": (low, 0.9)}), 0.6, seed=0)
    assert 0.7 < (found[1].auc or 0) < 0.85
    assert found[1].verdict == expected


@pytest.mark.parametrize("groups", [9, 1])
def test_few_groups_cannot_even_be_tried(groups: int, noise: np.ndarray) -> None:
    label = np.arange(COUNT) % 2
    each = _found(_table(width=noise + 9 * label, group=[f"g{n % groups}" for n in range(COUNT)]))["width"]
    assert (each.auc, each.low, each.high, each.verdict) == (None, None, None, "too few to tell")
    assert each.images == COUNT


def test_a_class_alone_cannot_be_tried(noise: np.ndarray) -> None:
    assert _found(_table(width=noise, label=1))["width"].verdict == "too few to tell"


def test_what_a_group_shares_is_not_learned_by_heart() -> None:
    # Every group is of one class and has a width of its own: known by heart it tells all, by rule nothing.
    groups = np.arange(COUNT) // 4
    rng = np.random.default_rng(0)
    widths, label = rng.permutation(COUNT // 4)[groups].astype(float), groups % 2
    each = _found(_table(width=widths, label=label, group=[f"g{group}" for group in groups]))["width"]
    assert each.auc is not None and each.auc < 0.7
    assert each.verdict != "finding"


def test_a_property_counts_among_those_that_have_it(noise: np.ndarray) -> None:
    label = np.arange(COUNT) % 2
    quality = np.where(label == 1, 70.0, 95.0)
    quality[:40] = np.nan
    found = _found(_table(quality=quality, format=np.where(np.arange(COUNT) < 40, "PNG", "JPEG")))
    assert found["quality"].images == 80
    assert (found["quality"].real, found["quality"].fake) == ("95", "70")
    assert found[TOGETHER].images == COUNT


def test_faces_count_only_where_most_pictures_have_one(noise: np.ndarray) -> None:
    label = np.arange(COUNT) % 2
    few = np.where((label == 1) | (np.arange(COUNT) % 4 == 0), "absent", "present")
    assert "face" not in _found(_table(face=few, face_width=noise))
    assert "face_width" in _found(_table(face_width=noise))
