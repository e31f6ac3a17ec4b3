"""Network and rows to the predictions table: the one pass that every number and picture is made from."""

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from rich.progress import Progress

from fakedet.data.datamodule import DataModule
from fakedet.data.images import Loader
from fakedet.detector.decision import Decision
from fakedet.errors import UserError
from fakedet.evaluation.statuses import ABSTAINED, GIVEN, UNREADABLE
from fakedet.models.registry import Network


def choose_device(name: str) -> torch.device:
    """`auto` is a GPU where there is one; anything else is torch's own name for a device.

    Raises:
        UserError: when torch does not know the device, or this machine does not have it.
    """
    if name != "auto":
        try:
            return torch.zeros(1, device=name).device
        except (RuntimeError, AssertionError) as error:
            raise UserError(f"device={name} cannot be used: {str(error).splitlines()[0]}.") from error
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps") if torch.backends.mps.is_available() else torch.device("cpu")


def require_exact_fp32() -> None:
    """Switch off TF32, in which NVIDIA GPUs convolve fp32 numbers by default with ten bits of mantissa."""
    torch.backends.cudnn.allow_tf32 = False


def score(
    network: Network, data: DataModule, rows: pd.DataFrame, device: torch.device, decision: Decision
) -> pd.DataFrame:
    """Score every row, in fp32.

    Args:
        network: in evaluation mode.
        data: loads the images; the unreadable ones go to its quarantine.
        rows: of its manifest, numbered from 0.
        device: where the network runs.
        decision: what makes a probability of a logit.

    Returns:
        The rows with `logit`, `score` (calibrated P(fake)) and `verdict`, missing where the image could not
        be read, and `face_status` (`given`, or `unreadable`).
    """
    logits = logits_of(network, data.evaluation_loader(rows), len(rows), device, "Scoring")
    readable = ~np.isnan(logits) | ~rows["path"].isin(data.quarantine.reasons).to_numpy()
    return decided(rows.assign(logit=logits, face_status=np.where(readable, GIVEN, UNREADABLE)), decision)


def logits_of(network: Network, loader: Loader, count: int, device: torch.device, title: str) -> NDArray[np.float64]:
    """Logits (count,) of what a loader gives, in fp32, by `index`; NaN where it left one out.

    Args:
        network: in evaluation mode.
        loader: of images.
        count: number of its rows.
        device: where the network runs.
        title: of the progress bar.
    """
    network = network.to(device)
    logits = np.full(count, np.nan)
    with torch.inference_mode(), torch.autocast(device.type, enabled=False), Progress(transient=True) as progress:
        task = progress.add_task(title, total=count)
        for batch in loader:
            images = batch["image"].to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)
            logits[batch["index"].numpy()] = network(images).float().cpu().numpy()
            progress.update(task, advance=len(batch["index"]))
    return logits


def decided(predictions: pd.DataFrame, decision: Decision) -> pd.DataFrame:
    """Predictions whose `score` and `verdict` are those of a decision.

    Where there is no logit there is neither; but who abstains says 0.5 and `uncertain`.
    """
    logits = predictions["logit"].to_numpy(dtype="float64")
    known = ~np.isnan(logits)
    probabilities = np.full(len(logits), np.nan)
    probabilities[known] = decision.probability(logits[known])
    verdicts = pd.Series(pd.NA, index=predictions.index, dtype="string")
    verdicts[known] = decision.verdict(probabilities[known])
    abstained = (predictions["face_status"] == ABSTAINED).to_numpy()
    probabilities[abstained], verdicts[abstained] = 0.5, "uncertain"
    return predictions.assign(score=probabilities, verdict=verdicts)
