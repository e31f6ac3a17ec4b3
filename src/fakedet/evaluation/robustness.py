"""How a detector stands what pictures meet on their way: its AUC after many declared corruptions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from fakedet.augment.corruptions import CORRUPTIONS
from fakedet.augment.suite import CLEAN, SURFACE, Suite
from fakedet.data.datamodule import DataModule
from fakedet.detector.decision import Decision
from fakedet.errors import UserError
from fakedet.evaluation.bootstrap import LEVEL, Floats
from fakedet.evaluation.levels import to_videos
from fakedet.evaluation.scoring import decided
from fakedet.evaluation.summary import scored
from fakedet.evaluation.variants import choose_images, face_status, resample_aucs, score_variants, with_interval
from fakedet.figures.canvas import Figure
from fakedet.figures.robustness import Panel, panels_figure, surface_figure
from fakedet.models.registry import Network

Key = tuple[str, float | None, float | None]  # corruption, strength, scale

_KEPT = ["path", "label", "group", "video"]


def corrupted_scores(
    network: Network,
    data: DataModule,
    rows: pd.DataFrame,
    device: torch.device,
    decision: Decision,
    suite: Suite,
    limit: int | None = None,
) -> pd.DataFrame:
    """Score images as they are and after every corruption, in one pass, in fp32.

    Args:
        network: in evaluation mode.
        data: loads the images; the unreadable ones go to its quarantine.
        rows: of its manifest.
        device: where the network runs.
        decision: what makes a probability of a logit.
        suite: what is tried, and on how many images.
        limit: about so many images; None takes the suite's number.

    Returns:
        One row for each image and variant, the variants in the suite's order and `clean` first: `path`,
        `label`, `group`, `video`, `face_status`, `corruption`, `strength` (missing for `clean`), `scale` (of
        `surface` alone, where a missing strength is no JPEG), `logit` and `score` (calibrated P(fake); both missing
        where the image could not be read).
    """
    chosen = choose_images(rows, suite.images if limit is None else limit, suite.seed)
    simplest = [variant.simplest for variant in suite.variants]
    distinct = list(dict.fromkeys(simplest))
    logits = score_variants(network, data, chosen, device, distinct, suite.seed, "Scoring corrupted images")
    kept = chosen[_KEPT].assign(face_status=face_status(data, chosen, logits))
    tables = [
        kept.assign(
            corruption=variant.corruption,
            strength=np.nan if variant.strength is None else variant.strength,
            scale=np.nan if variant.scale is None else variant.scale,
            logit=logits[:, distinct.index(plain)],
        )
        for variant, plain in zip(suite.variants, simplest, strict=True)
    ]
    return decided(pd.concat(tables, ignore_index=True), decision).drop(columns="verdict")


def summarise_robustness(
    table: pd.DataFrame, resamples: int = 1000, seed: int = 0, pooling: str = "mean"
) -> dict[str, Any]:
    """What the scores after corruption say, of plain JSON types.

    Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations",
    ICLR 2019, average error rates over severities and then over corruptions, relative to AlexNet's. No detector
    is such a common measure here, so the mean is of the AUC itself, and of what it loses against the clean
    images. All intervals are of one bootstrap over groups, whose draws all variants share.

    Args:
        table: what `corrupted_scores` gave.
        resamples: bootstrap resamples behind the intervals.
        seed: of the resamples.
        pooling: how the scores of a video's frames become the video's.

    Returns:
        images, real, fake, groups, unreadable, bootstrap (interval, resamples) and levels: `frame`, and
        `video` where videos are known, which has its pooling too. Each level has units (how many images or
        videos), clean (value, low, high: the AUC, each None where there is none), mean_corruption (auc and
        loss, each value, low, high:
        the mean over strengths, then over corruptions), corruptions (name -> list of strength, auc and loss)
        and surface: None, or jpeg (qualities, None first, which is without compression), downscale (shares of
        the side, 1 first) and auc (a row for each quality).

    Raises:
        UserError: when not every corruption has the same images, or a readable image has no score.
    """
    clean = table[table["corruption"] == CLEAN]
    readable = scored(clean)
    levels = {"frame": _level(table, None, resamples, seed)}
    if readable["video"].notna().any():
        levels["video"] = {**_level(table, pooling, resamples, seed), "pooling": pooling}
    return {
        "images": len(readable),
        "real": int((readable["label"] == 0).sum()),
        "fake": int((readable["label"] == 1).sum()),
        "groups": int(readable["group"].nunique()),
        "unreadable": len(clean) - len(readable),
        "bootstrap": {"interval": LEVEL, "resamples": resamples},
        "levels": levels,
    }


def robustness_figures(level: Mapping[str, Any]) -> dict[str, Figure]:
    """Figures of one level of `summarise_robustness`, by title: `Corruptions`, and `JPEG and scale`."""
    clean, surface = level["clean"], level["surface"]
    panels = [_panel(name, entries, clean) for name, entries in level["corruptions"].items()]
    figures = {"Corruptions": panels_figure(panels, _number(clean["value"]))}
    if surface is not None:
        auc = np.array([[_number(value) for value in row] for row in surface["auc"]])
        qualities = ["none" if quality is None else f"{quality:g}" for quality in surface["jpeg"]]
        figures["JPEG and scale"] = surface_figure(auc, qualities, [f"{scale:g}" for scale in surface["downscale"]])
    return figures


def _panel(name: str, entries: Sequence[Mapping[str, Any]], clean: Mapping[str, Any]) -> Panel:
    """One corruption's line: the clean images before its strengths, or where they lie between two directions."""
    corruption = CORRUPTIONS[name]
    points = [(entry["strength"], entry["auc"]) for entry in entries]
    place, neutral = 0, corruption.neutral
    if neutral is not None and min(points)[0] < neutral < max(points)[0]:
        points.sort(key=lambda point: point[0])
        place = sum(strength < neutral for strength, _ in points)
    labels = [f"{strength:g}" for strength, _ in points]
    labels.insert(place, CLEAN)
    values = [auc for _, auc in points]
    values.insert(place, clean)
    auc, low, high = (np.array([_number(value[key]) for value in values]) for key in ("value", "low", "high"))
    return Panel(corruption.title, corruption.unit, labels, auc, low, high)


