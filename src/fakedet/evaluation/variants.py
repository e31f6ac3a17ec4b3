"""The same images changed in many ways: scored in one pass that decodes each of them once."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from rich.progress import Progress

from fakedet.data.datamodule import DataModule
from fakedet.data.images import Images, Item, Loader, to_tensor
from fakedet.data.splits import limit_by_group
from fakedet.detector.image import ImageError, decode
from fakedet.detector.spec import PreprocessSpec
from fakedet.evaluation.bootstrap import Floats, Groups, Resampled, resample
from fakedet.evaluation.statuses import GIVEN, UNREADABLE
from fakedet.metrics import ranked
from fakedet.metrics.ranking import Ranking
from fakedet.models.registry import Network

# Last word of the name of what is 0 where a change of the images changes nothing.
_DIFFERENCES = ("drop", "loss")
# Decoded picture (height, width, 3) and a seed to a changed one of any size, both RGB uint8.
Change = Callable[[NDArray[np.uint8], int], NDArray[np.uint8]]


class VariantImages(Images):
    """The images of a manifest's rows; `image` is (changes, 3, S, S)."""

    def __init__(
        self, rows: pd.DataFrame, root: Path, spec: PreprocessSpec, changes: Sequence[Change], seed: int
    ) -> None:
        super().__init__(rows, root, spec)
        self.changes = list(changes)
        self.seed = seed

    def __getitem__(self, index: int) -> Item:
        path = self.paths[index]
        try:
            picture = decode(self.root / path)
        except ImageError as error:
            return Item(image=None, label=-1, index=index, unreadable=[(path, str(error))])
        # An image's seed is its own, whatever is scored beside it.
        seed = int.from_bytes(hashlib.sha256(f"{self.seed}:{path}".encode()).digest()[:8], "big")
        stack = [to_tensor(change(picture, seed), self.spec, None, 0) for change in self.changes]
        return Item(image=torch.stack(stack), label=int(self.labels[index]), index=index, unreadable=[])


def choose_images(rows: pd.DataFrame, limit: int | None, seed: int) -> pd.DataFrame:
    """About `limit` rows, numbered from 0: both classes alike, groups in turn, by chance within a group."""
    if limit is None or limit >= len(rows):
        return rows.reset_index(drop=True)
    # Unshuffled, the fakes of a group would all be of the method that comes first by name.
    shuffled = rows.sample(frac=1, random_state=seed).reset_index(drop=True)
    return limit_by_group(shuffled, limit, seed).sort_values("path", ignore_index=True)


def score_variants(
    network: Network,
    data: DataModule,
    rows: pd.DataFrame,
    device: torch.device,
    changes: Sequence[Change],
    seed: int,
    title: str,
) -> NDArray[np.float64]:
    """Logits of every image after every change, in fp32.

    Args:
        network: in evaluation mode.
        data: loads the images; the unreadable ones go to its quarantine.
        rows: of its manifest, numbered from 0.
        device: where the network runs.
        changes: what is done to a decoded picture.
        seed: of what is random in them.
        title: of the progress bar.

    Returns:
        (rows, changes), NaN where an image could not be read.
    """
    network = network.to(device)
    logits = np.full((len(rows), len(changes)), np.nan)
    loader = Loader(
        VariantImages(rows, data.root, data.spec, changes, seed),
        data.quarantine,
        workers=data.workers,
        batch_size=max(1, data.batch_size // len(changes)),  # of pictures, so that memory stays as declared
    )
    with torch.inference_mode(), torch.autocast(device.type, enabled=False), Progress(transient=True) as progress:
        task = progress.add_task(title, total=len(rows))
        for batch in loader:
            parts = [
                network(part.to(device).contiguous(memory_format=torch.channels_last)).float().cpu()
                for part in batch["image"].flatten(0, 1).split(data.batch_size)
            ]
            logits[batch["index"].numpy()] = torch.cat(parts).numpy().reshape(-1, len(changes))
            progress.update(task, advance=len(batch["index"]))
    return logits


def face_status(data: DataModule, rows: pd.DataFrame, logits: NDArray[np.float64]) -> NDArray[np.str_]:
    """`unreadable` for rows that the quarantine names and that have no logit, else `given`."""
    readable = ~np.isnan(logits).any(axis=1) | ~rows["path"].isin(data.quarantine.reasons).to_numpy()
    return np.where(readable, GIVEN, UNREADABLE)


def resample_aucs(
    labels: ArrayLike,
    groups: ArrayLike,
    scores: Sequence[ArrayLike],
    numbers: Callable[[Floats], Mapping[str, Floats]],
    resamples: int,
    seed: int,
) -> tuple[dict[str, float], Resampled | None]:
    """Numbers made of several AUC on the same images, and their resamples, which all draw the same groups.

    Args:
        labels: 1 = fake, (n,).
        groups: (n,).
        scores: for each variant the scores of the images, (n,).
        numbers: from the AUC of the variants, (variants, B), to numbers by name, (B,).
        resamples: number of resamples.
        seed: of the draws.

    Returns:
        The numbers of the data, and their resamples; None where a class lies in too few groups for any.
    """
    clusters = Groups(labels, groups)
    rankings = [Ranking(labels, values, clusters.codes) for values in scores]

    def measured(weights: Floats) -> Mapping[str, Floats]:
        return numbers(np.stack([ranked.auc(ranking.counts(weights)) for ranking in rankings]))

    points = {name: float(value[0]) for name, value in measured(np.ones((1, clusters.number))).items()}
    return points, resample(clusters, measured, resamples, seed) if clusters.enough else None


def with_interval(name: str, points: Mapping[str, float], found: Resampled | None) -> dict[str, Any]:
    """`value`, `low` and `high` of one number as plain JSON, None where there is none.

    A number whose name ends in one of `_DIFFERENCES` has the interval of a difference.
    """
    low, high = float("nan"), float("nan")
    if found is not None:
        low, high = found.difference(name)[:2] if name.split()[-1] in _DIFFERENCES else found.bounds(name)
    values = {"value": points[name], "low": low, "high": high}
    return {key: None if np.isnan(value) else float(value) for key, value in values.items()}
