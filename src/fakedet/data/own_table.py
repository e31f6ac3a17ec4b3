"""A table of one's own that names files and labels: a CSV or Parquet file in the folder with the files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fakedet.data.manifest import COLUMNS, FAKE, REAL
from fakedet.errors import UserError

SUFFIXES = (".csv", ".parquet")
CLASS_WORDS = {"real": REAL, "0_real": REAL, "nature": REAL, "fake": FAKE, "1_fake": FAKE, "ai": FAKE}
SPLIT_WORDS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_ALIASES = {"path": ("path", "file", "filename", "image"), "label": ("label", "class")}
_LABEL_WORDS = {**CLASS_WORDS, "0": REAL, "1": FAKE, "0.0": REAL, "1.0": FAKE}


@dataclass(frozen=True)
class OwnTable:
    """How a table is read.

    Attributes:
        folder: that its files lie in.
        setting: what the folder is called in the config, for errors.
        columns: what its columns are called, where not as in the manifest.
        group_by: the column whose values no split may cut apart.
    """

    folder: Path
    setting: str
    columns: Mapping[str, str]
    group_by: str | None

    def find(self, name: str | None) -> Path:
        """The table of that name, or the only one in the folder.

        Raises:
            UserError: when there is no such file, or not exactly one.
        """
        if name:
            table = self.folder / name
            if not table.is_file() or table.suffix not in SUFFIXES:
                raise UserError(f"data.manifest={table} is not a CSV or Parquet file.")
            return table
        tables = sorted(entry for entry in self.folder.iterdir() if entry.suffix in SUFFIXES)
        if len(tables) != 1:
            found = ", ".join(table.name for table in tables) or "none"
            raise UserError(
                f"data.group_by={self.group_by} needs a table with that column: name it with data.manifest "
                f"(found in {self.folder}: {found})."
            )
        return tables[0]

    def read(self, file: Path) -> pd.DataFrame:
        """Rows with `path`, `label` and `group`, and every other column of the manifest that the table has.

        Raises:
            UserError: when it is no table, lacks a column, or has a value that means nothing.
        """
        try:
            table = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file, dtype=str)
        except (OSError, ValueError) as error:
            raise UserError(f"{file} cannot be read as a table: {str(error).splitlines()[0]}.") from error
        if table.empty:
            raise UserError(f"{file} has no rows.")
        rows = self._named(table, file)
        if rows["path"].isna().any():
            raise UserError(f"{int(rows['path'].isna().sum())} rows of {file} name no file.")
        rows["path"] = [self._relative(str(path), file) for path in rows["path"]]
        if "mask" in rows:
            rows["mask"] = [None if pd.isna(mask) else self._relative(str(mask), file) for mask in rows["mask"]]
        rows["label"] = _labels(rows["label"], file)
        if self.group_by:
            rows["group"] = table[_column(table, self.group_by, file)].astype("string")
            if rows["group"].isna().any():
                raise UserError(
                    f"{int(rows['group'].isna().sum())} rows of {file} have no group: {self.group_by} is empty."
                )
        elif "group" not in rows:
            # Frames of one video are one another's likeness.
            rows["group"] = rows["video"].fillna(rows["path"]) if "video" in rows else rows["path"]
        if "split" in rows:
            rows["split"] = _splits(rows["split"], file)
        return rows

    def _named(self, table: pd.DataFrame, file: Path) -> pd.DataFrame:
        rows = pd.DataFrame({name: table[name] for name in COLUMNS if name in table})
        for name, column in self.columns.items():
            rows[name] = table[_column(table, column, file)]
        for name, aliases in _ALIASES.items():
            if name not in self.columns:
                known = [alias for alias in aliases if alias in table]
                if not known:
                    wanted = " or ".join(aliases)
                    raise UserError(
                        f"{file} has no column {wanted} but {', '.join(map(str, table))}; name it with data.columns."
                    )
                rows[name] = table[known[0]]
        return rows

    def _relative(self, path: str, file: Path) -> str:
        inside = Path(path)
        for top in (self.folder.absolute(), self.folder.resolve()):
            if inside.is_absolute() and inside.is_relative_to(top):
                inside = inside.relative_to(top)
        if inside.is_absolute() or ".." in inside.parts:
            raise UserError(f"{file} names {path}, which does not lie below {self.setting}={self.folder}.")
        return inside.as_posix()


def _column(table: pd.DataFrame, name: str, file: Path) -> str:
    if name not in table:
        raise UserError(f"{file} has no column {name}; it has {', '.join(map(str, table))}.")
    return name


def _labels(given: pd.Series, file: Path) -> pd.Series:
    labels = given.astype(str).str.strip().str.lower().map(_LABEL_WORDS)
    if labels.isna().any():
        strange = given[labels.isna()].iloc[0]
        raise UserError(f"{file} has the label {strange!r}; use real and fake, or 0 and 1 with 1 = fake.")
    return labels


def _splits(given: pd.Series, file: Path) -> pd.Series:
    words = given.astype("string").str.strip().str.lower()
    splits = words.map(SPLIT_WORDS)
    unknown = words[splits.isna() & words.notna()]
    if len(unknown):
        raise UserError(f"{file} has the split {unknown.iloc[0]!r}; use train, val and test.")
    return splits
