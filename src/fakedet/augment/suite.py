"""Which corruptions a detector is tried on: what a file of `conf/robustness` declares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fakedet.augment.corruptions import CORRUPTIONS, Image, by_factor, check, compressed, corrupt, scaled
from fakedet.errors import UserError, did_you_mean
from fakedet.instantiation import buildable

CLEAN, SURFACE = "clean", "surface"
_AXES = ("jpeg", "downscale")  # of the surface
_BOTH = " and ".join(_AXES)


@dataclass(frozen=True)
class Variant:
    """One change with one strength.

    Attributes:
        corruption: one of `CORRUPTIONS`, `clean`, or `surface`: scaled down, compressed as JPEG at that size,
            and scaled up again.
        strength: of the corruption; of the surface the JPEG quality, where None does not compress.
        scale: of the surface alone: the share of the side.
    """

    corruption: str
    strength: float | None = None
    scale: float | None = None

    @property
    def simplest(self) -> "Variant":
        """The variant of the same pixels that says it most shortly, so that they are made and scored once."""
        if self.corruption == SURFACE and self.scale == 1:
            return Variant(CLEAN) if self.strength is None else Variant("jpeg", self.strength)
        if self.corruption == SURFACE and self.strength is None:
            return Variant("downscale", self.scale)
        if self.corruption in CORRUPTIONS and self.strength == CORRUPTIONS[self.corruption].neutral:
            return Variant(CLEAN)
        return self

    def __call__(self, image: Image, seed: int) -> Image:
        """The changed picture, RGB uint8; see `corrupt`."""
        plain = self.simplest
        if plain.corruption == CLEAN:
            return image
        if plain.corruption == SURFACE:
            assert plain.strength is not None
            assert plain.scale is not None
            small = compressed(by_factor(image, plain.scale), round(plain.strength))
            return scaled(small, *image.shape[:2])
        assert plain.strength is not None
        return corrupt(image, plain.corruption, plain.strength, seed)


@dataclass(frozen=True)
class Suite:
    """What a detector is tried on.

    Attributes:
        variants: in the order of the file, `clean` first, the surface last.
        images: about so many images are scored, both classes alike and groups in turn; None scores all.
        seed: chooses the images, and is behind all that is random in a corruption.
    """

    variants: tuple[Variant, ...]
    images: int | None
    seed: int


@buildable
def build_suite(
    corruptions: Mapping[str, Sequence[float]],
    surface: Mapping[str, Sequence[float]] | None,
    images: int | None,
    seed: int,
) -> Suite:
    """Check what a config declares.

    Args:
        corruptions: name -> strengths, from mild to severe.
        surface: `jpeg` (qualities) and `downscale` (shares of the side) that are tried together, beside
            pictures that are not compressed and not scaled; None tries none.
        images: see `Suite`.
        seed: see `Suite`.

    Raises:
        UserError: for an unknown corruption, a strength that it cannot have or that stands twice, and a
            number of images or a seed that is none.
    """
    if images is not None and (type(images) is not int or images < 2):
        raise UserError(f"robustness.images={images} is no whole number from 2 on; null takes all images.")
    if type(seed) is not int or seed < 0:
        raise UserError(f"robustness.seed={seed} is no whole number from 0 on.")
    variants = [Variant(CLEAN)]
    for name, strengths in corruptions.items():
        variants += [Variant(name, strength) for strength in _checked(f"corruptions.{name}", name, strengths)]
    if len(variants) == 1:
        raise UserError("robustness.corruptions is empty: declare one at least, such as corruptions: {jpeg: [75]}.")
    if surface is not None:
        for name in surface:
            if name not in _AXES:
                raise UserError(f"robustness.surface has no axis {name}{did_you_mean(name, _AXES)}: it has {_BOTH}.")
        if len(surface) < len(_AXES):
            raise UserError(f"robustness.surface={dict(surface)} needs {_BOTH}; null leaves the surface out.")
        qualities, scales = (_checked(f"surface.{name}", name, surface[name]) for name in _AXES)
        variants += [
            Variant(SURFACE, quality, scale)
            for quality in (None, *qualities)
            for scale in (1.0, *(scale for scale in scales if scale != 1))
        ]
    return Suite(tuple(variants), images, seed)


def _checked(setting: str, name: str, strengths: Sequence[float]) -> list[float]:
    if isinstance(strengths, str) or not isinstance(strengths, Sequence) or not strengths:
        raise UserError(f"robustness.{setting}={strengths} is no list of strengths, such as [1, 2, 3].")
    for strength in strengths:
        check(name, strength)
    if len(set(strengths)) < len(strengths):
        raise UserError(f"robustness.{setting}={list(strengths)} names a strength twice.")
    return [float(strength) for strength in strengths]
