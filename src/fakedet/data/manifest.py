"""The table that every other part reads: one row an image, label 1 = fake."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fakedet.errors import UserError

SPLITS = ("train", "val", "test")
REAL, FAKE = 0, 1

# Column -> pandas dtype. Every manifest has all of them, in this order; what is not known is missing.
COLUMNS = {
    "path": "string",  # relative to the data set's root, with forward slashes
    "label": "int8",  # 1 = fake
    "dataset": "string",
    "method": "string",  # `real`, or the generator's or forgery's name where it is known
    "video": "string",  # unique across data sets and methods
    "frame": "Int64",
    "source_clip": "string",
    "group": "string",  # what no split may cut apart
    "target_identity": "string",
    "source_identity": "string",
    "compression": "string",
    "mask": "string",  # path of the forgery's true mask
    "split": "string",
    "width": "Int64",
    "height": "Int64",
    "face_box": "string",
    "face_score": "Float64",
    "sha256": "string",
    "phash": "string",
}
REQUIRED = ("path", "label", "dataset", "group", "split")
# What all frames of a video share.
OF_ITSELF = "picture "  # before such a name, which else would be a path
HARMLESS = "./"  # before what a spreadsheet would compute
OF_A_VIDEO = ("label", "dataset", "method", "compression", "group", "split")
# What a manifest has before a protocol gives it groups and splits.
PREPARED = ("path", "label", "dataset", "method")


def complete(rows: pd.DataFrame, required: Sequence[str] = REQUIRED) -> pd.DataFrame:
    """Rows with all columns of the schema, in its order and types, sorted by path.

    Args:
        rows: any columns.
        required: columns without which the rows are of no use.

    Raises:
        UserError: when a required value is missing, a label is neither 0 nor 1, a split is unknown,
            or a path stands twice; it names the first such row.
    """
    absent = [name for name in required if name not in rows]
    if absent:
        raise UserError(f"The manifest lacks the column {', '.join(absent)}.")
    for name in required:
        missing = rows[name].isna()
        if missing.any():
            raise UserError(f"{int(missing.sum())} rows have no {name}; the first is {rows[missing].iloc[0]['path']}.")
    checks = {
        "a label other than 0 (real) and 1 (fake)": ~rows["label"].isin([REAL, FAKE]),
        "a path that stands twice": rows["path"].duplicated(),
    }
    if "split" in rows:
        unknown = rows["split"].notna() & ~rows["split"].isin(SPLITS)
        checks[f"a split other than {', '.join(SPLITS)}"] = unknown
    for what, wrong in checks.items():
        if wrong.any():
            raise UserError(f"{int(wrong.sum())} rows have {what}; the first is {rows[wrong].iloc[0]['path']}.")
    full = rows.reindex(columns=list(COLUMNS)).assign(**_numbers(rows)).astype(COLUMNS)
    return full.sort_values("path", ignore_index=True)


def _numbers(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """The columns of numbers as such: a table may have them as text, and whole ones as 7.0."""
    found = {}
    for name in (name for name, kind in COLUMNS.items() if kind in ("Int64", "Float64") and name in rows):
        found[name] = pd.to_numeric(rows[name], errors="coerce").astype("Float64")
        wrong = rows[name].notna() & (found[name].isna() | ((found[name] % 1 != 0) & (COLUMNS[name] == "Int64")))
        if wrong.any():
            first = rows[wrong].iloc[0]
            kind = "whole number" if COLUMNS[name] == "Int64" else "number"
            raise UserError(
                f"{int(wrong.sum())} rows have a {name} that is no {kind}: {first['path']} has {first[name]}."
            )
    return found


def check_videos(rows: pd.DataFrame) -> None:
    """Refuse frames of one `video` that differ in what all frames of a video share.

    Raises:
        UserError: naming the video and what differs.
    """
    frames = rows[rows["video"].notna()]
    codes, _ = pd.factorize(frames["video"])
    first = np.unique(codes, return_index=True)[1]
    for column in OF_A_VIDEO:
        values = pd.factorize(frames[column])[0] if column in frames else codes
        unequal = np.flatnonzero(values != values[first][codes])
        if len(unequal):
            frame, other = frames.iloc[unequal[0]], frames.iloc[first[codes[unequal[0]]]]
            raise UserError(
                f"Video {frame['video']} has more than one {column} ({other[column]} and {frame[column]}): give every "
                "video of the manifest a name of its own, across data sets and methods."
            )


def protocol_hash(rows: pd.DataFrame) -> str:
    """Hash over which image has which label in which split and group: 16 hexadecimal digits.

    It depends neither on the order of the rows nor on the folder that the images lie in.
    """
    lines = sorted(rows[["path", "label", "group", "split"]].astype(str).agg("\t".join, axis=1))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def for_a_table(path: str) -> str:
    """A relative path that a spreadsheet does not take for a formula: the same file, whatever it is called."""
    return f"{HARMLESS}{path}" if path.startswith(("=", "+", "-", "@", "\t", "\r")) else path


def of_itself(names: pd.Series) -> pd.Series:
    """Source clips of pictures that nobody names: good for a split, and no evidence that two pictures are one."""
    return OF_ITSELF + names


def check_inside(paths: pd.Series, where: object) -> None:
    """Refuse paths that lead out of the folder that they are relative to.

    Raises:
        UserError: naming the first, and `where` it stands.
    """
    outside = paths.astype("string").str.contains(r"^/|(?:^|/)\.\.(?:/|$)", regex=True)
    if outside.any():
        raise UserError(f"{where} names {paths[outside].iloc[0]!r:.200}, which does not lie below its folder.")


def write_table(rows: pd.DataFrame, path: Path) -> None:
    """Write as Parquet; a reader sees the old file or the whole new one, never half of it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    rows.to_parquet(partial, index=False)  # with what `rows.attrs` says, as JSON
    partial.replace(path)


def read(path: Path, required: Sequence[str] = REQUIRED) -> pd.DataFrame:
    """Read a manifest written by `write_table`; `required` as in `complete`.

    Raises:
        UserError: when the file is no Parquet table or not a manifest.
    """
    try:
        rows = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a Parquet table: {error}.") from error
    rows = complete(rows, required)
    for name in ("path", "mask"):
        check_inside(rows[name].dropna(), path)
    return rows
