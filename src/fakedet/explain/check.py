"""Grad-CAM's maps held against what the network does, and against true masks."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from rich.progress import track

from fakedet.data.datamodule import DataModule
from fakedet.data.manifest import FAKE
from fakedet.detector.image import ImageError, decode, normalise, resize
from fakedet.explain.faithfulness import STEPS, compare, moved, noise, removal_curves, turns
from fakedet.explain.gradcam import heatmaps
from fakedet.explain.overlap import Floats, Interval, overlap, true_mask
from fakedet.metrics.scores import THRESHOLD
from fakedet.models.registry import Network

RANDOM_MAPS = 2  # for each image
_FLAT = 1e-6  # a map whose values differ by less has no place

Picture = NDArray[np.uint8]
Maps = NDArray[np.float32]
Masks = list[NDArray[np.bool_] | None]


def check_explanations(
    network: Network,
    data: DataModule,
    predictions: pd.DataFrame,
    device: torch.device,
    interval: Interval,
    *,
    threshold: float = THRESHOLD,
    count: int = 64,
    seed: int = 0,
) -> dict[str, Any]:
    """How far Grad-CAM's maps can be believed: deletion, insertion, and overlap with the forged region.

    The maps show what speaks for fake, so they are checked on images that were called fake, rightly or not:
    why a picture passed cannot be read in them. The images are drawn evenly over the methods, of which the
    reals are one.

    Beside each map stand `random` maps, the same one mirrored and moved elsewhere, and the `usual` map, the mean
    of the maps of all other groups' images: evidence often lies in the middle, and a map that always shows the
    middle finds much of it without having seen the picture (as the baseline "Center" of Zhang et al. does).

    Args:
        network: in evaluation mode.
        data: where the images and masks lie, and how they are preprocessed.
        predictions: the manifest's columns and `score`, missing for images that could not be read.
        device: where the network runs.
        interval: of a mean over images that come in groups.
        threshold: an image is called fake above it.
        count: at most so many images.
        seed: of the choice and of the random maps; the same seed gives the same numbers.

    Returns:
        Plain JSON. Means are {value, low, high}, where low and high are None unless an interval is known.
        images: how many were checked.
        zero_maps: how many of their maps are zero everywhere; their pixels went in random order.
        deletion, insertion: what `faithfulness.compare` gives for `gradcam`, `random` and, where there are two
        groups, `usual`; None where nothing was checked. The scores are the network's, not calibrated.
        overlap: method -> what `Overlap.summarise` gives for its fakes that have a mask.
        overlap_all: the same over all methods; None without a mask.
        notes: sentences on what was not checked.
    """
    if network.cam_layer is None:
        return _unchecked(f"{network.name} {network.options} has no feature map, so there is no map to check.")
    rows = _choose(predictions, threshold, count, seed)
    if rows.empty:
        return _unchecked(f"No image has a score above {threshold:g}, so there is no verdict for a map to explain.")
    network = network.to(device)
    squares, masks, notes = _load(rows, data)
    images = torch.from_numpy(np.stack([normalise(square, data.spec) for square in squares]))
    maps = torch.cat([heatmaps(network, part.to(device)).cpu() for part in images.split(data.batch_size)]).numpy()
    if maps.any() and np.ptp(maps, axis=(1, 2)).max() < _FLAT:
        side = data.spec.size
        return _unchecked(f"At {side} pixels {network.name} has a feature map of one cell, which points nowhere.")
    usual = _usual(maps, rows["group"])

    curves = []
    for number, square in enumerate(track(squares, "Checking explanations", transient=True)):
        rng = np.random.default_rng([seed, number])
        shown = [maps[number], *(moved(maps[number], rng) for _ in range(RANDOM_MAPS))]
        shown += [] if usual is None else [usual[number]]
        orders = np.stack([turns(heat, noise(len(square), rng)) for heat in shown])
        # To put the hottest in first is to remove the coldest first, seen backwards.
        both = removal_curves(network, square, [*orders, *(STEPS - 1 - orders)], data.spec, data.batch_size)
        curves.append(both.reshape(2, len(orders), -1))
    removed = np.stack(curves)
    groups = list(rows["group"])
    return {
        "images": len(rows),
        "zero_maps": int((~maps.any(axis=(1, 2))).sum()),
        "deletion": compare(_by_kind(removed[:, 0]), groups, interval),
        "insertion": compare(_by_kind(removed[:, 1, :, ::-1]), groups, interval),
        **_overlaps(rows, maps, usual, masks, interval),
        "notes": notes,
    }


def _by_kind(curves: Floats) -> dict[str, Floats]:
    first, last = 1, 1 + RANDOM_MAPS
    kinds = {"gradcam": curves[:, :first], "random": curves[:, first:last], "usual": curves[:, last:]}
    return {kind: part for kind, part in kinds.items() if part.shape[1]}


def _choose(predictions: pd.DataFrame, threshold: float, count: int, seed: int) -> pd.DataFrame:
    """Images that were called fake, up to `count`, evenly over methods, in the table's order."""
    called = np.random.default_rng(seed).permutation(np.flatnonzero(predictions["score"] > threshold))
    turn = predictions.iloc[called].groupby("method", dropna=False).cumcount()
    return predictions.iloc[np.sort(called[np.argsort(turn, kind="stable")[:count]])]


