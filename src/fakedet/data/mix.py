"""Several prepared data sets as one, with one protocol over all of them."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from itertools import permutations
from pathlib import Path
from typing import Any

import pandas as pd

from fakedet.data import manifest, prepared
from fakedet.data.benchmarks.shipped import Shipped
from fakedet.data.datamodule import DataModule
from fakedet.data.protocols import PROTOCOLS, official
from fakedet.data.sampling import checked_weights
from fakedet.errors import UserError, did_you_mean

# What rows of two sets may share, with the columns that name it.
_SHARED = {"person": ("target_identity", "source_identity"), "clip": ("source_clip", "video")}


class Mix(DataModule):
    """`data=mix`: folders that `prepare.py` made, `data.sets={celebdf: /data/celebdf, ffpp: /data/ffpp}`.

    `identity_disjoint` sees all people and clips at once. `official` honours each set's own split and then
    drops what would leak from one set into another: validation and training rows that share a person or a
    clip with another set's test rows, and training rows that do with another set's validation rows.

    Args:
        root: what the sets' folders are relative to; afterwards the folder that all of them lie in.
        sets: a folder for each name; names are free.
        weights: name -> how often the set is drawn in training beside the others, else 1. It holds among the
            sets that have a place there: below `label`, among those with fakes and those with reals.
        split: the protocol: `official`, or `identity_disjoint`.
        options: those of `DataModule`.
    """

    def __init__(
        self,
        *,
        root: str,
        sets: Mapping[str, str] | None,
        weights: Mapping[str, float] | None = None,
        split: str = "official",
        **options: Any,
    ) -> None:
        super().__init__(root=root, **options)
        if sets is not None and not isinstance(sets, Mapping):
            raise UserError(f"data.sets={sets} names no set: write data.sets={{name: value, …}}.")
        if split not in PROTOCOLS:
            raise UserError(f"data.split={split}{did_you_mean(split, PROTOCOLS)} is not one of {', '.join(PROTOCOLS)}.")
        self.protocol = split
        self.folders = {name: (self.root / str(place)).resolve() for name, place in (sets or {}).items()}
        if self.folders:
            self.root = Path(os.path.commonpath(self.folders.values()))
        self.weights = checked_weights(weights, self.folders, "data.sets", self.balance)

    def index(self) -> pd.DataFrame:
        """Rows of all manifests, their paths relative to the common folder."""
        if not self.folders:
            raise UserError("data.sets names no folder: write data.sets={celebdf: /data/celebdf, dfdc: /data/dfdc}.")
        for (one, outer), (other, inner) in permutations(self.folders.items(), 2):
            if inner.is_relative_to(outer):
                raise UserError(f"data.sets: {other}={inner} lies in {one}={outer}; give each set a folder of its own.")
        records = {name: _record(name, folder) for name, folder in self.folders.items()}
        _check_alike(records)
        self.crops = next(iter(records.values())).face
        return pd.concat([self._rows(name, folder) for name, folder in self.folders.items()], ignore_index=True)

    def faceless(self) -> pd.DataFrame:
        """Rows of the frames and pictures of all sets in which `prepare.py` found no face."""
        kept = {name: folder for name, folder in self.folders.items() if (folder / prepared.MISSED).is_file()}
        return pd.concat([super().faceless(), *(self._rows(*each, prepared.MISSED) for each in kept.items())])

    def divide(self, found: pd.DataFrame) -> pd.DataFrame:
        """Apply the protocol to all sets; rows that it has no place for are dropped and counted in `dropped`."""
        sets = ", ".join(self.folders)
        if self.protocol != "official":
            division = PROTOCOLS[self.protocol](found, self.shares, self.split_seed)
            self.protocol_name, self.dropped = f"mix of {sets}: {division.name}", division.dropped
            return division.rows
        member = self.member(found)
        parts = {name: official(found[member == name], self.shares, self.split_seed) for name in self.folders}
        if all(part.name == "official" for part in parts.values()):
            self.protocol_name = f"mix of {sets}: official"
        else:
            self.protocol_name = f"mix of {', '.join(f'{name} ({part.name})' for name, part in parts.items())}"
        rows, shared = drop_shared(pd.concat([part.rows for part in parts.values()]), member)
        self.dropped = sum((Counter(part.dropped) for part in parts.values()), Counter(shared))
        return rows

    def member(self, rows: pd.DataFrame) -> pd.Series:
        """The name of the set that each row is from."""
        found = pd.Series(pd.NA, index=rows.index, dtype="string")
        for name, folder in self.folders.items():
            found[rows["path"].str.startswith(self._prefix(folder))] = name
        return found

    def called(self, rows: pd.DataFrame) -> pd.DataFrame:
        """As of any data; a path begins with its set's name here, not with its folder's."""
        member = self.member(rows)
        inside = [
            path.removeprefix(self._prefix(self.folders[name])) for path, name in zip(rows["path"], member, strict=True)
        ]
        return rows.assign(path=member + "/" + pd.Series(inside, index=rows.index, dtype="string"))

    def levels(self, rows: pd.DataFrame) -> pd.DataFrame:
        """As of any data; `dataset` is the set's name here."""
        values = super().levels(rows)
        return values.assign(dataset=self.member(rows)) if "dataset" in values else values

    def _prefix(self, folder: Path) -> str:
        inside = folder.relative_to(self.root).as_posix()
        return "" if inside == "." else f"{inside}/"

    def _rows(self, name: str, folder: Path, table: str = prepared.MANIFEST) -> pd.DataFrame:
        rows = manifest.read(folder / table, manifest.PREPARED)
        prefix = self._prefix(folder)
        # Pictures that nothing else names must have the same split wherever the folders lie.
        alone = rows["source_clip"].isna() & rows["video"].isna()
        clip = rows["source_clip"].mask(alone, manifest.of_itself(f"{name}/" + rows["path"]))
        # Two folders may call different groups alike; people and clips that are named alike are taken for the same.
        return rows.assign(
            path=prefix + rows["path"], mask=prefix + rows["mask"], group=f"{name}/" + rows["group"], source_clip=clip
        )


