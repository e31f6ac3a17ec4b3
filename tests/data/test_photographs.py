import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fakedet.data import photographs as module
from fakedet.data.manifest import SPLITS
from fakedet.data.photographs import photographs, random_crop
from fakedet.detector.image import decode
from fakedet.errors import UserError


def test_all_are_found_and_are_colour_pictures() -> None:
    found = photographs()
    assert len({photograph.name for photograph in found}) == len(found)
    for photograph in found:
        image = decode(photograph.path)
        assert min(image.shape[:2]) >= 224
        assert image.dtype == np.uint8
        assert np.ptp(image.astype(int), axis=2).mean() > 5  # grey pictures have equal channels


def test_no_source_crosses_a_split_and_each_split_can_splice() -> None:
    splits: dict[str, set[str]] = {}
    for photograph in photographs():
        splits.setdefault(photograph.source, set()).add(photograph.split)
    assert all(len(names) == 1 for names in splits.values())
    for name in SPLITS:
        assert sum(name in names for names in splits.values()) >= 2


def test_the_stereo_pair_is_one_source() -> None:
    assert sum(photograph.source == "motorcycle" for photograph in photographs()) == 2


def test_finding_them_imports_none_of_the_packages() -> None:
    script = (
        "import sys; from fakedet.data.photographs import photographs; photographs()\n"
        "print([name for name in ('matplotlib', 'skimage', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_missing_file_names_the_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_folder", lambda package: tmp_path)
    with pytest.raises(UserError, match="reinstall scikit-image"):
        photographs()


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda package: None)
    with pytest.raises(UserError, match="scikit-image, which is not installed"):
        photographs()


@pytest.mark.parametrize("shape", [(300, 451), (224, 224), (900, 1000), (100, 140)])
def test_crops_have_the_size_and_repeat(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    crop = random_crop(image, np.random.default_rng(1))
    assert crop.shape == (224, 224, 3)
    assert crop.dtype == np.uint8
    assert crop.flags.c_contiguous
    assert (crop == random_crop(image, np.random.default_rng(1))).all()
    assert (crop != random_crop(image, np.random.default_rng(2))).any()


def test_crops_avoid_empty_places() -> None:
    image = np.full((600, 600, 3), 200, np.uint8)
    image[:300, :300] = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    crops = [random_crop(image, np.random.default_rng(seed), size=128) for seed in range(20)]
    assert min(crop.std() for crop in crops) > 5


def test_flat_picture_gives_a_crop_all_the_same() -> None:
    flat = np.full((300, 300, 3), 9, np.uint8)
    assert (random_crop(flat, np.random.default_rng(0)) == 9).all()
