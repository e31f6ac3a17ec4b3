"""Does a score lean on how files were made? The same images again, both classes re-encoded and scaled alike."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from fakedet.augment.corruptions import by_factor, compressed
from fakedet.augment.suite import CLEAN, Variant
from fakedet.data.datamodule import DataModule
from fakedet.data.splits import CLASS_NAMES
from fakedet.detector.decision import Decision
from fakedet.detector.image import FORMATS
from fakedet.errors import UserError
from fakedet.evaluation.bootstrap import LEVEL, Floats
from fakedet.evaluation.intervals import FEW_GROUPS
from fakedet.evaluation.scoring import decided
from fakedet.evaluation.summary import scored
from fakedet.evaluation.variants import choose_images, face_status, resample_aucs, score_variants, with_interval
from fakedet.models.registry import Network

QUALITY = 90
LEAST_DROP = 0.01  # of the AUC; less is not worth a finding, however sure
_MOST = 0.1  # one picture in ten may be smaller, or more compressed, than what all are brought to
_UNLIKE = 1.05  # medians of the classes that are farther apart are told
_STANDARD_SUM = 3688  # of the luminance table of JPEG's annex K, which is libjpeg's quality 50


@dataclass(frozen=True)
class Alike:
    """Brings any picture to one size and one JPEG quality; what its file carried beside pixels is gone.

    Attributes:
        side: shorter side in pixels.
        quality: of the JPEG compression.
    """

    side: int
    quality: int

    def __call__(self, image: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:  # noqa: ARG002
        """Scale, compress, decode; RGB uint8 of any size to RGB uint8."""
        return compressed(by_factor(image, self.side / min(image.shape[:2])), self.quality)


def shortcut_check(
    network: Network,
    data: DataModule,
    rows: pd.DataFrame,
    device: torch.device,
    decision: Decision,
    *,
    limit: int | None = 2000,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Score images as they are, and again after both classes were scaled and re-encoded alike.

    A detector that tells the classes apart by file format, compression or size loses that, as many do
    (Grommelt et al., "Fake or JPEG? Revealing common biases in generated image detection datasets", ECCV
    workshops 2024). The pictures are brought to what nine of ten of either class have at least: that shorter
    side, the network's own side at most, and that JPEG quality, 90 at most; a file that is no JPEG counts as
    100. The network's own scaling follows, as ever. What is a true trace of forgery, but too faint for that,
    is lost too: a finding says where to look, not what was seen.

    Args:
        network: in evaluation mode.
        data: loads the images; the unreadable ones go to its quarantine.
        rows: of its manifest.
        device: where the network runs.
        decision: what makes a probability of a logit.
        limit: about so many images, both classes alike and groups in turn; None takes all.
        resamples: of the bootstrap over groups, whose draws both scorings share.
        seed: chooses the images and the resamples.

    Returns:
        Plain JSON: before and after (the AUC: value, low, high), drop, low and high (before less after, and
        its interval; None where there is none), finding (whether the drop is beyond chance, 0.01 at least,
        and seen in `FEW_GROUPS` groups at least), images, groups, side and quality (what all were brought to), sizes
        and qualities (class -> low, median, high: tenth, half and nine tenths of the files), bootstrap
        (interval, resamples) and says: a sentence.

    Raises:
        UserError: when no image can be read.
    """
    chosen = choose_images(rows, limit, seed)
    files = pd.DataFrame([_look(data.root / path) for path in chosen["path"]], columns=["side", "quality"])
    classes = {name: files[(chosen["label"] == label).to_numpy()].dropna() for label, name in CLASS_NAMES.items()}
    classes = {name: part for name, part in classes.items() if len(part)}
    if not classes:
        raise UserError(f"None of {len(chosen)} images can be read; the first is {data.root / chosen['path'].iloc[0]}.")
    least = {what: int(min(part[what].quantile(_MOST) for part in classes.values())) for what in files}
    alike = Alike(min(data.spec.size, least["side"]), min(QUALITY, least["quality"]))
    changes = (Variant(CLEAN), alike)
    logits = score_variants(network, data, chosen, device, changes, seed, "Scoring images made alike")

    status = face_status(data, chosen, logits)
    kept, again = (scored(decided(chosen.assign(logit=column, face_status=status), decision)) for column in logits.T)
    scores = [kept["score"].to_numpy(np.float64), again["score"].to_numpy(np.float64)]

    def numbers(aucs: Floats) -> dict[str, Floats]:
        return {"before": aucs[0], "after": aucs[1], "drop": aucs[0] - aucs[1]}

    points, found = resample_aucs(kept["label"], kept["group"], scores, numbers, resamples, seed)
    before, after, drop = (with_interval(name, points, found) for name in numbers(np.zeros((2, 1))))
    # Without an interval although there are groups enough, all resamples have the same drop.
    sure = drop["low"] > 0 if drop["low"] is not None else found is not None
    groups = int(kept["group"].nunique())
    finding = bool(sure and groups >= FEW_GROUPS and drop["value"] is not None and drop["value"] >= LEAST_DROP)
    entry = {
        "before": before,
        "after": after,
        "drop": drop["value"],
        "low": drop["low"],
        "high": drop["high"],
        "finding": finding,
        "images": len(kept),
        "groups": groups,
        "side": alike.side,
        "quality": alike.quality,
        "sizes": {name: _spread(part["side"]) for name, part in classes.items()},
        "qualities": {name: _spread(part["quality"]) for name, part in classes.items()},
        "bootstrap": {"interval": LEVEL, "resamples": resamples},
    }
    return entry | {"says": _sentence(entry)}


