"""Pseudo-fakes: forgeries of real pictures that are made while training draws them."""

from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakedet.data.images import Augment, TrainingImages
from fakedet.data.manifest import FAKE, REAL
from fakedet.detector.image import ImageError, resize
from fakedet.detector.spec import PreprocessSpec

Picture = NDArray[np.uint8]


class Forged(Protocol):
    """A forged picture and where it was forged."""

    @property
    def image(self) -> Picture:
        """RGB uint8, as large as the original."""

    @property
    def mask(self) -> Picture:
        """(height, width) uint8, 255 where forged."""

    @property
    def method(self) -> str:
        """Name of the forgery."""


class PseudoForger(Protocol):
    """What makes the fakes; `fakedet.augment.Forger` is one."""

    methods: tuple[str, ...]

    def forge(self, image: Picture, donor: Picture, rng: np.random.Generator) -> Forged:
        """Forge a picture, perhaps with a part of another."""

    def encode(self, image: Picture, rng: np.random.Generator) -> bytes:
        """The JPEG step that both classes go through."""


class ForgedImages(TrainingImages):
    """Training images of which a share of the fakes is forged from reals on the fly.

    Reals are drawn from each data set equally often, donors from the same set: what a pseudo-fake shows says
    nothing, how it was put together does (Shiohara & Yamasaki, CVPR 2022). Everything follows from the draw's seed.

    Args:
        rows: of the training split.
        root: what their paths are relative to.
        spec: the detector's preprocessing.
        augment: applied after the forgery.
        forger: makes the fakes.
        share: of the fakes that are drawn.
    """

    def __init__(
        self,
        rows: pd.DataFrame,
        root: Path,
        spec: PreprocessSpec,
        augment: Augment,
        forger: PseudoForger,
        share: float,
    ) -> None:
        super().__init__(rows, root, spec, augment)
        self.forger = forger
        self.share = share
        reals = rows.reset_index(drop=True)
        reals = reals[reals["label"] == REAL]
        self.reals = [part.index.to_numpy() for _, part in reals.groupby("dataset")]

    def square(self, index: int, seed: int, unreadable: list[tuple[str, str]]) -> Picture:
        """The picture of a row at the network's size, or, of a share of the fakes, a forgery instead."""
        rng = np.random.default_rng((seed, 1))
        if self.labels[index] == FAKE and rng.random() < self.share:
            pool = self.reals[rng.integers(len(self.reals))]
            image, donor = (self._real(int(row), unreadable) for row in rng.choice(pool, 2, replace=len(pool) < 2))
            if image is not None and donor is not None:
                return self.forger.forge(image, donor, rng).image
        return super().square(index, seed, unreadable)

    def _real(self, row: int, unreadable: list[tuple[str, str]]) -> Picture | None:
        """A real at the network's size; None where it cannot be read, for the row's own fake then does."""
        try:
            return resize(self.picture(row), self.spec)
        except ImageError as error:
            unreadable.append((self.paths[row], str(error)))
            return None
