"""What tells files and pictures apart at a glance: SHA-256 digests and perceptual hashes."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from fakedet.data.audit.progress import in_threads
from fakedet.data.datamodule import UNREADABLE, DataModule
from fakedet.detector.image import ImageError, decode
from fakedet.errors import UserError

_SHA256, _PHASH = r"[0-9a-f]{64}", r"[0-9a-f]{16}"


@dataclass(frozen=True)
class Fingerprints:
    """Of every row of a manifest, in its order.

    Attributes:
        digests: first 64 bits of the file's SHA-256, `UNREADABLE` where it cannot be read, int64, (n,).
        hashes: 64-bit pHash of the picture, uint64, (n,).
        readable: whether there is a picture to hash, bool, (n,).
        checked: how many files were held against the manifest's digest.
        edited: rows whose file is another than the manifest's digest says.
    """

    digests: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    readable: NDArray[np.bool_]
    checked: int
    edited: list[int]


@dataclass(frozen=True)
class _File:
    """What one file gave: no hash where none was asked for, or where `problem` says why there is none."""

    digest: int
    edited: bool = False
    phash: int | None = None
    problem: str | None = None


def fingerprints(data: DataModule, check: NDArray[np.int64]) -> Fingerprints:
    """Take them from the manifest where it knows them, else from the files, all of which must be there.

    Args:
        data: prepared; pictures that cannot be read go to its quarantine.
        check: rows whose files are read and held against the manifest's digest in any case.

    Raises:
        UserError: when a file is missing, a digest of the manifest is none, or too many pictures are unreadable.
    """
    _require_files(data)
    paths = data.rows["path"].tolist()
    sha256 = _known_sha256(data.rows)
    known_hashes = _known_hashes(data.rows)
    hashes = np.zeros(len(paths), np.uint64) if known_hashes is None else known_hashes
    digests = np.array([0 if pd.isna(text) else _first_bits(bytes.fromhex(text)) for text in sha256], np.int64)
    readable = np.ones(len(paths), bool)
    wanted = np.array([pd.isna(text) for text in sha256]) | (known_hashes is None)
    wanted[check] = True
    edited: list[int] = []
    to_read = np.flatnonzero(wanted).tolist()
    needs_hash = known_hashes is None

    def read(row: int) -> _File:
        return _read(data.root / paths[row], None if pd.isna(sha256[row]) else sha256[row], needs_hash)

    for row, file in zip(to_read, in_threads(read, to_read, "Reading files"), strict=True):
        digests[row] = file.digest
        if file.edited:
            edited.append(row)
        if file.problem is not None:
            readable[row] = False
            data.quarantine.add(paths[row], file.problem)
        elif file.phash is not None:
            hashes[row] = file.phash
    checked = sum(not pd.isna(sha256[row]) for row in to_read)
    return Fingerprints(digests, hashes, readable, checked, edited)


def _read(path: Path, sha256: str | None, needs_hash: bool) -> _File:
    try:
        content = path.read_bytes()
    except OSError as error:
        return _File(UNREADABLE, problem=f"cannot be read ({error.strerror})")
    digest = hashlib.sha256(content)
    edited = sha256 is not None and digest.hexdigest() != sha256
    bits = _first_bits(digest.digest())
    if not (needs_hash or edited):
        return _File(bits)
    try:
        return _File(bits, edited, phash=int(str(imagehash.phash(Image.fromarray(decode(content)))), 16))
    except ImageError as error:
        return _File(bits, edited, problem=str(error))


def _first_bits(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "big", signed=True)


def _require_files(data: DataModule) -> None:
    paths = data.rows["path"].tolist()
    there = in_threads(lambda path: (data.root / path).is_file(), paths, "Looking for files")
    missing = [path for path, found in zip(paths, there, strict=True) if not found]
    if missing:
        raise UserError(
            f"{len(missing):,} of {len(paths):,} files of the manifest are not below data.root={data.root}, the "
            f"first is {missing[0]}: give the folder that the paths start from, or take these rows out."
        )


def _known_sha256(rows: pd.DataFrame) -> list[str]:
    known = rows["sha256"].str.lower()
    wrong = known.notna() & ~known.str.fullmatch(_SHA256).fillna(True)
    if wrong.any():
        raise UserError(
            f"{int(wrong.sum())} rows have a sha256 that is not 64 hexadecimal digits; the first is "
            f"{rows[wrong].iloc[0]['path']}."
        )
    return known.tolist()


def _known_hashes(rows: pd.DataFrame) -> NDArray[np.uint64] | None:
    """The manifest's own, where every row has one: two kinds of hash in one table could not be compared."""
    if not rows["phash"].str.fullmatch(_PHASH).fillna(False).all():
        return None
    return np.array([int(text, 16) for text in rows["phash"]], np.uint64)
