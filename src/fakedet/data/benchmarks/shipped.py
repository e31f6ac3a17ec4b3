"""What the detector that comes with this project was trained on: face swaps, generated faces, generated pictures.

```
dfdc_faces/{real,fake}/*.jpg, labels.csv (file, label, original)      face crops of DFDC clips
hard_fake_vs_real/{images,val_images}/{real,fake}/*.jpg               photographs of faces, StyleGAN2 faces
generated/stylegan1/{real,fake}/*.jpg                                 FFHQ, StyleGAN
generated/stable_diffusion_v1/{real,fake}/*.jpg                       COCO and ImageNet, Stable Diffusion v1
generated/photoreal/{real,fake}/*.jpg                                 photographs, photo-like pictures
generated/many_models/fake/<model>__<prompt>.jpg                      some forty generators
generated/models_2022/fake/<model>__<prompt>__<model>-<n>.jpg         the generators of 2022
photographs/real/*.jpg                                                ImageNet photographs
```

`prepare.py data=shipped face.margin=1.0 whole=always` cuts the faces out of all but the DFDC crops, which are cut
so already, and keeps every picture whole beside its face. Any folder may be missing. Each is a `dataset` and is split
by itself: DFDC by `original`; pictures so that near-duplicates stay together; pictures with a known generator so that
those of the test share neither generator nor prompt with those trained on, whatever `test_share` says, and those of
validation no prompt; what crosses is dropped. For validation and testing a picture is what the detector will make of
it: its face, or all of it where no face was found.

Research data: DFDC's licence (Dolhansky et al., "The DeepFake Detection Challenge Dataset", 2020) and the others'
allow research; see the model card for what that means for weights.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pandas as pd

from fakedet.data.audit.similar import CORRELATION, candidates, correlations
from fakedet.data.benchmark import Benchmark, Expectation, Scan, Source, files_below
from fakedet.data.manifest import FAKE, REAL, SPLITS, check_inside
from fakedet.data.sampling import checked_weights
from fakedet.data.splits import order_by_hash, split_by_group
from fakedet.detector.image import SUFFIXES
from fakedet.errors import UserError, did_you_mean

CROPPED = "dfdc_faces"  # face crops already, named by a table
# Folder of each data set -> what made its fakes; None where the file names say it.
FOLDERS: Mapping[str, str | None] = {
    CROPPED: "face_swap",
    "hard_fake_vs_real": "stylegan2",
    "generated/stylegan1": "stylegan1",
    "generated/stable_diffusion_v1": "stable_diffusion_v1",
    "generated/photoreal": "photoreal",
    "generated/many_models": None,
    "generated/models_2022": None,
    "photographs": "nothing",
}
# Classes of those that have but one.
KINDS = {"generated/many_models": ("fake",), "generated/models_2022": ("fake",), "photographs": ("real",)}
BOTH = ("real", "fake")  # by label
NAMES = tuple(folder.rpartition("/")[2] for folder in FOLDERS)
FRAMED = "hard_fake_vs_real"  # its reals are framed tighter than its fakes: only the cut-out faces are alike
FRAMING = "whole pictures whose framing tells the class"
CROSSING = "fakes whose generator and prompt lie in different splits"
ELSEWHERE = "pictures whose near-duplicate or prompt another data set has in a later split"
# Of generators and of prompts that are kept from training: some 9 % of all pairs are then unknown in both.
UNSEEN = {"method": 0.25, "group": 0.35}


class Shipped(Benchmark):
    """`data=shipped`.

    Args:
        weights: data set -> how often it is drawn in training beside the others of its class, else 1.
        leave_out: data sets that are not trained on but tested, all of them: leave-one-source-out.
        options: those of `Benchmark`.
    """

    dataset = "shipped"
    source = Source(
        title="Training data of the shipped detector",
        page="https://ai.meta.com/datasets/dfdc/",
        terms="research (DFDC's licence, and those of the pictures' owners)",
        citation="Dolhansky et al., The DeepFake Detection Challenge Dataset, 2020",
    )
    medium = "image"
    names_people = False

    def __init__(
        self,
        *,
        root: str,
        weights: Mapping[str, float] | None = None,
        leave_out: Sequence[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(root=root, **options)
        self.weights = checked_weights(weights, NAMES, "the data sets", self.balance)
        if self.protocol != "official":
            raise UserError(f"data.split={self.protocol} is not for data=shipped, which has one split of its own.")
        if not isinstance(leave_out, list | tuple):
            raise UserError(
                f"data.leave_out={leave_out} is no list; write data.leave_out=[{NAMES[0]}], or [] for none."
            )
        for name in leave_out:
            if name not in NAMES:
                hint = did_you_mean(name, NAMES)
                raise UserError(f"data.leave_out: {name}{hint} is not one of the data sets ({', '.join(NAMES)}).")
        self.leave_out = tuple(leave_out)

    def scan(self, raw: Path) -> Scan:
        """Every picture of the folders, whichever of them are there."""
        there = [folder for folder in FOLDERS if (raw / folder).is_dir()]
        if not there:
            raise UserError(f"data.raw={raw} holds none of {', '.join(FOLDERS)}.")
        rows: list[dict[str, Any]] = []
        strange: dict[str, str] = {}
        for folder in there:
            if folder == CROPPED:
                rows += [row for row in _dfdc(raw / folder) if (raw / row["path"]).is_file()]
                continue
            for file in files_below(raw / folder, SUFFIXES):
                path = file.relative_to(raw).as_posix()
                try:
                    rows.append(_row(path, folder))
                except ValueError as error:
                    strange[path] = str(error)
        return Scan(pd.DataFrame(rows), strange)

    def expectations(self, rows: pd.DataFrame, raw: Path) -> list[Expectation]:
        """Something of each class of each folder, and all crops that DFDC's table names."""
        found = Counter((_folder(path), BOTH[label]) for path, label in zip(rows["path"], rows["label"], strict=True))
        wanted = Counter((folder, kind) for folder in FOLDERS for kind in KINDS.get(folder, BOTH))
        if (raw / CROPPED).is_dir():
            wanted |= Counter((CROPPED, BOTH[row["label"]]) for row in _dfdc(raw / CROPPED))
        return [Expectation("/".join(part), count, found[part]) for part, count in wanted.items()]

    def scan_all(self, raw: Path) -> Scan:
        """`scan`; each folder keeps its own name as `dataset`."""
        found = super().scan_all(raw)
        names = found.rows["path"].map(_folder)
        return Scan(found.rows.assign(dataset=names.str.rpartition("/")[2]), found.strange)

    def divide(self, found: pd.DataFrame) -> pd.DataFrame:
        """Split each data set by itself; the whole view of a picture with a face is for training alone."""
        self._check_left_out(set(found["dataset"]))
        rows = found.assign(group=found["group"].fillna(_alike(found, self.root)))
        framed = (rows["dataset"] == FRAMED) & rows["face_box"].isna()
        rows = rows[~framed]
        split = pd.Series(None, index=rows.index, dtype="object")
        for name, part in rows.groupby("dataset"):
            split[part.index] = self._split(str(name), part)
        rank = split.map(SPLITS.index, na_action="ignore").astype("Int64")
        earlier = rank < rank.groupby(rows["group"]).transform("max")
        with_face = set(rows.loc[rows["face_box"].notna(), "source_clip"])
        beside = rows["face_box"].isna() & rows["source_clip"].isin(with_face)
        dropped = {FRAMING: framed, CROSSING: split.isna(), ELSEWHERE: earlier.fillna(False)}
        self.dropped = {reason: int(which.sum()) for reason, which in dropped.items() if which.any()}
        self.protocol_name = f"shipped, by original, likeness, generator and prompt (seed {self.split_seed})"
        if self.leave_out:
            self.protocol_name += f", without {', '.join(self.leave_out)}"
        kept = split.notna() & ~dropped[ELSEWHERE].astype(bool) & ~(beside & (split != "train"))
        return rows.assign(split=split)[kept].reset_index(drop=True)

    def _how_to_prepare(self) -> str:
        return f"{super()._how_to_prepare()} face.margin=1.0 whole=always"

    def _check_left_out(self, there: set[str]) -> None:
        for name in self.leave_out:
            if name not in there:
                raise UserError(
                    f"data.leave_out: data.root={self.root} holds no {name}; it holds {', '.join(sorted(there))}."
                )

    def _split(self, name: str, rows: pd.DataFrame) -> pd.Series:
        """The split of each row of one data set; missing where it has no place."""
        if name in self.leave_out:
            return pd.Series("test", index=rows.index)
        generators = [folder.rpartition("/")[2] for folder, method in FOLDERS.items() if method is None]
        try:
            return (
                self._by_generator(rows) if name in generators else split_by_group(rows, self.shares, self.split_seed)
            )
        except UserError as error:
            raise UserError(f"{name} is too small: {error}") from error

    def _by_generator(self, rows: pd.DataFrame) -> pd.Series:
        """Test: generator and prompt are unseen. Training and validation: both are not. Others: missing."""
        unseen = {}
        for column, share in UNSEEN.items():
            names = order_by_hash(sorted(set(rows[column])), self.split_seed)
            unseen[column] = rows[column].isin(names[: max(1, round(share * len(names)))])
        model, prompt = unseen["method"], unseen["group"]
        split = pd.Series(None, index=rows.index, dtype="object")
        known = ~model & ~prompt
        split[known] = split_by_group(rows[known], {"val": self.shares["val"]}, self.split_seed)
        split[model & prompt] = "test"
        return split


