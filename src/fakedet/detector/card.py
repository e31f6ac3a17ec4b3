"""What a shipped file says of itself, and is held to."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from fakedet.detector.decision import Decision
from fakedet.detector.spec import PreprocessSpec
from fakedet.detector.trained_on import TrainedOn
from fakedet.errors import UserError

FORMAT = 1
LABELS = ("real", "fake")
RULE = "a picture is as suspicious as the most suspicious of its faces"


@dataclass(frozen=True)
class DetectorCard:
    """Everything that a detector knows of itself beside its weights; plain JSON in and out.

    Attributes:
        model: the network's name.
        preprocess: how pictures become its input.
        decision: what makes probability and verdict of a logit.
        protocol: name of the protocol that the training data were split by.
        protocol_hash: over the rows it was trained, validated and tested on.
        training: summary of the training: `datasets` (names), `images` (number), and `metrics`, the numbers of
            `metrics.json` by split, as far as they are known.
        trained_on: kind (`file`, `video`, `source_clip`, `identity`) -> digests of what it was trained on, as text.
        precision: `fp32` or `int8`.
        licence: what may be done with the file, a sentence.
    """

    model: str
    preprocess: PreprocessSpec
    decision: Decision
    protocol: str
    protocol_hash: str
    training: Mapping[str, Any]
    trained_on: Mapping[str, str]
    precision: str
    licence: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` gives the same card back."""
        plain = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {
            "format": FORMAT,
            "labels": list(LABELS),
            "rule": RULE,
            **plain,
            "preprocess": self.preprocess.to_json(),
            "decision": self.decision.to_json(),
            "training": dict(self.training),
            "trained_on": dict(self.trained_on),
        }

    @classmethod
    def from_json(cls, values: Any) -> "DetectorCard":
        """The card of such a dict, each part checked.

        Raises:
            UserError: for another format, and for a part that is missing or not what it should be.
        """
        if not isinstance(values, Mapping):
            raise UserError("the card is no mapping of names to values.")
        if values.get("format") != FORMAT:
            raise UserError(f"the card has format {values.get('format')!r:.40}, this version reads {FORMAT}.")
        missing = [entry.name for entry in fields(cls) if entry.name not in values]
        if missing:
            raise UserError(f"the card lacks {', '.join(missing)}.")
        for name in ("model", "protocol", "protocol_hash", "precision", "licence"):
            if not isinstance(values[name], str):
                raise UserError(f"the card's {name} is not a text.")
        for name in ("preprocess", "training", "trained_on"):
            if not isinstance(values[name], Mapping):
                raise UserError(f"the card's {name} is no mapping of names to values.")
        TrainedOn.from_json(values["trained_on"])
        datasets = values["training"].get("datasets", [])
        if not isinstance(datasets, list) or not all(isinstance(name, str) for name in datasets):
            raise UserError("the card's training.datasets is no list of names.")
        return cls(
            **{entry.name: values[entry.name] for entry in fields(cls) if entry.name not in ("preprocess", "decision")},
            preprocess=PreprocessSpec.from_json(values["preprocess"]),
            decision=Decision.from_json(values["decision"]),
        )
