"""Manifest to balanced batches; every data set is a subclass that says how its rows are found."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray
from torch.utils.data import Dataset

from fakedet.data import manifest
from fakedet.data.forged import ForgedImages, PseudoForger
from fakedet.data.images import Augment, Images, Item, Loader, TrainingImages
from fakedet.data.quarantine import Quarantine
from fakedet.data.sampling import RankSampler, TrainingSampler
from fakedet.data.splits import check_classes, complete_splits, limit_by_group
from fakedet.detector.spec import FaceSpec, PreprocessSpec
from fakedet.errors import UserError, did_you_mean

UNREADABLE = 0  # digest of a file that cannot be read
LEVELS = ("label", "dataset", "method", "video")  # that training can be balanced by


class DataModule(LightningDataModule):
    """Base of the data sets. A subclass implements `index`; the rest is common to all.

    Args:
        root: folder that the manifest's paths are relative to.
        batch_size: images of a step, on each device.
        workers: processes that load images; None takes half of the cores, from 1 to 8. Results do not
            depend on it.
        balance: what training draws equally often, outermost first: values of `LEVELS`, each within the one
            before. Frames of a long video then weigh no more than those of a short one. Where nothing is
            known of a level (images have no `video`), it changes nothing. An empty list: every image once.
        limit: about so many images in all, for a quick try.
        val_share: share of groups for validation where the data has no such split of its own.
        test_share: the same for testing.
        split_seed: another seed, another split; apart from the run's seed so that repeated runs share it.
        max_unreadable: share of images that may be unreadable before it is an error.
        spec: the detector's preprocessing.
        augment: applied to training images alone.
        forger: makes pseudo-fakes of training reals.
        forged_share: share of the training fakes that are such pseudo-fakes, made as they are drawn.
        seed: the run's seed.
        quarantine_file: table of the images that could not be read.
    """

    rows: pd.DataFrame
    missed: pd.DataFrame  # rows of frames and pictures in which no face was found, so that there is no crop of them
    crops: FaceSpec | None = None  # how the images were cut out of larger pictures, where it is known
    protocol_name = "by group"  # how they are split, for reports
    dropped: Mapping[str, int] = MappingProxyType({})  # reason -> rows that the protocol has no place for
    weights: Mapping[str, float] = MappingProxyType({})  # how often a data set is drawn beside others, else 1

    def __init__(
        self,
        *,
        root: str,
        batch_size: int,
        workers: int | None,
        balance: Sequence[str],
        limit: int | None,
        val_share: float,
        test_share: float,
        split_seed: int,
        max_unreadable: float,
        spec: PreprocessSpec,
        augment: Augment | None = None,
        forger: PseudoForger | None = None,
        forged_share: float = 0.0,
        seed: int = 0,
        quarantine_file: Path | None = None,
    ) -> None:
        super().__init__()
        numbers = {"batch_size": batch_size, "workers": workers, "limit": limit, "split_seed": split_seed}
        for name, value in numbers.items():
            if value is not None and type(value) is not int:
                raise UserError(f"data.{name}={value} is not a whole number.")
        shares = {"val_share": val_share, "test_share": test_share, "max_unreadable": max_unreadable}
        for name, share in {**shares, "forged_share": forged_share}.items():
            if not isinstance(share, int | float) or not 0 <= share <= 1:
                raise UserError(f"data.{name}={share} is not a share between 0 and 1.")
        if batch_size < 1:
            raise UserError(f"data.batch_size={batch_size} is not at least 1.")
        if workers is not None and workers < 0:
            raise UserError(f"data.workers={workers} is below 0.")
        if limit is not None and limit < 1:
            raise UserError(f"data.limit={limit} is not at least 1.")
        if forger is not None and not hasattr(forger, "forge"):
            raise UserError(
                f"data.forger={forger} is no forger: write data.forger={{_target_: fakedet.augment.Forger}}."
            )
        if (forged_share > 0) != (forger is not None):
            raise UserError("data.forger and data.forged_share belong together: give both, or neither.")
        if val_share + test_share >= 1:
            raise UserError(f"data.val_share={val_share} and data.test_share={test_share} leave nothing to train on.")
        self.root = Path(root)
        self.batch_size = batch_size
        self.workers = workers if workers is not None else min(8, max(1, (os.cpu_count() or 1) // 2))
        self.balance = _checked_levels(balance)
        self.limit = limit
        self.shares = {"val": val_share, "test": test_share}
        self.split_seed = split_seed
        self.max_unreadable = max_unreadable
        self.spec = spec
        self.augment = augment
        self.pseudo_forger = forger
        self.forged_share = forged_share
        self.seed = seed
        self.quarantine_file = quarantine_file
        self.has_own_splits = False
        self._start: tuple[int, int] | None = None

    def index(self) -> pd.DataFrame:
        """Find the images: rows with the manifest's columns as far as they are known; `split` where it is given."""
        raise NotImplementedError

    def prepare(self) -> "DataModule":
        """Index, split and check, once; afterwards `rows` is the manifest and loaders can be made.

        Raises:
            UserError: for data that cannot be trained or tested on.
        """
        found, missed = self.index(), self.faceless()
        self.has_own_splits = "split" in found and bool((found["split"] == "test").any())
        # Splits are the download's: they do not depend on what a finder saw.
        both = pd.concat([found, missed], ignore_index=True) if len(missed) else found
        divided = manifest.complete(self.divide(both))
        without = divided["path"].isin(missed["path"])
        self.rows, self.missed = (divided[part].reset_index(drop=True) for part in (~without, without))
        if self.limit is not None:
            self.rows = limit_by_group(self.rows, self.limit, self.split_seed)
            self.missed = self.missed[self.missed["group"].isin(self.rows["group"])].reset_index(drop=True)
        self.quarantine = Quarantine(len(self.rows), self.max_unreadable, self.quarantine_file)
        return self

    def faceless(self) -> pd.DataFrame:
        """Rows like those of `index`, of what was looked at and has no crop, because no face was found."""
        return pd.DataFrame(columns=list(manifest.COLUMNS))

    def divide(self, found: pd.DataFrame) -> pd.DataFrame:
        """Give every row its split: those that the data came with, the others by a hash of the group."""
        return complete_splits(found, self.shares, self.split_seed)

    def called(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows with the paths that they have wherever the data lies, for `manifest.protocol_hash`."""
        return rows

    def split(self, name: str) -> pd.DataFrame:
        """The rows of one split, numbered from 0."""
        return self.rows[self.rows["split"] == name].reset_index(drop=True)

    def leave_out_duplicates(self) -> int:
        """Drop training images that stand byte for byte in another split too; returns how many.

        A split by group cannot know that two groups share a file; a score on a file that was trained on
        would mean nothing.
        """
        digests = self.file_digests(self.rows)
        training = (self.rows["split"] == "train").to_numpy()
        shared = training & np.isin(digests, digests[~training]) & (digests != UNREADABLE)
        self.rows = self.rows[~shared].reset_index(drop=True)
        return int(shared.sum())

    def check_trainable(self) -> None:
        """Raise a `UserError` unless training and validation have both classes, and videos can be told apart."""
        manifest.check_videos(self.rows)
        check_classes(self.training_images()[1]["label"], "train")
        check_classes(self.split("val")["label"], "val")

    def start_at(self, epoch: int, batches: int) -> None:
        """Go on in the middle of an epoch: its first batches were seen before."""
        self._start = (epoch, batches)

    def training_images(self) -> tuple[Dataset[Item], pd.DataFrame]:
        """What is drawn from in training, and its rows (`label`, `method`)."""
        if self.augment is None:
            raise ValueError("a data module without augmentation is for evaluation only")
        rows = self.split("train")
        if self.pseudo_forger is not None:
            images = ForgedImages(rows, self.root, self.spec, self.augment, self.pseudo_forger, self.forged_share)
            return images, rows
        return TrainingImages(rows, self.root, self.spec, self.augment), rows

    def train_dataloader(self) -> Loader:
        """Balanced, augmented batches; an incomplete last one is left out."""
        dataset, rows = self.training_images()
        sampler = TrainingSampler(
            self.levels(rows),
            seed=self.seed,
            batch_size=self.batch_size,
            rank=self.trainer.global_rank if self.trainer else 0,
            world_size=self.trainer.world_size if self.trainer else 1,
            weights={"dataset": self.weights},
        )
        if self._start is not None:
            sampler.start_at(*self._start)
        whole = len(sampler) >= self.batch_size
        return self._loader(dataset, sampler=sampler, drop_last=whole)

    def levels(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The values that training is balanced by, a column for each level; beside videos a picture is its own."""
        levels = rows.reindex(columns=list(self.balance))
        if "video" in levels and levels["video"].notna().any():
            levels["video"] = levels["video"].fillna("\0" + rows["path"])  # no file has such a name
        return levels

    def val_dataloader(self) -> Loader:
        """Every validation image once, in the manifest's order."""
        return self.evaluation_loader(self.split("val"))

    def test_dataloader(self) -> Loader:
        """Every test image once, in the manifest's order."""
        return self.evaluation_loader(self.split("test"))

    def evaluation_loader(self, rows: pd.DataFrame) -> Loader:
        """The given rows once each over all ranks; `index` in a batch is the row's number."""
        trainer = self.trainer
        sampler = RankSampler(
            len(rows),
            rank=trainer.global_rank if trainer else 0,
            world_size=trainer.world_size if trainer else 1,
        )
        return self._loader(Images(rows, self.root, self.spec), sampler=sampler)

    def _loader(self, dataset: Dataset[Item], **options: Any) -> Loader:
        return Loader(dataset, self.quarantine, workers=self.workers, batch_size=self.batch_size, **options)

    def file_digests(self, rows: pd.DataFrame) -> NDArray[np.int64]:
        """First 64 bits of the SHA-256 of each row's file, in the rows' order; 0 where it cannot be read."""

        def digest(path: str) -> int:
            try:
                return int.from_bytes(hashlib.sha256((self.root / path).read_bytes()).digest()[:8], "big", signed=True)
            except OSError:
                return UNREADABLE

        with ThreadPoolExecutor(4) as pool:
            return np.fromiter(pool.map(digest, rows["path"].astype(str)), np.int64, len(rows))


def _checked_levels(balance: Any) -> tuple[str, ...]:
    if not isinstance(balance, list | tuple):
        raise UserError(
            f"data.balance={balance} is not a list of what to draw equally often: write "
            f"data.balance=[{','.join(LEVELS)}] or a part of it, or data.balance=[] for every image once."
        )
    for position, name in enumerate(balance):
        if name not in LEVELS:
            raise UserError(f"data.balance: {name}{did_you_mean(name, LEVELS)} is not one of {', '.join(LEVELS)}.")
        if name in balance[:position]:
            raise UserError(f"data.balance names {name} twice.")
    return tuple(balance)
