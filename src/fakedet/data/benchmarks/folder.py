"""A folder of your own pictures or videos, or a table that names them.

```
root/real/*.jpg   root/fake/*.jpg                    also 0_real and 1_fake, nature and ai, in any case
root/fake/stylegan/*.png                             a sub-folder of the fake class names the method
root/{train,val,test}/{real,fake}/…                  splits that exist are honoured
root/labels.csv                                      or a CSV or Parquet table with named columns
```

A table needs a column for the file (`path`, `file`, `filename` or `image`) and one for the label
(`label` or `class`: `real`/`fake`, or 0/1 with 1 = fake); `method`, `split` and every other column of
the manifest are taken where they are there.

Pictures are trained on as they lie. Videos (`.mp4`, `.avi`, `.mov`, `.mkv`, `.webm`), and pictures whose faces
are to be cut out, go through `prepare.py` first, with the same folder as `data.raw`; splits and groups come
along: all frames of a video share its group.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from fakedet.data.benchmark import VIDEO_SUFFIXES, Benchmark, Scan, Source, report_strange, walk
from fakedet.data.datamodule import DataModule
from fakedet.data.manifest import COLUMNS, REAL
from fakedet.data.own_table import CLASS_WORDS, SPLIT_WORDS, OwnTable
from fakedet.data.prepared import JOURNAL, RECORD
from fakedet.data.splits import CLASS_NAMES, complete_splits
from fakedet.detector.image import SUFFIXES
from fakedet.errors import UserError, did_you_mean


class Folder(Benchmark):
    """`data=folder`.

    Args:
        root: the folder, or what `prepare.py` made of it.
        raw: the folder, for `prepare.py`.
        manifest: a CSV or Parquet table, relative to the folder; None looks at folders, or, where `group_by`
            names a column, takes the only table in the folder.
        group_by: column of the table whose values no split may cut apart, or `folder` for the folder that
            a file lies in; None takes the table's `group` or `video`, else every file is its own group.
        columns: what the table's columns are called, for example `{path: img, label: is_fake}`.
        options: those of `DataModule`.
    """

    dataset = "folder"
    source = Source(title="your own folder", page="", terms="your own", citation="")
    medium = "image"
    names_people = False
    names_files = False

    def __init__(
        self,
        *,
        root: str,
        raw: str | None = None,
        manifest: str | None = None,
        group_by: str | None = None,
        columns: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(root=root, raw=raw, split="official", **options)
        self.manifest = manifest
        self.group_by = group_by
        self.columns = dict(columns or {})
        for name in self.columns:
            if name not in COLUMNS:
                raise UserError(f"data.columns: a manifest has no {name}{did_you_mean(name, COLUMNS)}.")

    def index(self) -> pd.DataFrame:
        """Rows of the table, of the class folders, or of the prepared manifest."""
        if not self.root.is_dir():
            raise UserError(f"data.root={self.root} is not a folder.")
        if (self.root / RECORD).is_file() or (self.root / JOURNAL).is_file():
            for name in ("manifest", "group_by", "columns"):
                if getattr(self, name):
                    raise UserError(f"data.{name} is prepare.py's to read: data.root={self.root} is prepared already.")
            return super().index()
        found = self._find(self.root, "data.root")
        report_strange(found.strange)
        rows = found.rows
        videos = rows["path"][rows["medium"] == "video"]
        if len(videos):
            raise UserError(
                f"data.root={self.root} holds videos ({videos.iloc[0]}), whose frames are cut out first: "
                f"python src/prepare.py data=folder data.raw={self.root} data.root=<another folder>"
            )
        return _named(rows.drop(columns="medium"), self.root.resolve().name)

    def scan(self, raw: Path) -> Scan:
        """Pictures and videos of the table, or of the class folders."""
        found = self._find(raw, "data.raw")
        empty = found.rows["group"].isna()
        if empty.any():
            first = found.rows["path"][empty].iloc[0]
            raise UserError(
                f"{int(empty.sum())} rows of the table in data.raw={raw} have no group; the first is {first}."
            )
        twice = found.rows["path"][found.rows["path"].duplicated()]
        if len(twice):
            raise UserError(f"The table in data.raw={raw} names {twice.iloc[0]} twice.")
        complete_splits(found.rows, {}, 0)  # splits that training would refuse are refused before the work
        there = pd.Series([(raw / path).is_file() for path in found.rows["path"]], index=found.rows.index)
        gone = dict.fromkeys(found.rows["path"][~there], "the table names it, but it is not there")
        method = found.rows["method"] if "method" in found.rows else pd.Series(None, index=found.rows.index)
        method = method.where(method.notna() | (found.rows["label"] != REAL), "real").fillna("unknown")
        rows = _named(found.rows.assign(method=method), raw.resolve().name)
        return Scan(rows[there], {**found.strange, **gone})

    def divide(self, found: pd.DataFrame) -> pd.DataFrame:
        """As of any images: the splits that the folder has, the others by a hash of the group."""
        return DataModule.divide(self, found)

    def _find(self, top: Path, setting: str) -> Scan:
        by_column = self.group_by is not None and self.group_by != "folder"
        if self.manifest or by_column:
            table = OwnTable(top, setting, self.columns, self.group_by if by_column else None)
            rows = table.read(table.find(self.manifest))
            self._check_files(rows, top, setting)
            found = Scan(rows)
        else:
            found = _read_folders(top, setting)
        labels = set(found.rows["label"])
        for label, name in CLASS_NAMES.items():
            if label not in labels:
                raise UserError(f"{setting}={top} holds no {name} image: a detector needs both classes.")
        if self.group_by == "folder":
            found.rows["group"] = [str(Path(path).parent) for path in found.rows["path"]]
        found.rows["medium"] = [_medium(path) for path in found.rows["path"]]
        return found

    def _check_files(self, rows: pd.DataFrame, top: Path, setting: str) -> None:
        missing = [path for path in rows["path"] if not (top / path).is_file()]
        if len(missing) > self.max_unreadable * len(rows):
            raise UserError(
                f"{len(missing)} of {len(rows)} files of the table are not below {setting}={top}; "
                f"the first is {missing[0]}."
            )


def _named(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Rows with the data set that a table gives them, else called like the folder."""
    return rows.assign(dataset=rows["dataset"].fillna(name) if "dataset" in rows else name)