def _level(table: pd.DataFrame, pooling: str | None, resamples: int, seed: int) -> dict[str, Any]:
    keys, first, scores = _matrix(table, pooling)
    names = dict.fromkeys(key[0] for key in keys if key[0] not in (CLEAN, SURFACE))
    places = {name: [place for place, key in enumerate(keys) if key[0] == name] for name in names}

    def numbers(aucs: Floats) -> dict[str, Floats]:
        both = {"auc": aucs, "loss": aucs[0] - aucs}
        means = {
            f"mean {what}": np.mean([values[chosen].mean(axis=0) for chosen in places.values()], axis=0)
            for what, values in both.items()
        }
        return means | {f"{place} {what}": row for what, rows in both.items() for place, row in enumerate(rows)}

    points, found = resample_aucs(first["label"], first["group"], scores, numbers, resamples, seed)

    def shown(prefix: object) -> dict[str, Any]:
        return {what: with_interval(f"{prefix} {what}", points, found) for what in ("auc", "loss")}

    return {
        "units": len(first),
        "clean": shown(0)["auc"],
        "mean_corruption": shown("mean"),
        "corruptions": {
            name: [{"strength": keys[place][1], **shown(place)} for place in chosen] for name, chosen in places.items()
        },
        "surface": _surface({key[1:]: points[f"{place} auc"] for place, key in enumerate(keys) if key[0] == SURFACE}),
    }


def _matrix(table: pd.DataFrame, pooling: str | None) -> tuple[list[Key], pd.DataFrame, list[pd.Series]]:
    """The variants, `clean` first, the images or pooled videos of the first one, and the scores of each variant."""
    keys: list[Key] = []
    parts: list[pd.DataFrame] = []
    for _, part in table.groupby(["corruption", "strength", "scale"], dropna=False, sort=False):
        name, (strength, scale) = str(part["corruption"].iloc[0]), part[["strength", "scale"]].iloc[0]
        keys.append((name, None if np.isnan(strength) else strength, None if np.isnan(scale) else scale))
        parts.append(scored(part if pooling is None else to_videos(part, pooling)).reset_index(drop=True))
        if not parts[-1]["path"].equals(parts[0]["path"]):
            raise UserError(f"Not every corruption has the same images, {name} has others: score them all again.")
    if not keys or keys[0][0] != CLEAN:
        raise UserError("The scores after corruption do not begin with those of the clean images: score them again.")
    return keys, parts[0], [part["score"] for part in parts]


def _surface(auc: Mapping[tuple[float | None, float | None], float]) -> dict[str, Any] | None:
    if not auc:
        return None
    qualities, scales = (list(dict.fromkeys(key[axis] for key in auc)) for axis in (0, 1))
    rows = [[auc[quality, scale] for scale in scales] for quality in qualities]
    plain = [[None if np.isnan(value) else value for value in row] for row in rows]
    return {"jpeg": qualities, "downscale": scales, "auc": plain}


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