def _load(rows: pd.DataFrame, data: DataModule) -> tuple[list[Picture], Masks, list[str]]:
    """Pictures as the network sees them, the masks of fakes that have one, and what was wrong with others."""
    squares: list[Picture] = []
    masks: Masks = []
    useless = []
    for path, label, mask in zip(rows["path"], rows["label"], rows["mask"], strict=True):
        picture = decode(data.root / path)
        squares.append(resize(picture, data.spec))
        masks.append(None)
        if label != FAKE or pd.isna(mask):
            continue
        try:
            found = true_mask(data.root / mask, picture, data.spec)
        except ImageError as error:
            useless.append(f"{mask}, which {error}")
            continue
        if found.any():
            masks[-1] = found
        else:
            useless.append(f"{mask}, which marks nothing that the network sees")
    notes = [f"{len(useless)} masks are of no use; the first is {useless[0]}."] if useless else []
    return squares, masks, notes


def _usual(maps: Maps, groups: pd.Series) -> Maps | None:
    """For each image the mean of the maps of all other groups, (n, S, S); None where there is only one group."""
    codes, names = pd.factorize(groups)
    if len(names) < 2:
        return None
    sums = np.stack([maps[codes == code].sum(axis=0) for code in range(len(names))])
    others = maps.sum(axis=0) - sums
    counts = len(maps) - np.bincount(codes)
    return np.asarray((others / counts[:, None, None])[codes], np.float32)


def _overlaps(rows: pd.DataFrame, maps: Maps, usual: Maps | None, masks: Masks, interval: Interval) -> dict[str, Any]:
    have = np.array([mask is not None for mask in masks])
    if not have.any():
        return {"overlap": {}, "overlap_all": None}
    methods, groups = rows["method"].fillna("unknown").to_numpy(), rows["group"].to_numpy()

    def summary(chosen: NDArray[np.bool_]) -> dict[str, Any]:
        forged = np.stack([mask for mask, wanted in zip(masks, chosen, strict=True) if mask is not None and wanted])
        baseline = None if usual is None else overlap(usual[chosen], forged)
        return overlap(maps[chosen], forged).summarise(baseline, list(groups[chosen]), interval)

    parts = {method: summary(have & (methods == method)) for method in sorted(set(methods[have]))}
    return {"overlap": parts, "overlap_all": summary(have)}


def _unchecked(why: str) -> dict[str, Any]:
    return {
        "images": 0, "zero_maps": 0, "deletion": None, "insertion": None, "overlap": {}, "overlap_all": None,
        "notes": [why],
    }  # fmt: skip
