"""Near-duplicate pictures between two splits: candidates by perceptual hash, confirmed on pixels.

A 64-bit pHash alone (Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010) takes
aligned faces for one another, so the gradients of small grey thumbnails decide.
"""

import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fakedet.data.audit.progress import in_threads
from fakedet.detector.image import ImageError, decode

Integers = NDArray[np.int64]
Hashes = NDArray[np.uint64]

# Chosen on 16,000 face crops of DFDC. Of 4,512 pairs of different originals within 8 bits, the 30 above 0.95 all show
# one moment of one clip; the first pair of two people comes at 0.935. Of 1,200 pictures of six sets, 99 to 100 % are
# found again at JPEG 20, at a quarter of the size, brighter, blurred or noisy; cut by 2 % at each side, 3 %.
DISTANCE = 8
CORRELATION = 0.95
NEAREST = 16  # candidates that are looked at of one picture

_BANDS = (13, 13, 13, 13, 12)  # eight differing bits leave one of five bands with at most one of them
_COPIES = 4  # of one hash that are kept: a thousand black frames must not become a million pairs
_ROWS = 1024  # pictures looked up at once
_PAIRS = 1_000_000  # pairs compared at once, by one thread: some 40 MB
_SIDE = 32  # of the thumbnails


def candidates(late: Hashes, early: Hashes) -> tuple[Integers, Integers, Integers]:
    """Pairs of hashes that differ in at most `DISTANCE` bits, the `NEAREST` of each late one.

    Multi-index hashing (Norouzi et al., "Fast Search in Hamming Space with Multi-Index Hashing", CVPR 2012):
    hashes that differ by little agree, but for one bit, in one band of bits at least.

    Args:
        late: (a,).
        early: (b,).

    Returns:
        Positions in `late`, positions in `early`, and distances, (pairs,) each, sorted by the first two.
    """
    index = _Index(early)
    chunks = [np.arange(start, min(start + _ROWS, len(late))) for start in range(0, len(late), _ROWS)]
    none = np.zeros(0, np.int64)
    found = [(none, none, none), *in_threads(lambda rows: index.near(late[rows], rows), chunks, "Comparing hashes")]
    i, j, distances = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return i, j, distances


class _Index:
    """Hashes sorted by each of their bands."""

    def __init__(self, hashes: Hashes) -> None:
        order = np.argsort(hashes, kind="stable")
        starts = np.searchsorted(hashes[order], hashes[order])
        self.rows = order[np.arange(len(order)) - starts < _COPIES]
        self.bands = []
        for bits, shift in zip(_BANDS, np.cumsum((0, *_BANDS[:-1])), strict=True):
            keys = _band(hashes[self.rows], bits, shift)
            order = np.argsort(keys, kind="stable")
            first = np.searchsorted(keys[order], np.arange((1 << bits) + 1))
            self.bands.append((bits, shift, hashes[self.rows[order]], self.rows[order], first))

    def near(self, hashes: Hashes, rows: Integers) -> tuple[Integers, Integers, Integers]:
        """The nearest of each hash, which stands in the given row."""
        found = []
        for bits, shift, sorted_hashes, sorted_rows, first in self.bands:
            keys = _band(hashes, bits, shift)
            for flipped in (0, *(1 << bit for bit in range(bits))):
                begin = first[keys ^ flipped]
                counts = first[(keys ^ flipped) + 1] - begin
                for part in _parts(counts):
                    i = np.repeat(np.arange(len(hashes))[part], counts[part])
                    offsets = np.cumsum(counts[part]) - counts[part]
                    place = np.arange(len(i)) + np.repeat(begin[part] - offsets, counts[part])
                    distances = np.bitwise_count(hashes[i] ^ sorted_hashes[place])
                    close = np.flatnonzero(distances <= DISTANCE)
                    found.append((i[close], sorted_rows[place[close]], distances[close].astype(np.int64)))
        i, j, distances = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.lexsort((j, distances, i))
        i, j, distances = i[order], j[order], distances[order]
        fresh = np.append(True, (np.diff(i) != 0) | (np.diff(j) != 0))[: len(i)]  # a pair may come from several bands
        i, j, distances = i[fresh], j[fresh], distances[fresh]
        nearest = np.arange(len(i)) - np.searchsorted(i, i) < NEAREST
        return rows[i[nearest]], j[nearest], distances[nearest]


def _band(hashes: Hashes, bits: int, shift: int) -> Integers:
    return ((hashes >> np.uint64(shift)) & np.uint64((1 << bits) - 1)).astype(np.int64)


def _parts(counts: Integers) -> list[slice]:
    """Runs of rows with at most `_PAIRS` pairs together, or of one row."""
    bins = (np.cumsum(counts) - 1) // _PAIRS
    edges = np.flatnonzero(np.diff(bins)) + 1
    return list(itertools.starmap(slice, itertools.pairwise((0, *edges.tolist(), len(counts)))))


def correlations(files: Sequence[Path], i: Integers, j: Integers, scratch: Path) -> NDArray[np.float64]:
    """How alike pairs of pictures are: the correlation of their gradients, at 32 × 32 pixels in grey.

    Re-encoding, scaling and another brightness leave it near 1. What cannot be read, or is of one colour,
    is like nothing.

    Args:
        files: pictures.
        i: positions in `files`, (pairs,).
        j: the same of the other picture.
        scratch: folder for a temporary file, so that a million thumbnails fill no memory.

    Returns:
        (pairs,), from -1 to 1.
    """
    used, places = np.unique(np.concatenate([i, j]), return_inverse=True)
    if not len(used):
        return np.zeros(0)
    with tempfile.TemporaryFile(dir=scratch) as file:
        thumbnails = np.memmap(file, np.uint8, "w+", shape=(len(used), _SIDE, _SIDE))
        pictures = in_threads(lambda row: _thumbnail(files[row]), used.tolist(), "Comparing pictures")
        for place, picture in enumerate(pictures):
            thumbnails[place] = picture
        values = np.empty(len(i))
        for start in range(0, len(i), _ROWS):
            part = slice(start, min(start + _ROWS, len(i)))
            one, other = (_gradients(thumbnails[side[part]]) for side in (places[: len(i)], places[len(i) :]))
            values[part] = np.einsum("ij,ij->i", one, other)
    return values


def _thumbnail(file: Path) -> NDArray[np.uint8]:
    try:
        grey = cv2.cvtColor(decode(file), cv2.COLOR_RGB2GRAY)
    except ImageError:
        return np.zeros((_SIDE, _SIDE), np.uint8)
    return np.asarray(cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _gradients(thumbnails: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Unit vectors of horizontal and vertical differences: (n, 32, 32) to (n, 1800)."""
    grey = thumbnails.astype(np.float64)
    across = grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2]
    down = grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1]
    both = np.concatenate([across, down], axis=1).reshape(len(grey), -1)
    both -= both.mean(axis=1, keepdims=True)
    return np.asarray(both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-9))
