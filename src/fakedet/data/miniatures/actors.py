"""People who do not exist: portraits made from two photographs, moving in front of backgrounds of their own."""

import hashlib
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fakedet.data.photographs import photographs, random_crop
from fakedet.detector.image import decode

Picture = NDArray[np.uint8]
Matrix = NDArray[np.float64]

WIDTH, HEIGHT = 240, 180  # of a frame
_CANVAS = (128, 150)  # of a portrait, (width, height); every portrait has eyes and mouth in these places:
_LANDMARKS = ((46.0, 66.0), (82.0, 66.0), (64.0, 101.0))
_HEAD = ((64, 79), (55, 70))  # centre and half axes of what is cut out of the photograph
# Left eye, right eye and middle of the mouth, in pixels, as MTCNN finds them.
_FACES = {
    "astronaut": ((206, 102), (249, 105), (226, 143)),
    "grace_hopper": ((226, 195), (313, 190), (273, 280)),
}


def generator(*parts: object) -> np.random.Generator:
    """A random generator that follows from what it is for: the same parts, the same numbers, on every machine."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


@dataclass(frozen=True)
class Clip:
    """One actor in front of one background.

    Attributes:
        frames: RGB, (`HEIGHT`, `WIDTH`, 3), uint8.
        moves: for each frame the (2, 3) matrix from portrait to frame, in pixels.
    """

    frames: list[Picture]
    moves: list[Matrix]


@cache
def portrait(identity: str, seed: int) -> Picture:
    """The face of an identity, with hair and shoulders, eyes and mouth where all portraits have them.

    A blend of both photographs; its shape, hue, light, side, hair and collar are drawn for this identity.

    Args:
        identity: any name; the same name and seed give the same face.
        seed: of the tree.

    Returns:
        RGB, (150, 128, 3), uint8.
    """
    rng = generator(seed, "portrait", identity)
    first, second = _faces() if rng.random() < 0.5 else _faces()[::-1]
    share = rng.uniform(0.0, 0.45)
    mixed = cv2.addWeighted(first, 1 - share, second, share, 0)
    if rng.random() < 0.5:
        mixed = mixed[:, ::-1]
    bent = cv2.remap(mixed, *_warp(rng), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    lit = _dressed(_recoloured(np.asarray(bent, np.uint8), rng), rng) * _light(rng)
    return np.asarray(lit.clip(0, 255), np.uint8)


def film(identity: str, scene: str, frames: int, seed: int) -> Clip:
    """Let an actor move about: a smooth path, with a little turning and coming closer.

    Args:
        identity: see `portrait`.
        scene: names background and path; the same actor looks alike in two scenes.
        frames: how many, at 25 a second.
        seed: of the tree.

    Returns:
        The clip; every frame shows the whole face, some 70 pixels wide.
    """
    rng = generator(seed, "scene", identity, scene)
    background = _background(rng)
    face, cut = portrait(identity, seed), head_mask()
    moves = _path(rng, frames)
    return Clip([paste(background, face, cut, move) for move in moves], moves)


def paste(frame: Picture, face: Picture, cut: NDArray[np.float32], move: Matrix) -> Picture:
    """Lay a portrait over a frame.

    Args:
        frame: RGB, (`HEIGHT`, `WIDTH`, 3), uint8; it is not changed.
        face: RGB, of a portrait's size.
        cut: (150, 128), float32 in [0, 1]: how much of the portrait is seen.
        move: (2, 3), from portrait to frame.

    Returns:
        The frame with the face: untouched where `cut` is 0.
    """
    moved = cv2.warpAffine(face, move, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT_101)
    alpha = moved_mask(cut, move)[..., None]
    return np.asarray(np.rint(frame + (moved - frame.astype(np.float32)) * alpha), np.uint8)


def moved_mask(cut: NDArray[np.float32], move: Matrix) -> NDArray[np.float32]:
    """A mask of the portrait as it lies in the frame: (`HEIGHT`, `WIDTH`), float32 in [0, 1]."""
    return np.asarray(cv2.warpAffine(cut, move, (WIDTH, HEIGHT)), np.float32)


def soft_ellipse(centre: tuple[int, int], axes: tuple[int, int], feather: int) -> NDArray[np.float32]:
    """A mask in portrait coordinates, 1 inside, 0 outside, with an edge of about `feather` pixels."""
    mask = np.zeros(_CANVAS[::-1], np.float32)
    inner = (axes[0] - feather, axes[1] - feather)
    cv2.ellipse(mask, centre, inner, 0, 0, 360, 1.0, -1)
    return np.asarray(cv2.blur(mask, (2 * feather + 1, 2 * feather + 1)), np.float32)


@cache
def head_mask() -> NDArray[np.float32]:
    """What of a portrait is laid over the background."""
    return soft_ellipse(*_HEAD, feather=5)


@cache
def scenes() -> list[Picture]:
    """The photographs without a face, RGB."""
    return [decode(photograph.path) for photograph in photographs() if photograph.name not in _FACES]


@cache
def _faces() -> list[Picture]:
    """Both faces on the portrait's canvas."""
    found = {photograph.name: photograph.path for photograph in photographs()}
    faces = []
    for name, points in _FACES.items():
        move = cv2.getAffineTransform(np.array(points, np.float32), np.array(_LANDMARKS, np.float32))
        blur = 0.5 / np.sqrt(abs(np.linalg.det(move[:, :2])))  # against aliasing, the more the face is shrunk
        image = cv2.GaussianBlur(decode(found[name]), (0, 0), blur)
        faces.append(np.asarray(cv2.warpAffine(image, move, _CANVAS, borderMode=cv2.BORDER_REFLECT_101), np.uint8))
    return faces


