"""The embedded default: photographs that installed packages ship, and pseudo-forgeries of them.

Real images are random crops of photographs; fakes are such crops with a forged region. Both go through
the same JPEG step. The photographs are split by source: no test photograph is trained on. Training images
are made on the fly; those for validation and test are written once, with their masks and a manifest:

```
<root>/<recipe>/manifest.parquet
<root>/<recipe>/photographs/astronaut.png      the training photographs
<root>/<recipe>/val/real/…jpg  val/fake/<method>/…jpg  val/masks/<method>/…png   (test alike)
```
"""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch.utils.data import Dataset

from fakedet.data import manifest
from fakedet.data.datamodule import DataModule
from fakedet.data.forged import Picture, PseudoForger
from fakedet.data.images import Augment, Item, to_tensor
from fakedet.data.manifest import FAKE, REAL
from fakedet.data.photographs import Photograph, photographs, random_crop
from fakedet.data.sampling import Draw
from fakedet.detector.image import decode
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError

VERSION = 1  # raise it when the making of the images changes


class Sample(DataModule):
    """`data=sample`.

    Args:
        root: where the images for validation and test are written, once for each recipe.
        forger: makes the fakes.
        epoch_images: training images of an epoch, half of them fake.
        evaluation_images: images of each of validation and test, half of them fake.
        crop: side of the crops, in pixels.
        options: those of `DataModule`.
    """

    def __init__(
        self,
        *,
        root: str,
        forger: PseudoForger,
        epoch_images: int,
        evaluation_images: int,
        crop: int,
        **options: Any,
    ) -> None:
        super().__init__(root=root, limit=None, val_share=0.0, test_share=0.0, split_seed=0, **options)
        for name, number in {
            "epoch_images": epoch_images,
            "evaluation_images": evaluation_images,
            "crop": crop,
        }.items():
            if type(number) is not int or number < 1:
                raise UserError(f"data.{name}={number} is not a whole number of at least 1.")
        if not hasattr(forger, "methods"):
            raise UserError(
                f"data.forger={forger} is no forger: write data.forger={{_target_: fakedet.augment.Forger}}."
            )
        if min(epoch_images, evaluation_images) < 2:
            raise UserError("data.epoch_images and data.evaluation_images need at least two: a real and a fake image.")
        self.forger = forger
        self.epoch_images = epoch_images
        self.evaluation_images = evaluation_images
        self.crop = crop
        recipe = {"version": VERSION, "images": evaluation_images, "crop": crop, "methods": forger.methods}
        self.root = Path(root) / hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]

    def index(self) -> pd.DataFrame:
        """Rows of the training photographs and of the written images, which are made where they are missing."""
        if not (self.root / "manifest.parquet").is_file():
            self._write()
        return manifest.read(self.root / "manifest.parquet")

    def training_images(self) -> tuple[Dataset[Item], pd.DataFrame]:
        """Crops made on the fly: half of the draws are forged."""
        if self.augment is None:
            raise ValueError("a data module without augmentation is for evaluation only")
        rows = pd.DataFrame({"label": [REAL, FAKE] * (self.epoch_images // 2), "method": None})
        scenes = [
            [decode(self.root / path) for path in part["path"]] for _, part in self.split("train").groupby("group")
        ]
        return ForgedCrops(rows["label"].to_numpy(), scenes, self.forger, self.crop, self.spec, self.augment), rows

    def _write(self) -> None:
        try:
            self.root.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=f".{self.root.name}.", dir=self.root.parent))
        except OSError as error:
            raise UserError(f"data.root={self.root.parent} cannot be written to ({error.strerror}).") from error
        try:
            _write_images(partial, self.forger, self.evaluation_images, self.crop)
            # A run that did the same at the same time made the same files.
            if not self.root.exists():
                os.rename(partial, self.root)  # noqa: PTH104 (Path.rename follows the same call)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


class ForgedCrops(Dataset[Item]):
    """Random crops of photographs, forged where the label says so; everything follows from the draw's seed."""

    def __init__(
        self,
        labels: NDArray[np.int64],
        scenes: list[list[Picture]],
        forger: PseudoForger,
        crop: int,
        spec: PreprocessSpec,
        augment: Augment,
    ) -> None:
        self.labels = labels
        self.scenes = scenes
        self.forger = forger
        self.crop = crop
        self.spec = spec
        self.augment = augment

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, draw: Draw) -> Item:
        rng = np.random.default_rng(draw.seed)
        label = int(self.labels[draw.row])
        scene = int(rng.integers(len(self.scenes)))
        data, _, _ = make_image(self.scenes, scene, label, self.forger, self.crop, rng)
        image = to_tensor(decode(data), self.spec, self.augment, draw.seed)
        return Item(image=image, label=label, index=draw.row, unreadable=[])


def make_image(
    scenes: list[list[Picture]],
    scene: int,
    label: int,
    forger: PseudoForger,
    crop: int,
    rng: np.random.Generator,
) -> tuple[bytes, Picture | None, str]:
    """One image of the sample: crop, forgery if it is a fake, JPEG.

    Args:
        scenes: the photographs of the split, RGB uint8, those of one scene together.
        scene: the scene it is made from; a splice takes its region from another.
        label: 1 = fake.
        forger: makes the fakes.
        crop: side in pixels.
        rng: decides everything else.

    Returns:
        The JPEG file, the mask of a fake, and the method (`real` for a real).
    """
    image = _crop(scenes[scene], rng, crop)
    if label == REAL:
        return forger.encode(image, rng), None, "real"
    others = [other for other in scenes if other is not scenes[scene]]
    donor = _crop(others[int(rng.integers(len(others)))], rng, crop)
    forged = forger.forge(image, donor, rng)
    return forger.encode(forged.image, rng), forged.mask, forged.method


def _crop(pictures: list[Picture], rng: np.random.Generator, crop: int) -> Picture:
    return random_crop(pictures[int(rng.integers(len(pictures)))], rng, crop)


def _write_images(folder: Path, forger: PseudoForger, count: int, crop: int) -> None:
    rows: list[dict[str, Any]] = []
    found = photographs()
    for photograph in (photograph for photograph in found if photograph.split == "train"):
        path = f"photographs/{photograph.path.name}"
        (folder / "photographs").mkdir(exist_ok=True)
        shutil.copyfile(photograph.path, folder / path)
        rows.append(_row(path, photograph, "real", "train", None))
    for split, seed in (("val", 1), ("test", 2)):
        members = [photograph for photograph in found if photograph.split == split]
        scenes = [[decode(photograph.path)] for photograph in members]
        rng = np.random.default_rng(seed)
        for position in range(count):
            number, label = position // 2 % len(members), position % 2
            data, mask, method = make_image(scenes, number, label, forger, crop, rng)
            name = f"{members[number].name}_{position:04d}"
            path = f"{split}/real/{name}.jpg" if label == REAL else f"{split}/fake/{method}/{name}.jpg"
            mask_path = None if mask is None else f"{split}/masks/{method}/{name}.png"
            _save(folder / path, data)
            if mask is not None and mask_path is not None:
                _save(folder / mask_path, cv2.imencode(".png", mask)[1].tobytes())
            rows.append(_row(path, members[number], method, split, mask_path))
    manifest.write_table(manifest.complete(pd.DataFrame(rows)), folder / "manifest.parquet")


def _row(path: str, photograph: Photograph, method: str, split: str, mask: str | None) -> dict[str, Any]:
    return {
        "path": path, "label": REAL if method == "real" else FAKE, "dataset": "sample", "method": method,
        "group": photograph.source, "split": split, "mask": mask,
    }  # fmt: skip


def _save(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