def _look(file: Path) -> tuple[float, float]:
    """Shorter side and JPEG quality by the file's header, 100 for what is no JPEG; NaN for what is no picture."""
    try:
        with Image.open(file, formats=FORMATS) as header:
            quality = _quality(header) if isinstance(header, JpegImagePlugin.JpegImageFile) else 100.0
            return float(min(header.size)), quality
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return float("nan"), float("nan")  # the scoring puts it into the quarantine, with the reason


def _quality(header: JpegImagePlugin.JpegImageFile) -> float:
    """libjpeg's quality, from how much coarser or finer the luminance table is than the standard's."""
    scale = sum(header.quantization[min(header.quantization)]) / _STANDARD_SUM
    return round(min(100.0, 100 - 50 * scale if scale <= 1 else max(1.0, 50 / scale)))


def _spread(values: pd.Series) -> dict[str, float]:
    quantiles = values.quantile([_MOST, 0.5, 1 - _MOST])
    return dict(zip(("low", "median", "high"), map(float, quantiles), strict=True))


def _sentence(entry: dict[str, Any]) -> str:
    how = f"scaled to {entry['side']} pixels and compressed with JPEG quality {entry['quality']} alike"
    if entry["drop"] is None:
        return f"Images {how}: no AUC can be given, because not both classes are there."
    interval = "" if entry["low"] is None else f" [{entry['low']:z.3f}, {entry['high']:z.3f}]"
    from_to = f"from {entry['before']['value']:.3f} to {entry['after']['value']:.3f}, by {entry['drop']:z.3f}{interval}"
    unlike = []
    for what, key in (("shorter side in pixels", "sizes"), ("JPEG quality", "qualities")):
        medians = {name: spread["median"] for name, spread in entry[key].items()}
        if max(medians.values()) > _UNLIKE * min(medians.values()):
            unlike.append(f"{what} ({', '.join(f'{name} {median:g}' for name, median in medians.items())})")
    files = f" The files of the classes differ in {' and '.join(unlike)}, at the median." if unlike else ""
    if entry["groups"] < FEW_GROUPS:
        return f"With images {how}, the AUC goes {from_to}, but {entry['groups']} groups are too few to tell.{files}"
    if not entry["finding"]:
        return f"With images {how}, the AUC goes {from_to}: no sign that the score leans on how files were made.{files}"
    return (
        f"With images {how}, the AUC falls {from_to}: the score leans on something that this takes away, such as "
        f"file format, compression or size, or a trace that is as faint.{files}"
    )
