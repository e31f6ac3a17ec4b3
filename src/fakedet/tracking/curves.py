"""Curves with fewer points and the same shape."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

POINTS = 500


def thin(x: ArrayLike, y: ArrayLike, points: int = POINTS) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At most `points` of a curve's own points, spread evenly along its drawn length.

    A point that is left out follows a kept one by less than 1 / (points - 1) of the drawn length
    (each axis scaled to its range), so steep parts keep as much detail as flat ones; both ends stay.

    Args:
        x: Shape (n,), finite, in drawing order.
        y: Shape (n,), finite.
        points: The most points to keep, at least 2.

    Returns:
        x and y of the kept points, each of shape (min(n, points),) or less.

    Raises:
        ValueError: The two differ in length, or hold a value that is not finite.
    """
    curve = np.stack([np.asarray(x, np.float64), np.asarray(y, np.float64)])
    if not np.isfinite(curve).all():
        raise ValueError("a curve's points must be finite")
    if curve.shape[1] > points:
        extent = np.ptp(curve, axis=1, keepdims=True)
        scaled = np.diff(curve / np.where(extent > 0, extent, 1))
        length = np.concatenate([[0.0], np.hypot(*scaled).cumsum()])
        kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], points)))
        curve = curve[:, kept]
    return curve[0], curve[1]