def drop_shared(rows: pd.DataFrame, member: pd.Series) -> tuple[pd.DataFrame, dict[str, int]]:
    """Leave out what leaks from one set into another, of the split that can spare it.

    Args:
        rows: with `split`, people and clips.
        member: the set of each row, by its index.

    Returns:
        The other rows, and reason -> number of rows left out.
    """
    dropped = {}
    for here, there in (("val", "test"), ("train", "test"), ("train", "val")):
        for what, columns in _SHARED.items():
            leaks = _shared(rows, member.loc[rows.index], here, there, columns)
            if leaks.any():
                dropped[f"{here} images that share a {what} with another set's {there} images"] = int(leaks.sum())
                rows = rows[~leaks]
    return rows, dropped


def _shared(rows: pd.DataFrame, member: pd.Series, here: str, there: str, columns: tuple[str, ...]) -> pd.Series:
    """Which rows of one split name what rows of another split and set name too."""
    code = pd.Series(pd.factorize(member)[0], index=rows.index)
    rows = rows.assign(source_clip=rows["source_clip"].mask(rows["source_clip"].str.startswith(manifest.OF_ITSELF)))
    above = rows["split"] == there
    named = pd.concat([pd.DataFrame({"name": rows.loc[above, column], "code": code[above]}) for column in columns])
    ends = named.groupby("name")["code"].agg(["min", "max"])
    found = pd.Series(False, index=rows.index)
    for column in columns:
        for end in ends:
            other = rows[column].map(ends[end]).astype("Float64")
            found |= (other.notna() & (other != code)).fillna(False).astype(bool)
    return found & (rows["split"] == here)


def _record(name: str, folder: Path) -> prepared.Prepared:
    if not (folder / prepared.MANIFEST).is_file():
        raise UserError(f"data.sets: {name}={folder} holds no {prepared.MANIFEST}; make it with prepare.py.")
    return prepared.Prepared.read(folder)


def _check_alike(records: Mapping[str, prepared.Prepared]) -> None:
    """Raise a `UserError` for a set that cannot be a part, and where the crops of two sets tell the sets apart."""
    for name, record in records.items():
        if record.dataset == Shipped.dataset:
            raise UserError(
                f"data.sets: {name} was prepared with data={Shipped.dataset}, whose split is its own: train on it by "
                "itself, or on the sets that it is made of."
            )
    (first, wanted), *others = ((name, _settings(record)) for name, record in records.items())
    for name, found in others:
        differing = [key for key in wanted if wanted[key] != found.get(key)]
        if differing:
            differing = ["faces"] if "faces" in differing else differing
            one, other = (", ".join(f"{key}={side.get(key)}" for key in differing) for side in (wanted, found))
            raise UserError(
                f"data.sets: the images of {first} were prepared with {one}, those of {name} with {other}: "
                "prepare one of them again in the other's way."
            )


def _settings(record: prepared.Prepared) -> dict[str, Any]:
    """What must be the same of all sets."""
    plain = {"faces": record.face is not None, "picture_format": record.picture_format, "whole": record.whole}
    return plain | {f"face.{key}": value for key, value in (asdict(record.face) if record.face else {}).items()}
