"""What a detector needs to be itself: frozen, plain JSON in and out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from fakedet.errors import UserError

INTERPOLATIONS = ("area", "bilinear", "bicubic")


@dataclass(frozen=True)
class PreprocessSpec:
    """How a decoded picture becomes a network's input.

    Attributes:
        crop: `given` takes the picture as it is.
        size: side of the square input, in pixels.
        interpolation: `area` averages when shrinking and is bilinear when enlarging; `bilinear` and
            `bicubic` sample four and sixteen neighbours without anti-aliasing.
        mean: mean of each RGB channel on the scale 0 to 1 (ImageNet's by default).
        std: standard deviation of each RGB channel on the scale 0 to 1.

    Raises:
        UserError: for a value outside these.
    """

    crop: str = "given"
    size: int = 224
    interpolation: str = "area"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        if self.crop != "given":
            raise UserError(f"preprocess.crop={self.crop!r} is not known; choose given.")
        if not 32 <= self.size <= 2048:
            raise UserError(f"preprocess.size={self.size} is not between 32 and 2048 pixels.")
        if self.interpolation not in INTERPOLATIONS:
            known = ", ".join(INTERPOLATIONS)
            raise UserError(f"preprocess.interpolation={self.interpolation!r} is not one of {known}.")
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
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise UserError(f"A preprocessing spec has no field {', '.join(unknown)}.")
        return cls(**values)