def _warp(rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A slight bend: rounder or longer, wider or narrower towards the chin."""
    y, x = np.mgrid[: _CANVAS[1], : _CANVAS[0]].astype(np.float32)
    across, down = (x - 64) / 64, (y - 79) / 70
    wide, chin, bend = rng.uniform(-1, 1, 3)
    return (
        (x + 4 * wide * np.sin(np.pi * across) + 4 * chin * across * down).astype(np.float32),
        (y + 4 * bend * np.sin(np.pi * down)).astype(np.float32),
    )


def _recoloured(face: Picture, rng: np.random.Generator) -> NDArray[np.float64]:
    hsv = cv2.cvtColor(face, cv2.COLOR_RGB2HSV).astype(np.float64)
    hsv[..., 0] = (hsv[..., 0] + rng.uniform(-10, 10)) % 180
    hsv[..., 1] = (hsv[..., 1] * rng.uniform(0.6, 1.3)).clip(0, 255)
    hsv[..., 2] = (255 * (hsv[..., 2] / 255) ** rng.uniform(0.7, 1.4)).clip(0, 255)
    return np.asarray(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB), np.float64)


def _dressed(face: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Hair or hat, and collar, in colours of their own."""
    y = np.arange(_CANVAS[1])[:, None, None]
    hair, collar = 1 / (1 + np.exp((y - rng.uniform(34, 46)) / 2)), 1 / (1 + np.exp((124 - y) / 2))
    for part in (hair, collar):
        face = face * (1 - 0.8 * part) + rng.uniform(0, 230, 3) * 0.8 * part
    return face


def _light(rng: np.random.Generator) -> NDArray[np.float64]:
    """A lamp at one side: (150, 128, 1), about 1 in the middle."""
    y, x = np.mgrid[-1 : 1 : _CANVAS[1] * 1j, -1 : 1 : _CANVAS[0] * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    return np.asarray(1 + rng.uniform(0.15, 0.5) * (x * np.cos(angle) + y * np.sin(angle)))[..., None]


def _background(rng: np.random.Generator) -> Picture:
    """A tinted piece of a scene, out of focus: nothing in it is taken for a face."""
    piece = random_crop(scenes()[rng.integers(len(scenes()))], rng, WIDTH)[:HEIGHT]
    smooth = cv2.GaussianBlur(piece, (0, 0), 5)
    return np.asarray((smooth * rng.uniform(0.5, 1.1, 3)).clip(0, 255), np.uint8)


def _path(rng: np.random.Generator, frames: int) -> list[Matrix]:
    """From portrait to frame, at a speed that does not depend on how long the clip is."""
    phase = rng.uniform(0, 2 * np.pi, 4)
    centre = np.array([WIDTH / 2, HEIGHT / 2]) + rng.uniform(-1, 1, 2) * (14, 3)
    moves = []
    for time in np.arange(frames) / 25:
        turn, closer = 5 * np.sin(4 * time + phase[0]), 1 + 0.04 * np.sin(5 * time + phase[1])
        move = cv2.getRotationMatrix2D((64, 79), turn, closer)
        sway = np.sin(np.array([3, 6]) * time + phase[2:]) * (25, 6)
        move[:, 2] += centre - (64, 79) + sway
        moves.append(np.asarray(move, np.float64))
    return moves
