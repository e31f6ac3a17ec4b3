"""The pictures that a file is checked on: the validation split of the checkpoint's own data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakedet.data.datamodule import DataModule
from fakedet.errors import UserError
from fakedet.instantiation import instantiate
from fakedet.models.checkpoint import Card


@dataclass(frozen=True)
class RealImages:
    """Validation images as a network gets them.

    Attributes:
        data: prepared.
        rows: of its validation split, numbered from 0.
    """

    data: DataModule
    rows: pd.DataFrame

    def evenly(self, most: int) -> pd.DataFrame:
        """So many of the rows at most, evenly spaced in the manifest's order and the same each time."""
        count = min(most, len(self.rows))
        return self.rows.iloc[np.linspace(0, len(self.rows) - 1, count).astype(int)].reset_index(drop=True)

    def batches(self, rows: pd.DataFrame) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """Normalised images (n, 3, S, S) and labels (n,) of those that can be read."""
        for batch in self.data.evaluation_loader(rows):
            if len(batch["label"]):
                yield np.ascontiguousarray(batch["image"].numpy()), batch["label"].numpy()

    def crops(self, most: int) -> NDArray[np.float32]:
        """The images of `evenly` in one array, (n, 3, S, S).

        Raises:
            UserError: when none can be read.
        """
        found = [images for images, _ in self.batches(self.evenly(most))]
        if not found:
            raise UserError(f"None of the validation images in {self.data.root} can be read: name others with data=….")
        return np.concatenate(found)


def find(card: Card, chosen: Mapping[str, Any]) -> RealImages:
    """The validation split of the data that a checkpoint was trained on, or of other data.

    Args:
        card: of the checkpoint.
        chosen: a data section that takes the place of the checkpoint's; without `_target_`, single settings of
            it, such as `root` where the folder was moved.

    Raises:
        UserError: when it is not there, or holds no validation image.
    """
    given = {key: value for key, value in chosen.items() if value is not None}
    section = dict(chosen) if "_target_" in given else {**card.data, **given}
    try:
        data: DataModule = instantiate(section, spec=card.preprocess, quarantine_file=None)
        rows = data.prepare().split("val")
    except UserError as error:
        raise UserError(
            f"The file is checked on validation images, which are not to be had: {str(error).rstrip('.')}; say where "
            "they are with data.root=…, or name other data with data=…."
        ) from error
    if rows.empty:
        raise UserError(
            f"The data in {data.root} has no validation image to check the file on: name other with data=…."
        )
    return RealImages(data, rows)
