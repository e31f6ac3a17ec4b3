"""Rows of a predictions table to pictures with their heat maps."""

import numpy as np
import pandas as pd
import torch

from fakedet.data.datamodule import DataModule
from fakedet.detector.image import decode, normalise, resize
from fakedet.explain.gradcam import heatmaps
from fakedet.figures.panel import PanelItem
from fakedet.models.registry import Network


def choose_rows(rows: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """A fixed sample: up to `count` reals and as many fakes, the same for the same rows and seed."""
    rng = np.random.default_rng(seed)
    chosen = [
        part.iloc[np.sort(rng.choice(len(part), min(count, len(part)), replace=False))]
        for _, part in rows.groupby("label")
    ]
    return pd.concat(chosen) if chosen else rows


def explain_rows(network: Network, data: DataModule, predictions: pd.DataFrame) -> list[PanelItem]:
    """Pictures, Grad-CAM maps and scores of rows that were scored.

    Args:
        network: what scored them.
        data: where their images lie, and how they are preprocessed.
        predictions: rows with `path`, `label` and `score`; those without a score are left out.

    Returns:
        One item a row, in their order; without a map where the network has none.
    """
    readable = predictions[predictions["score"].notna()]
    squares = [resize(decode(data.root / path), data.spec) for path in readable["path"].astype(str)]
    if not squares:
        return []
    device = next(network.parameters()).device
    images = torch.from_numpy(np.stack([normalise(square, data.spec) for square in squares])).to(device)
    maps = [None] * len(squares) if network.cam_layer is None else list(heatmaps(network, images).cpu().numpy())
    return [
        PanelItem(image=square, heat=heat, score=float(score), label=int(label), name=str(path))
        for square, heat, score, label, path in zip(
            squares, maps, readable["score"], readable["label"], readable["path"], strict=True
        )
    ]
