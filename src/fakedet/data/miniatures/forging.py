"""Forged clips: a face of another, or the same face made to look different, blended into every frame."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fakedet.data.miniatures.actors import Clip, Picture, moved_mask, paste, portrait, soft_ellipse


@dataclass(frozen=True)
class Method:
    """How a face is forged.

    Attributes:
        centre: of the forged ellipse, in pixels of the portrait.
        axes: its half axes.
        feather: width of its soft edge.
        reenacts: whether the target's own face is bent, instead of another's laid over it.
        matches: whether the colours of the source are brought to those of the target.
    """

    centre: tuple[int, int] = (64, 84)
    axes: tuple[int, int] = (36, 40)
    feather: int = 5
    reenacts: bool = False
    matches: bool = True


# By the names of FaceForensics++ (Rössler et al., ICCV 2019), after what each leaves behind: two swaps with
# and without matched colours, an expression taken over, a mouth rendered anew, a swap that blends better.
METHODS = {
    "Deepfakes": Method(),
    "Face2Face": Method(reenacts=True),
    "FaceSwap": Method(feather=1, matches=False),
    "NeuralTextures": Method(centre=(64, 101), axes=(27, 19), feather=4, reenacts=True),
    "FaceShifter": Method(axes=(42, 46), feather=9),
}


def forge(clip: Clip, target: str, source: str, method: str, seed: int) -> tuple[list[Picture], list[Picture]]:
    """Forge every frame of a clip.

    Args:
        clip: the target's, see `actors.film`.
        target: identity in the clip.
        source: identity whose face is laid over the target's; a reenactment does not show it.
        method: one of `METHODS`.
        seed: of the tree.

    Returns:
        The frames, equal to the clip's where the mask is 0, and their masks: (180, 240), uint8, 255 where
        forged.
    """
    how = METHODS[method]
    cut = soft_ellipse(how.centre, how.axes, how.feather)
    face = portrait(target, seed)
    face = _bent(face) if how.reenacts else portrait(source, seed)
    if how.matches and not how.reenacts:
        face = _matched(face, portrait(target, seed), cut)
    frames = [paste(frame, face, cut, move) for frame, move in zip(clip.frames, clip.moves, strict=True)]
    masks = [np.where(moved_mask(cut, move) > 0, 255, 0).astype(np.uint8) for move in clip.moves]
    return frames, masks


def _bent(face: Picture) -> Picture:
    """The mouth opened and widened, at half the resolution: an expression that somebody else had."""
    height, width = face.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    near = np.exp(-(((x - 64) / 26) ** 2) - ((y - 101) / 16) ** 2)
    bent = cv2.remap(
        face, (x - (x - 64) * 0.35 * near).astype(np.float32), (y - (y - 96) * 0.5 * near).astype(np.float32),
        cv2.INTER_LINEAR,
    )  # fmt: skip
    small = cv2.resize(bent, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _matched(face: Picture, like: Picture, cut: NDArray[np.float32]) -> Picture:
    """Mean and deviation of each channel as in another portrait (Reinhard et al., 2001), in RGB."""
    inside = cut > 0.5
    values, wanted = face[inside].astype(np.float64), like[inside].astype(np.float64)
    scale = wanted.std(axis=0) / values.std(axis=0)
    return np.asarray(np.rint((face - values.mean(axis=0)) * scale + wanted.mean(axis=0)).clip(0, 255), np.uint8)
