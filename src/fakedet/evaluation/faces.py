"""Pictures in which no face was found: what becomes of them, and what share of the data has a score."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from fakedet.data.benchmark import Benchmark
from fakedet.data.datamodule import DataModule
from fakedet.data.images import Loader
from fakedet.data.splits import CLASS_NAMES
from fakedet.data.whole import WholePictures
from fakedet.detector.decision import Decision
from fakedet.detector.spec import NO_FACE as POLICIES
from fakedet.errors import UserError, did_you_mean
from fakedet.evaluation.scoring import decided, logits_of
from fakedet.evaluation.statuses import ABSTAINED, NO_FACE, UNREADABLE, WHOLE_IMAGE, WITHOUT_SCORE
from fakedet.models.registry import Network


def check_policy(policy: str, data: DataModule) -> None:
    """Refuse what cannot be done with the data, before anything is scored.

    Raises:
        UserError: for an unknown policy, and for `whole_image` without the download that the pictures are in.
    """
    if policy not in POLICIES:
        raise UserError(f"no_face={policy}{did_you_mean(policy, POLICIES)} is not one of {', '.join(POLICIES)}.")
    if policy == "whole_image" and len(data.missed):
        if not isinstance(data, Benchmark):
            raise UserError("no_face=whole_image needs one data set with its download: choose exclude or abstain here.")
        if data.raw is None:
            raise UserError("no_face=whole_image reads the pictures from the download: name it with data.raw=….")


def score_missed(
    network: Network, data: DataModule, rows: pd.DataFrame, device: torch.device, decision: Decision, policy: str
) -> pd.DataFrame:
    """Predictions of what has no crop: no score, that of somebody who knows nothing, or that of the whole picture.

    Args:
        network: in evaluation mode.
        data: whose `missed` the rows are.
        rows: numbered from 0.
        device: where the network runs.
        decision: what makes a probability of a logit.
        policy: `exclude`, `abstain` or `whole_image`.

    Returns:
        The rows as of `scoring.score`; `face_status` is `no face`, `abstained`, `whole image` or `unreadable`.
    """
    if policy != "whole_image":
        status = {"exclude": NO_FACE, "abstain": ABSTAINED}[policy]
        return decided(rows.assign(logit=np.nan, face_status=status), decision)
    assert isinstance(data, Benchmark)
    assert data.raw is not None
    pictures = WholePictures(rows, data.raw, data.spec)
    loader = Loader(pictures, data.quarantine, workers=data.workers, batch_size=data.batch_size)
    logits = logits_of(network, loader, len(rows), device, "Scoring whole pictures")
    unread = np.isnan(logits) & rows["path"].isin(data.quarantine.reasons).to_numpy()
    return decided(rows.assign(logit=logits, face_status=np.where(unread, UNREADABLE, WHOLE_IMAGE)), decision)


def coverage(predictions: pd.DataFrame, policy: str) -> dict[str, Any]:
    """What share of the images has a score, for `metrics.json`.

    Args:
        predictions: all rows of a split, with `label` and `face_status`.
        policy: for pictures without a face.

    Returns:
        `share` with a score, of all images, and of `real` and `fake` ones (None where there are none); the
        `policy`; and how many show `no_face`, whatever became of them.
    """
    has = ~predictions["face_status"].isin(WITHOUT_SCORE)
    by_class = {name: has[predictions["label"] == label] for label, name in CLASS_NAMES.items()}
    return {
        "share": float(has.mean()),
        **{name: float(part.mean()) if len(part) else None for name, part in by_class.items()},
        "policy": policy,
        "no_face": int(predictions["face_status"].isin([NO_FACE, ABSTAINED, WHOLE_IMAGE]).sum()),
    }
