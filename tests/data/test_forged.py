"""Pseudo-fakes that are made of training reals as they are drawn."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from fakedet.augment import Forger, Pipeline
from fakedet.data.benchmarks.folder import Folder
from fakedet.data.forged import ForgedImages
from fakedet.data.images import Loader, TrainingImages
from fakedet.data.quarantine import Quarantine
from fakedet.data.sampling import Draw, TrainingSampler
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError

SPEC = PreprocessSpec(size=48, mean=(0, 0, 0), std=(1, 1, 1))
PLAIN = Pipeline()
COLOURLESS = Forger(["splice", "inpaint", "resample"])  # self-blends change colours
FAKES = (6, 7)  # rows of the fakes, which are red
DARK, LIGHT = (0,), (1, 2, 3, 4, 5)  # rows of the reals, grey, one set of one picture and one of five
DRAWS = 120


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for row in (*DARK, *LIGHT):
        grey = rng.normal(60 if row in DARK else 190, 12, (64, 64)).clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{row}.png"), np.repeat(grey[..., None], 3, axis=2))
    for row in FAKES:
        cv2.imwrite(str(tmp_path / f"{row}.png"), np.full((64, 64, 3), (0, 0, 200 + row), np.uint8))
    return tmp_path


@pytest.fixture
def rows() -> pd.DataFrame:
    labels = [int(row in FAKES) for row in range(8)]
    sets = ["dark" if row in DARK else "light" for row in range(8)]
    return pd.DataFrame({"path": [f"{row}.png" for row in range(8)], "label": labels, "dataset": sets})


def _images(rows: pd.DataFrame, root: Path, share: float, forger: Forger = COLOURLESS) -> ForgedImages:
    return ForgedImages(rows, root, SPEC, PLAIN, forger, share)


def _drawn(images: TrainingImages, row: int, seeds: range = range(DRAWS)) -> list[NDArray[np.float32]]:
    found = []
    for seed in seeds:
        item = images[Draw(row, seed)]
        assert item["image"] is not None
        assert item["label"] == images.labels[row]
        found.append(item["image"].numpy())
    return found


def _is_red(image: NDArray[np.float32]) -> bool:
    return bool(image[0].mean() - image[1].mean() > 0.5)


@pytest.mark.parametrize("share", [0.2, 0.7, 1.0])
def test_the_wanted_share_of_the_fakes_is_forged_from_reals(rows: pd.DataFrame, root: Path, share: float) -> None:
    images = _drawn(_images(rows, root, share), FAKES[0])
    forged = [image for image in images if not _is_red(image)]
    assert len(forged) / DRAWS == pytest.approx(share, abs=0.1)
    for image in forged:
        np.testing.assert_allclose(image[0], image[1], atol=1e-6)  # of grey pictures, and of nothing else


def test_reals_and_the_other_fakes_stay_as_they_are(rows: pd.DataFrame, root: Path) -> None:
    plain, images = TrainingImages(rows, root, SPEC, PLAIN), _images(rows, root, 0.5)
    for row in (*DARK, *LIGHT):
        for one, other in zip(_drawn(plain, row, range(5)), _drawn(images, row, range(5)), strict=True):
            np.testing.assert_array_equal(one, other)
    untouched = [image for image in _drawn(images, FAKES[1]) if _is_red(image)]
    assert untouched
    for image in untouched:
        np.testing.assert_array_equal(image, _drawn(plain, FAKES[1], range(1))[0])


def test_sets_are_forged_equally_often_and_not_mixed(rows: pd.DataFrame, root: Path) -> None:
    forged = _drawn(_images(rows, root, 1.0), FAKES[0])
    dark = [image for image in forged if image.mean() < 0.5]
    assert len(dark) / DRAWS == pytest.approx(0.5, abs=0.15)  # though the other set has five times as many
    for image in forged:  # a splice from the other set would show both
        smooth = cv2.blur(image[0], (9, 9))
        assert smooth.max() - smooth.min() < 0.3


def test_everything_follows_from_the_draw(rows: pd.DataFrame, root: Path) -> None:
    images = _images(rows, root, 1.0, Forger())
    first, again, other = (_drawn(images, FAKES[0], range(*seeds)) for seeds in ((0, 8), (0, 8), (8, 16)))
    np.testing.assert_array_equal(first, again)
    assert not any(np.array_equal(one, two) for one, two in zip(first, other, strict=True))
    per_workers = []
    for workers in (0, 2):
        sampler = TrainingSampler(rows[["label"]], seed=0, batch_size=4, rank=0, world_size=1)
        loader = Loader(images, Quarantine(8, 0, None), workers=workers, sampler=sampler, batch_size=4)
        per_workers.append(torch.cat([batch["image"] for batch in loader]))
    assert torch.equal(*per_workers)


def test_a_real_that_cannot_be_read_is_named_and_costs_no_fake(rows: pd.DataFrame, root: Path) -> None:
    for row in DARK:
        (root / f"{row}.png").write_bytes(b"")
    images = _images(rows, root, 1.0)
    items = [images[Draw(FAKES[0], seed)] for seed in range(40)]
    named = [item["unreadable"] for item in items if item["unreadable"]]
    assert 10 < len(named) < 30  # the set that was drawn
    assert {problem for problems in named for problem in problems} == {(f"{DARK[0]}.png", "is empty")}
    for item in items:
        assert item["image"] is not None
        assert (item["label"], item["index"]) == (1, FAKES[0])
        assert _is_red(item["image"].numpy()) == bool(item["unreadable"])


def test_a_fake_that_cannot_be_read_is_replaced_by_another(rows: pd.DataFrame, root: Path) -> None:
    (root / f"{FAKES[0]}.png").write_bytes(b"")
    images = _images(rows, root, 0.5)
    items = [images[Draw(FAKES[0], seed)] for seed in range(40)]
    replaced = [item for item in items if item["unreadable"]]
    assert 10 < len(replaced) < 30  # forgeries do not need the file
    assert {item["index"] for item in replaced} == {FAKES[1]}
    assert all(item["label"] == 1 and item["image"] is not None for item in items)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"forged_share": 0.5}, "data.forger and data.forged_share belong together: give both, or neither"),
        ({"forger": Forger()}, "data.forger and data.forged_share belong together"),
        ({"forger": Forger(), "forged_share": 1.5}, "data.forged_share=1.5 is not a share between 0 and 1"),
        ({"forger": "splice", "forged_share": 0.5}, "data.forger=splice is no forger: write data.forger={_target_:"),
    ],
)
def test_half_a_wish_is_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    plain: dict[str, Any] = {
        "batch_size": 4, "workers": 0, "balance": [], "limit": None, "val_share": 0.1, "test_share": 0.1,
        "split_seed": 0, "max_unreadable": 0.0, "spec": SPEC, "augment": PLAIN,
    }  # fmt: skip
    with pytest.raises(UserError, match=message):
        Folder(root=str(tmp_path), **plain, **options)


def test_a_picture_is_never_its_own_donor(rows: pd.DataFrame, root: Path) -> None:
    pairs = []

    class Noting:
        methods = ("noted",)

        def forge(self, image: NDArray[np.uint8], donor: NDArray[np.uint8], rng: np.random.Generator) -> Any:
            pairs.append((image, donor))
            return Forger(["resample"]).forge(image, donor, rng)

    light = rows[rows["dataset"] == "light"]
    _drawn(ForgedImages(light, root, SPEC, PLAIN, Noting(), 1.0), 5, range(40))  # type: ignore[arg-type]
    assert len(pairs) == 40
    assert not any(np.array_equal(*pair) for pair in pairs)
