"""What a detector knows of itself, in words."""

from collections.abc import Mapping
from typing import Any

from fakedet.detector.detector import Detector
from fakedet.detector.spec import PreprocessSpec
from fakedet.detector.terminal import shown


def describe(detector: Detector) -> str:
    """A line a fact: network, input, data, decision, licence and hash."""
    card = detector.card
    training = card.training
    facts = {
        "network": f"{card.model}, {card.precision}, run by {detector.engine}",
        "looks at": _input(card.preprocess),
        "trained on": _data(training),
        "split by": f"{card.protocol} (rows {card.protocol_hash[:16]})",
        "measured": _metrics(training.get("metrics")),
        "decision": card.decision.describe(),
        "threshold": f"{card.decision.threshold:.4g}",
        "licence": card.licence,
        "sha256": detector.sha256 or "not known",
    }
    return "\n".join(f"{name + ':':12}{shown(text)}" for name, text in facts.items() if text)


def _input(spec: PreprocessSpec) -> str:
    pixels = f"{spec.size} × {spec.size} pixels"
    if spec.face is None:
        return f"whole pictures, the middle square at {pixels}"
    without = {"exclude": "nothing", "abstain": "nothing", "whole_image": "the middle square"}[spec.no_face]
    faces = f"every face that {spec.face.finder} finds, {spec.face.margin:g} times its box, at {pixels}"
    return f"{faces}; of a picture without one, {without}"


def _data(training: Mapping[str, Any]) -> str:
    names = ", ".join(str(name) for name in training.get("datasets", ())) or "not recorded"
    images = training.get("images")
    return f"{names}; {images:,} images in its own training" if isinstance(images, int) else names


def _metrics(splits: Any) -> str:
    """`val: auc 0.912, eer 0.13; test: …`, as far as they are plain numbers."""
    if not isinstance(splits, Mapping):
        return ""
    parts = []
    for split, values in splits.items():
        if isinstance(values, Mapping):
            numbers = [f"{name} {value:.3f}" for name, value in values.items() if type(value) is float]
            parts += [f"{split}: {', '.join(numbers)}"] if numbers else []
    return "; ".join(parts)