def _medium(path: str) -> str:
    return "video" if path.lower().endswith(VIDEO_SUFFIXES) else "image"


def _read_folders(top: Path, setting: str) -> Scan:
    folders = sorted(entry for entry in top.iterdir() if entry.is_dir())
    splits: list[tuple[str | None, Path]] = [
        (SPLIT_WORDS[entry.name.lower()], entry) for entry in folders if entry.name.lower() in SPLIT_WORDS
    ]
    if splits and _class_folders(top):
        raise UserError(f"{top} has class folders beside split folders: put all images into splits, or none.")
    rows: list[dict[str, Any]] = []
    strange: dict[str, str] = {}
    for split, parent in splits or [(None, top)]:
        classes = _class_folders(parent)
        if not classes:
            raise UserError(_no_classes(parent, setting))
        for folder in classes:
            label, before = CLASS_WORDS[folder.name.lower()], len(rows)
            for file in sorted(walk(folder)):
                inside, path = file.relative_to(folder).parts, file.relative_to(top).as_posix()
                if not path.lower().endswith((*SUFFIXES, *VIDEO_SUFFIXES)):
                    strange[path] = "it is neither a picture nor a video by its name"
                    continue
                method = "real" if label == REAL else inside[0] if len(inside) > 1 else None
                rows.append({"path": path, "label": label, "method": method, "group": path, "split": split})
            if len(rows) == before:
                raise UserError(f"{folder} holds no image ({', '.join(SUFFIXES)}) and no video.")
    return Scan(pd.DataFrame(rows), strange)


def _class_folders(parent: Path) -> list[Path]:
    return sorted(entry for entry in parent.iterdir() if entry.is_dir() and entry.name.lower() in CLASS_WORDS)


def _no_classes(folder: Path, setting: str) -> str:
    below = sorted(
        {found.parent for found in folder.glob("*/*") if found.name.lower() in CLASS_WORDS and found.is_dir()}
    )
    hint = f"; did you mean {setting}={below[0]}?" if below else "."
    names = ", ".join(f"{real}/{fake}" for real, fake in (("real", "fake"), ("0_real", "1_fake"), ("nature", "ai")))
    return f"{folder} has no class folders ({names}){hint}"