def _folder(path: str) -> str:
    return next(folder for folder in FOLDERS if path.startswith(f"{folder}/"))


def _row(path: str, folder: str) -> dict[str, Any]:
    """What a picture's path says; raises a `ValueError` when it does not follow the rules."""
    place = Path(path)
    kinds = KINDS.get(folder, BOTH)
    if place.parent.name not in kinds:
        raise ValueError(f"it lies in no folder {' or '.join(kinds)}")
    is_fake, method, prompt = place.parent.name == "fake", FOLDERS[folder], None
    if method is None:
        method, _, rest = place.stem.partition("__")
        prompt = rest.partition("__")[0]
        if not method or not prompt:
            raise ValueError("it is not called <model>__<prompt>")
    return {
        "path": path,
        "label": FAKE if is_fake else REAL,
        "method": method if is_fake else "real",
        "group": prompt,
        "source_clip": path,
        "cropped": False,
    }


def _dfdc(top: Path) -> list[dict[str, Any]]:
    """What DFDC's table names, whether it is there or not."""
    file = top / "labels.csv"
    try:
        table = pd.read_csv(file, dtype=str)[["file", "label", "original"]]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{file} is not a table with the columns file, label and original.") from error
    wrong = table.isna().any(axis=1) | ~table["label"].isin(BOTH) | table["file"].duplicated()
    if wrong.any():
        number = int(wrong.to_numpy().argmax())
        values = ", ".join(map(str, table.iloc[number]))
        raise UserError(
            f"Row {number + 1} of {file} ({values}) does not name a file of its own, real or fake, and its original."
        )
    check_inside(table["file"], file)
    return [
        {
            "path": f"{top.name}/{row.file}",
            "label": FAKE if row.label == "fake" else REAL,
            "method": FOLDERS[CROPPED] if row.label == "fake" else "real",
            "group": f"dfdc/{row.original}",
            "source_clip": f"dfdc:{row.original}",  # as data=dfdc calls it: an overlap is seen
            "cropped": True,
        }
        for row in table.itertuples()
    ]


def _alike(rows: pd.DataFrame, root: Path) -> pd.Series:
    """One group for the views of a picture and for its near-duplicates, where nothing else groups it."""
    open_rows = rows[rows["group"].isna()]
    graph: networkx.Graph[str] = networkx.Graph()
    graph.add_nodes_from(open_rows["source_clip"])
    hashed = open_rows[open_rows["phash"].notna()]  # what has no crop has no hash
    hashes = np.array([int(text, 16) for text in hashed["phash"]], np.uint64)
    late, early, _ = candidates(hashes, hashes)
    i, j = np.unique(np.sort(np.stack([late, early])[:, late != early], axis=0), axis=1)
    similar = correlations([root / path for path in hashed["path"]], i, j, root) >= CORRELATION
    clips = hashed["source_clip"].to_numpy(str)
    graph.add_edges_from(zip(clips[i[similar]], clips[j[similar]], strict=True))
    group = {clip: min(members) for members in networkx.connected_components(graph) for clip in members}
    return open_rows["source_clip"].map(group)
