"""What a file is held to before it gets its name, each a number and its limit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table

from fakedet.detector.card import DetectorCard
from fakedet.detector.heatmap import enlarge
from fakedet.detector.onnx import LOGIT, MAP, PROBABILITY
from fakedet.detector.scorer import ModelError
from fakedet.errors import UserError
from fakedet.explain.gradcam import heatmaps
from fakedet.export.session import Session
from fakedet.metrics import ranked
from fakedet.metrics.ranking import Ranking
from fakedet.models.registry import Network

SCORE_LIMIT = 1e-4
PROBABILITY_LIMIT = 1e-6  # fp32 tells probabilities apart to 6e-8
MAP_LIMIT = 0.999
AUC_LIMIT = 0.005
_BATCH = 16
Images = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Gate:
    """One comparison.

    Attributes:
        title: what is compared.
        value: what was found.
        limit: what it may be at most, or has to be at least.
        at_least: which of both.
    """

    title: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def held(self) -> bool:
        """Whether it is within its limit; what is not a number never is."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def bound(self) -> str:
        """The limit in words."""
        return f"at {'least' if self.at_least else 'most'} {self.limit:g}"


def parity(network: Network, card: DetectorCard, session: Session, images: Images) -> list[Gate]:
    """The fp32 file against PyTorch: scores, calibrated probabilities, and maps where it has any.

    Args:
        network: what was exported, in evaluation mode.
        card: of the file.
        session: that runs the file.
        images: real ones, normalised, (n, 3, S, S).

    Raises:
        ModelError: when the network itself gives what is no number.
    """
    logits, maps = _by_torch(network, images, with_maps=session.has_maps)
    found = {name: np.concatenate(parts) for name, parts in _by_file(session, images).items()}
    gates = [
        Gate(
            "score against PyTorch, largest difference",
            _largest(_logistic(found[LOGIT]) - _logistic(logits)),
            SCORE_LIMIT,
        ),
        probability(card, found),
    ]
    if maps is not None:
        size = card.preprocess.size
        likeness = [cosine(enlarge(small, size), large) for small, large in zip(found[MAP], maps, strict=True)]
        gates.append(Gate("map against Grad-CAM, lowest cosine", min(likeness), MAP_LIMIT, at_least=True))
    return gates


def probability(card: DetectorCard, found: dict[str, NDArray[np.float32]]) -> Gate:
    """The file's calibrated probability against what its decision makes of its own logit."""
    wanted = card.decision.calibration(found[LOGIT].astype(np.float64))
    return Gate("calibrated probability, largest difference", _largest(found[PROBABILITY] - wanted), PROBABILITY_LIMIT)


def auc_change(labels: NDArray[np.int64], before: Floats, after: Floats) -> Gate:
    """AUC of int8 against that of fp32 on the same images, (n,) each.

    Raises:
        UserError: when they are of one class.
    """
    if len(np.unique(labels)) < 2:
        raise UserError(
            "quantize=int8 is checked by its AUC, but the validation images are all of one class: name other data "
            "with data=…."
        )
    first, second = (float(ranked.auc(Ranking(labels, logits).counts())) for logits in (before, after))
    return Gate(f"AUC of int8 ({second:.4f}) against fp32 ({first:.4f}), change", abs(second - first), AUC_LIMIT)


def cosine(one: Images, other: Images) -> float:
    """Of two maps as vectors; two that are all zero are equal, and one that is zero is unlike any other."""
    lengths = float(np.linalg.norm(one)), float(np.linalg.norm(other))
    if 0 in lengths:
        return float(lengths[0] == lengths[1])
    return float(np.sum(one.astype(np.float64) * other) / (lengths[0] * lengths[1]))


def table(gates: Sequence[Gate], title: str) -> Table:
    """A row for each gate."""
    found = Table("gate", "found", "limit", "", title=title, title_justify="left")
    for gate in gates:
        found.add_row(
            gate.title,
            f"{gate.value:.3g}" if not gate.at_least else f"{gate.value:.6f}",
            gate.bound,
            "held" if gate.held else "BROKEN",
        )
    return found


def enforce(gates: Sequence[Gate]) -> None:
    """Raise a `UserError` that names what is broken, if anything is."""
    broken = [f"{gate.title}, is {gate.value:.4g} and has to be {gate.bound}" for gate in gates if not gate.held]
    if broken:
        raise UserError(
            f"The file does not answer as the checkpoint does, and nothing was written: {'; '.join(broken)}."
        )


def _by_torch(network: Network, images: Images, with_maps: bool) -> tuple[Floats, Images | None]:
    logits, maps = [], []
    for batch in torch.from_numpy(images).split(_BATCH):
        with torch.inference_mode():
            logits.append(network(batch).double().numpy())
        if with_maps:
            maps.append(heatmaps(network, batch).numpy())
    found = np.concatenate(logits)
    if not np.isfinite(found).all():
        raise ModelError(
            "The checkpoint gives scores that are not finite numbers: its weights are broken; train again."
        )
    return found, np.concatenate(maps) if maps else None


def _by_file(session: Session, images: Images) -> dict[str, list[NDArray[np.float32]]]:
    parts: dict[str, list[NDArray[np.float32]]] = {}
    for start in range(0, len(images), _BATCH):
        for name, values in session.run(images[start : start + _BATCH]).items():
            parts.setdefault(name, []).append(values)
    return parts


def _logistic(logits: NDArray[np.floating]) -> Floats:
    return np.asarray(np.exp(-np.logaddexp(0.0, -logits.astype(np.float64))))


def _largest(differences: NDArray[np.floating]) -> float:
    return float(np.abs(differences).max())
