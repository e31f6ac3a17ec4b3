"""A folder of your own images, or a table that names them.

```
root/real/*.jpg   root/fake/*.jpg                    also 0_real and 1_fake, nature and ai, in any case
root/fake/stylegan/*.png                             a sub-folder of the fake class names the method
root/{train,val,test}/{real,fake}/…                  splits that exist are honoured
root/labels.csv                                      or a CSV or Parquet table with named columns
```

A table needs a column for the file (`path`, `file`, `filename` or `image`) and one for the label
(`label` or `class`: `real`/`fake`, or 0/1 with 1 = fake); `method`, `split` and every other column of
the manifest are taken where they are there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from fakedet.data.datamodule import DataModule
from fakedet.data.manifest import COLUMNS, FAKE, REAL
from fakedet.data.splits import CLASS_NAMES
from fakedet.detector.image import SUFFIXES
from fakedet.errors import UserError, did_you_mean

CLASS_FOLDERS = {"real": REAL, "0_real": REAL, "nature": REAL, "fake": FAKE, "1_fake": FAKE, "ai": FAKE}
SPLIT_FOLDERS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
TABLE_SUFFIXES = (".csv", ".parquet")
_ALIASES = {"path": ("path", "file", "filename", "image"), "label": ("label", "class")}
_LABEL_WORDS = {**CLASS_FOLDERS, "0": REAL, "1": FAKE, "0.0": REAL, "1.0": FAKE}


class Folder(DataModule):
    """`data=folder`.

    Args:
        root: the folder.
        manifest: a CSV or Parquet table, relative to `root`; None looks at folders, or, where `group_by`
            names a column, takes the only table in `root`.
        group_by: column of the table whose values no split may cut apart, or `folder` for the folder that
            an image lies in; None makes every image its own group.
        columns: what the table's columns are called, for example `{path: img, label: is_fake}`.
        options: those of `DataModule`.
    """

    def __init__(
        self,
        *,
        root: str,
        manifest: str | None = None,
        group_by: str | None = None,
        columns: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(root=root, **options)
        self.manifest = manifest
        self.group_by = group_by
        self.columns = dict(columns or {})
        for name in self.columns:
            if name not in COLUMNS:
                raise UserError(f"data.columns: a manifest has no {name}{did_you_mean(name, COLUMNS)}.")

    def index(self) -> pd.DataFrame:
        """Rows of the table, or of the class folders."""
        if not self.root.is_dir():
            raise UserError(f"data.root={self.root} is not a folder.")
        by_column = self.group_by is not None and self.group_by != "folder"
        rows = self._from_table(self._table()) if self.manifest or by_column else self._from_folders()
        labels = set(rows["label"])
        for label, name in CLASS_NAMES.items():
            if label not in labels:
                raise UserError(f"data.root={self.root} holds no {name} image: a detector needs both classes.")
        if self.group_by == "folder":
            rows["group"] = [str(Path(path).parent) for path in rows["path"]]
        return rows.assign(dataset=self.root.resolve().name)

    def _from_folders(self) -> pd.DataFrame:
        folders = sorted(entry for entry in self.root.iterdir() if entry.is_dir())
        splits: list[tuple[str | None, Path]] = [
            (SPLIT_FOLDERS[entry.name.lower()], entry) for entry in folders if entry.name.lower() in SPLIT_FOLDERS
        ]
        if splits and self._class_folders(self.root):
            raise UserError(f"{self.root} has class folders beside split folders: put all images into splits, or none.")
        rows: list[dict[str, Any]] = []
        for split, parent in splits or [(None, self.root)]:
            classes = self._class_folders(parent)
            if not classes:
                raise UserError(self._no_classes(parent))
            for folder in classes:
                label = CLASS_FOLDERS[folder.name.lower()]
                files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
                if not files:
                    raise UserError(f"{folder} holds no image ({', '.join(SUFFIXES)}).")
                for file in files:
                    inside = file.relative_to(folder).parts
                    method = "real" if label == REAL else inside[0] if len(inside) > 1 else None
                    path = file.relative_to(self.root).as_posix()
                    rows.append({"path": path, "label": label, "method": method, "group": path, "split": split})
        return pd.DataFrame(rows)

    def _class_folders(self, parent: Path) -> list[Path]:
        return sorted(entry for entry in parent.iterdir() if entry.is_dir() and entry.name.lower() in CLASS_FOLDERS)

    def _no_classes(self, folder: Path) -> str:
        below = sorted(
            {found.parent for found in folder.glob("*/*") if found.name.lower() in CLASS_FOLDERS and found.is_dir()}
        )
        hint = f"; did you mean data.root={below[0]}?" if below else "."
        names = ", ".join(f"{real}/{fake}" for real, fake in (("real", "fake"), ("0_real", "1_fake"), ("nature", "ai")))
        return f"{folder} has no class folders ({names}){hint}"

    def _table(self) -> Path:
        if self.manifest:
            table = self.root / self.manifest
            if not table.is_file() or table.suffix not in TABLE_SUFFIXES:
                raise UserError(f"data.manifest={table} is not a CSV or Parquet file.")
            return table
        tables = sorted(entry for entry in self.root.iterdir() if entry.suffix in TABLE_SUFFIXES)
        if len(tables) != 1:
            found = ", ".join(table.name for table in tables) or "none"
            raise UserError(
                f"data.group_by={self.group_by} needs a table with that column: name it with data.manifest "
                f"(found in {self.root}: {found})."
            )
        return tables[0]

    def _from_table(self, file: Path) -> pd.DataFrame:
        try:
            table = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file, dtype=str)
        except (OSError, ValueError) as error:
            raise UserError(f"{file} cannot be read as a table: {str(error).splitlines()[0]}.") from error
        if table.empty:
            raise UserError(f"{file} has no rows.")
        rows = pd.DataFrame({name: table[name] for name in COLUMNS if name in table})
        for name, column in self.columns.items():
            rows[name] = table[self._column(table, column, file)]
        for name, aliases in _ALIASES.items():
            if name not in self.columns:
                known = [alias for alias in aliases if alias in table]
                if not known:
                    wanted = " or ".join(aliases)
                    raise UserError(
                        f"{file} has no column {wanted} but {', '.join(map(str, table))}; name it with data.columns."
                    )
                rows[name] = table[known[0]]
        if rows["path"].isna().any():
            raise UserError(f"{int(rows['path'].isna().sum())} rows of {file} name no file.")
        rows["path"] = [self._relative(str(path), file) for path in rows["path"]]
        rows["label"] = self._labels(rows, file)
        if self.group_by and self.group_by != "folder":
            rows["group"] = table[self._column(table, self.group_by, file)].astype("string")
        elif "group" not in rows:
            rows["group"] = rows["path"]
        if "split" in rows:
            rows["split"] = self._splits(rows, file)
        self._check_files(rows)
        return rows

    def _column(self, table: pd.DataFrame, name: str, file: Path) -> str:
        if name not in table:
            raise UserError(f"{file} has no column {name}; it has {', '.join(map(str, table))}.")
        return name

    def _relative(self, path: str, file: Path) -> str:
        inside = Path(path)
        if inside.is_absolute() and inside.is_relative_to(self.root.resolve()):
            inside = inside.relative_to(self.root.resolve())
        if inside.is_absolute() or ".." in inside.parts:
            raise UserError(f"{file} names {path}, which does not lie below data.root={self.root}.")
        return inside.as_posix()

    def _labels(self, rows: pd.DataFrame, file: Path) -> pd.Series:
        labels = rows["label"].astype(str).str.strip().str.lower().map(_LABEL_WORDS)
        if labels.isna().any():
            strange = rows.loc[labels.isna(), "label"].iloc[0]
            raise UserError(f"{file} has the label {strange!r}; use real and fake, or 0 and 1 with 1 = fake.")
        return labels

    def _splits(self, rows: pd.DataFrame, file: Path) -> pd.Series:
        given = rows["split"].astype("string").str.strip().str.lower()
        splits = given.map(SPLIT_FOLDERS)
        unknown = given[splits.isna() & given.notna()]
        if len(unknown):
            raise UserError(f"{file} has the split {unknown.iloc[0]!r}; use train, val and test.")
        return splits

    def _check_files(self, rows: pd.DataFrame) -> None:
        missing = [path for path in rows["path"] if not (self.root / path).is_file()]
        if len(missing) > self.max_unreadable * len(rows):
            raise UserError(
                f"{len(missing)} of {len(rows)} files of the table are not below data.root={self.root}; "
                f"the first is {missing[0]}."
            )
