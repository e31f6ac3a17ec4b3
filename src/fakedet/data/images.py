"""Rows of a manifest to tensors and batches."""

import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypedDict

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fakedet.data.quarantine import Quarantine
from fakedet.data.sampling import Draw
from fakedet.detector.image import ImageError, decode, normalise, resize
from fakedet.detector.spec import PreprocessSpec

_GRACE_SECONDS = 30  # in which the main process ends a step and saves its state

Augment = Callable[[NDArray[np.uint8], int], NDArray[np.uint8]]


class Item(TypedDict):
    """One image: `image` is float32 (3, S, S), or None where it cannot be read."""

    image: Tensor | None
    label: int
    index: int
    unreadable: list[tuple[str, str]]


class Batch(TypedDict):
    """Readable images of one step: `image` (B, 3, S, S) float32, `label` and `index` (B,) int64."""

    image: Tensor
    label: Tensor
    index: Tensor


def to_tensor(image: NDArray[np.uint8], spec: PreprocessSpec, augment: Augment | None, seed: int) -> Tensor:
    """A decoded picture as network input; augmentation sees it at the network's size, before normalisation."""
    return finish(resize(image, spec), spec, augment, seed)


def finish(square: NDArray[np.uint8], spec: PreprocessSpec, augment: Augment | None, seed: int) -> Tensor:
    """The same of a picture that has the network's size already."""
    if augment is not None:
        square = augment(square, seed)
    return torch.from_numpy(normalise(square, spec))


class Images(Dataset[Item]):
    """The images of a manifest's rows, in their order."""

    def __init__(self, rows: pd.DataFrame, root: Path, spec: PreprocessSpec) -> None:
        self.paths = list(rows["path"].astype(str))
        self.labels = rows["label"].to_numpy(np.int64)
        self.root = root
        self.spec = spec

    def __len__(self) -> int:
        return len(self.paths)

    def picture(self, index: int) -> NDArray[np.uint8]:
        """The decoded picture of a row; raises an `ImageError` when it cannot be read."""
        return decode(self.root / self.paths[index])

    def __getitem__(self, index: int) -> Item:
        try:
            image = to_tensor(self.picture(index), self.spec, None, 0)
        except ImageError as error:
            return Item(image=None, label=-1, index=index, unreadable=[(self.paths[index], str(error))])
        return Item(image=image, label=int(self.labels[index]), index=index, unreadable=[])


class TrainingImages(Images):
    """The same, augmented; an image that cannot be read is replaced by another of its class."""

    def __init__(self, rows: pd.DataFrame, root: Path, spec: PreprocessSpec, augment: Augment) -> None:
        super().__init__(rows, root, spec)
        self.augment = augment

    def square(self, index: int, seed: int, unreadable: list[tuple[str, str]]) -> NDArray[np.uint8]:  # noqa: ARG002
        """The picture of a row at the network's size.

        Args:
            index: of the row.
            seed: of the draw.
            unreadable: further files that could not be read, and why, are added to it.

        Raises:
            ImageError: when the row's file cannot be read.
        """
        return resize(self.picture(index), self.spec)

    def __getitem__(self, draw: Draw) -> Item:  # type: ignore[override]
        rng = np.random.default_rng(draw.seed)
        index = draw.row
        alike = np.flatnonzero(self.labels == self.labels[index])
        unreadable: list[tuple[str, str]] = []
        # A batch keeps its size and balance, which distributed training relies on.
        for _ in range(16):
            try:
                image = finish(self.square(index, draw.seed, unreadable), self.spec, self.augment, draw.seed)
                return Item(image=image, label=int(self.labels[index]), index=index, unreadable=unreadable)
            except ImageError as error:
                unreadable.append((self.paths[index], str(error)))
                index = int(rng.choice(alike))
        return Item(image=None, label=-1, index=index, unreadable=unreadable)


def _collate(items: Sequence[Item]) -> dict[str, Any]:
    readable = [item for item in items if item["image"] is not None]
    images = [item["image"] for item in readable if item["image"] is not None]
    return {
        "image": torch.stack(images) if images else torch.empty(0),
        "label": torch.tensor([item["label"] for item in readable], dtype=torch.int64),
        "index": torch.tensor([item["index"] for item in readable], dtype=torch.int64),
        "unreadable": [problem for item in items for problem in item["unreadable"]],
    }


def _start_worker(_: int) -> None:
    cv2.setNumThreads(1)
    # Ctrl-C reaches every process of a terminal; the main one needs its workers to save its state.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # So does the SIGTERM of a cluster or of `timeout`: they end some time after it, also if nobody is left to end them.
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(_GRACE_SECONDS))


class Loader(DataLoader[Item]):
    """A `DataLoader` whose batches hold readable images only; the others go to the quarantine."""

    def __init__(self, dataset: Dataset[Item], quarantine: Quarantine, *, workers: int, **options: Any) -> None:
        # Workers are the parallelism; OpenCV's own threads would fight them for the cores. And a worker is a fork
        # of this process without its threads, and would wait for them for ever.
        cv2.setNumThreads(1)
        super().__init__(
            dataset,
            num_workers=workers,
            collate_fn=_collate,
            worker_init_fn=_start_worker,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            **options,
        )
        self.quarantine = quarantine

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        for batch in super().__iter__():
            for path, reason in batch["unreadable"]:
                self.quarantine.add(path, reason)
            if len(batch["label"]):
                yield Batch(image=batch["image"], label=batch["label"], index=batch["index"])
