"""What a detector's network is seen as from outside; the formats of its file differ in it alone."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fakedet.errors import UserError


class ModelError(UserError):
    """The network was loaded, but what it gives cannot be used: its weights or its engine are broken."""


class Scorer(Protocol):
    """A network with one logit, and perhaps a class-activation map."""

    @property
    def has_maps(self) -> bool:
        """Whether it can say where in its input the evidence lies."""

    def __call__(
        self, inputs: NDArray[np.float32], maps: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
        """Score a batch; called from several threads at once.

        Args:
            inputs: normalised, (n, 3, S, S), contiguous.
            maps: whether maps are wanted.

        Returns:
            Logits (n,), and maps (n, h, w) of what speaks for fake, not normalised, or None.

        Raises:
            ModelError: when the network cannot be run.
        """


def checked_scores(
    scorer: Scorer, inputs: NDArray[np.float32], maps: bool
) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
    """The same, held to being finite numbers: of a NaN no verdict can be made.

    Raises:
        ModelError: when one is not.
    """
    logits, found = scorer(inputs, maps)
    if not np.isfinite(logits).all() or (found is not None and not np.isfinite(found).all()):
        raise ModelError("The network gives scores that are not finite numbers: its weights are broken; export again.")
    return logits, found
