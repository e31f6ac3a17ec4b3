"""Colour photographs that installed packages ship: the embedded default's only source of real pictures."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fakedet.errors import UserError

# Distribution to install, by importable name.
_DISTRIBUTIONS = {"skimage": "scikit-image", "sklearn": "scikit-learn", "matplotlib": "matplotlib"}

# source: split, then (package, path) of its pictures. The split is declared, not drawn: with so few
# photographs chance would put all faces on one side. Validation and testing have a face and a scene
# each; training has what is left, the slide and the eye for textures that no other picture has.
# Left out: the Hubble field, which is put together from many exposures and nearly all black.
_SOURCES: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "astronaut": ("train", [("skimage", "data/astronaut.png")]),
    "coffee": ("train", [("skimage", "data/coffee.png")]),
    "motorcycle": (
        "train",
        [("skimage", "data/motorcycle_left.png"), ("skimage", "data/motorcycle_right.png")],
    ),
    "rocket": ("train", [("skimage", "data/rocket.jpg")]),
    "ihc": ("train", [("skimage", "data/ihc.png")]),
    "retina": ("train", [("skimage", "data/retina.jpg")]),
    "chelsea": ("val", [("skimage", "data/chelsea.png")]),
    "china": ("val", [("sklearn", "datasets/images/china.jpg")]),
    "grace_hopper": ("test", [("matplotlib", "mpl-data/sample_data/grace_hopper.jpg")]),
    "flower": ("test", [("sklearn", "datasets/images/flower.jpg")]),
}

# A crop with less contrast (deviation in grey levels) shows next to nothing; it is drawn again.
_LEAST_CONTRAST = 12.0
_ATTEMPTS = 20


@dataclass(frozen=True)
class Photograph:
    """One picture on disk.

    Attributes:
        name: of the file, without its suffix.
        source: the scene; pictures of one source show the same thing and stay in one split.
        split: train, val or test.
        path: where the installed package keeps it.
    """

    name: str
    source: str
    split: str
    path: Path


def photographs() -> list[Photograph]:
    """Find all of them, without importing the packages.

    Raises:
        UserError: naming the distribution to install, when a picture is missing.
    """
    found = []
    for source, (split, files) in _SOURCES.items():
        for package, inside in files:
            path = _folder(package) / inside
            if not path.is_file():
                raise UserError(
                    f"{path} is missing; reinstall {_DISTRIBUTIONS[package]}, or train on pictures of your own "
                    f"with data=folder data.root=<folder>."
                )
            found.append(Photograph(path.stem, source, split, path))
    return found


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise UserError(
            f"The sample photographs need {_DISTRIBUTIONS[package]}, which is not installed: "
            f"pip install 'fake-image-detection[train]'."
        )
    return Path(spec.origin).parent


def random_crop(image: NDArray[np.uint8], rng: np.random.Generator, size: int = 224) -> NDArray[np.uint8]:
    """Cut a square at random and shrink it to the wanted size.

    Its side is between `size` and twice that, as far as the picture allows: nothing is enlarged unless
    the picture is smaller than `size`. Squares that show next to nothing are drawn again.

    Args:
        image: RGB, (height, width, 3), uint8.
        rng: decides place, side and whether it is mirrored.
        size: side of the result, in pixels.

    Returns:
        RGB, (size, size, 3), uint8.
    """
    height, width = image.shape[:2]
    largest = min(height, width, 2 * size)
    smallest = min(size, largest)
    for _ in range(_ATTEMPTS):
        side = int(rng.integers(smallest, largest, endpoint=True))
        top = int(rng.integers(height - side, endpoint=True))
        left = int(rng.integers(width - side, endpoint=True))
        crop = image[top : top + side, left : left + side]
        if crop[::4, ::4].std() >= _LEAST_CONTRAST:
            break
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(crop), (size, size), interpolation=method), np.uint8)
