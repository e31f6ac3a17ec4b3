"""Augmentation: albumentations transforms, repeatable from a seed and checked when they are built."""

import inspect
import random
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import albumentations
import hydra.utils
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from fakedet.errors import UserError, did_you_mean
from fakedet.instantiation import buildable


class Pipeline:
    """Transforms applied one after the other to uint8 RGB pictures.

    The result depends on the picture and the seed alone: not on earlier calls, on the worker that
    makes it or on the epoch.
    """

    def __init__(self, transforms: Sequence[albumentations.BasicTransform] = ()) -> None:
        """Keep the transforms in their order; none of them leaves pictures as they are."""
        self.transforms = list(transforms)

    def __call__(self, image: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
        """Augment one picture.

        Args:
            image: RGB, (height, width, 3), uint8; it is not changed.
            seed: not negative; the same seed gives the same result.

        Returns:
            RGB, (height, width, 3), uint8.

        Raises:
            UserError: when a transform changes the size or the type.
        """
        # One pair of generators for all: `set_random_seed` would give each transform the same numbers,
        # and all transforms with p=0.5 would then happen together or not at all.
        generator, py_random = np.random.default_rng(seed), random.Random(seed)
        augmented = image
        for transform in self.transforms:
            transform.set_random_state(generator, py_random)
            augmented = transform(image=augmented)["image"]
            if augmented.shape != image.shape or augmented.dtype != np.uint8:
                raise UserError(
                    f"augmentation: {type(transform).__name__} turns a picture of {_form(image)} into "
                    f"{_form(augmented)}; take it out, size and normalisation belong to preprocess."
                )
        return augmented


@buildable
def build(transforms: Iterable[Mapping[str, Any]]) -> Pipeline:
    """Build a pipeline from configs.

    albumentations only warns about an argument that it does not know or cannot use, and goes on with
    its default; here that is an error.

    Args:
        transforms: for each transform its class in `_target_` and its arguments.

    Raises:
        UserError: for what is no transform, or an argument that it does not know or cannot use.
    """
    return Pipeline([_transform(dict(entry)) for entry in transforms])


def _transform(arguments: dict[str, Any]) -> albumentations.BasicTransform:
    target = str(arguments.pop("_target_", None))
    try:
        kind = hydra.utils.get_class(target)
    except (ImportError, ValueError) as error:
        offered = [f"albumentations.{name}" for name in dir(albumentations)]
        raise UserError(f"augmentation: there is no transform {target}{did_you_mean(target, offered)}.") from error
    if not issubclass(kind, albumentations.BasicTransform):
        raise UserError(f"augmentation: {target} is no transform of albumentations.")
    parameters = inspect.signature(kind).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        for name in arguments:
            if name not in parameters:
                meant = did_you_mean(name, parameters)
                raise UserError(f"augmentation: {kind.__name__} has no argument {name}{meant}.")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        try:
            return kind(**arguments)
        except (TypeError, ValueError, UserWarning) as error:
            raise UserError(f"augmentation: {kind.__name__} cannot be built: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return " ".join(str(error).split()).rstrip(".")
    # Each member of a union that does not fit is a problem of its own; the first names the value.
    problem = cause.errors(include_url=False)[0]
    value = f"{problem['loc'][0]}={problem['input']!r}: " if problem["loc"] else ""
    return value + problem["msg"]


def _form(image: NDArray[Any]) -> str:
    return f"{' × '.join(map(str, image.shape))} {image.dtype}"
