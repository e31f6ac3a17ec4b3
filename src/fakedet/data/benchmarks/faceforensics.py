"""FaceForensics++: 1000 videos from YouTube, forged by five methods.

```
raw/original_sequences/youtube/{raw,c23,c40}/videos/071.mp4
raw/manipulated_sequences/Deepfakes/{raw,c23,c40}/videos/071_054.mp4
raw/manipulated_sequences/Deepfakes/masks/videos/071_054.mp4       the forged region, white
raw/manipulated_sequences/{Face2Face,FaceSwap,NeuralTextures}/…    in the same way; FaceShifter has no masks
raw/splits/{train,val,test}.json                                   from the official repository, dataset/splits
raw/conversion_dict.json                                           optional, from its folder dataset
```

`071_054` shows clip and person 071 (the target) with the face or the expression of 054 (the source). The
splits are pairs, 360, 70 and 70, and hold both orders of each; no number stands in two of them.

The 1000 clips are cut from 977 videos. Where `conversion_dict.json` is there (`"332": "R03Sko97IDE 1"`, the
second cut of a video), cuts of one video share their `source_clip`; 7 of the 22 videos that were cut more than
once stand in two official splits.

Licence: on request, by the terms of use on https://github.com/ondyari/FaceForensics. Rössler et al.,
"FaceForensics++: Learning to Detect Manipulated Facial Images", ICCV 2019; FaceShifter is by Li et al., 2019.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fakedet.data.benchmark import VIDEO_SUFFIXES, Benchmark, Expectation, Scan, Source, check_level, files_below
from fakedet.data.compressions import COMPRESSIONS, check_compression, checked_compression, of_compression
from fakedet.data.manifest import FAKE, REAL, SPLITS
from fakedet.errors import UserError, did_you_mean

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")
_FETCH = "take train.json, val.json and test.json from dataset/splits of https://github.com/ondyari/FaceForensics"
_NAME = re.compile(r"(\d{3})(?:_(\d{3}))?")
_FOLDERS = {"original_sequences/youtube": "real"} | {f"manipulated_sequences/{method}": method for method in METHODS}
_NEIGHBOURS = ("original_sequences/actors", "manipulated_sequences/DeepFakeDetection")  # these are DFD's


@dataclass(frozen=True)
class Originals:
    """What the official lists say of the original clips, which have numbers such as `071`.

    Attributes:
        pairs: of each split.
        splits: number -> split.
        shared: number -> name of the video it was cut from, where other clips were cut from it too.
    """

    pairs: Mapping[str, Sequence[tuple[str, str]]]
    splits: Mapping[str, str]
    shared: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path) -> "Originals":
        """The lists of a folder, and `conversion_dict.json` beside it where it is there.

        Raises:
            UserError: when a list is missing or malformed, or a number stands in two places.
        """
        pairs = {split: _read_pairs(folder / f"{split}.json") for split in SPLITS}
        splits: dict[str, str] = {}
        for split, members in pairs.items():
            for number in (number for pair in members for number in pair):
                if number in splits:
                    raise UserError(
                        f"{folder}: {number} stands in {splits[number]}.json and again in {split}.json; {_FETCH}."
                    )
                splits[number] = split
        return cls(pairs, splits, _read_shared(folder.parent / "conversion_dict.json"))

    def describe(self, name: str) -> dict[str, Any]:
        """Clip, people and official split of a video called `071` or `071_054`, as columns of the manifest.

        Raises:
            ValueError: with the reason, when a name has no place in the lists.
        """
        parts = _NAME.fullmatch(name)
        if parts is None:
            raise ValueError("is called neither like 071 nor like 071_054")
        target, source = parts.groups()
        for number in (target, source):
            if number and number not in self.splits:
                raise ValueError(f"{number} stands in none of the official splits")
        if source and self.splits[source] != self.splits[target]:
            raise ValueError(f"{target} is in {self.splits[target]} but {source} in {self.splits[source]}")
        return {
            "source_clip": self.shared.get(target, f"ffpp:{target}"),
            "target_identity": f"ffpp:{target}",
            "source_identity": f"ffpp:{source}" if source else None,
            "split": self.splits[target],
        }


@dataclass(frozen=True)
class Clip:
    """A video in the folders that FaceForensics++ and DFD have alike; paths are relative to the download."""

    path: str
    name: str
    method: str
    compression: str
    mask: str | None


class FaceForensics(Benchmark):
    """`data=faceforensics`.

    Args:
        compression: raw, c23 or c40; None takes all that are there.
        methods: of the five; None takes all that are there.
        options: those of `Benchmark`.
    """

    dataset = "faceforensics"
    source = Source(
        "FaceForensics++",
        "https://github.com/ondyari/FaceForensics",
        "non-commercial research, on request",
        "Rössler et al., FaceForensics++: Learning to Detect Manipulated Facial Images, ICCV 2019",
    )
    medium = "video"

    def __init__(
        self, *, compression: str | None = "c23", methods: Sequence[str] | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.compression = checked_compression(compression)
        if isinstance(methods, str):
            raise UserError(f"data.methods={methods} is not a list: write data.methods=[{methods}].")
        for name in methods or ():
            if name not in METHODS:
                hint = did_you_mean(name, METHODS)
                raise UserError(f"data.methods: {name}{hint} is not one of {', '.join(METHODS)}.")
        self.methods = None if methods is None else tuple(methods)

    def scan(self, raw: Path) -> Scan:
        """Videos of the chosen compression and methods, with the official split."""
        check_level(raw, _is_level, "original_sequences/youtube and manipulated_sequences of FaceForensics++")
        originals = Originals.read(raw / "splits")
        folders = {place: name for place, name in _FOLDERS.items() if self._wants(name)}
        clips, strange = find_clips(raw, folders, self.compression)
        for folder in sorted(raw.glob("*_sequences/*")):
            place = folder.relative_to(raw).as_posix()
            if place not in _FOLDERS and place not in _NEIGHBOURS:
                strange |= {
                    file.relative_to(raw).as_posix(): f"{folder.name} is none of {', '.join(METHODS)}"
                    for file in files_below(folder, VIDEO_SUFFIXES)
                }
        absent = sorted(set(self.methods or ()) - {clip.method for clip in clips})
        if absent:
            raise UserError(
                f"{raw} holds no video of {', '.join(absent)}: download it, or leave it out of data.methods."
            )
        rows = []
        for clip in clips:
            try:
                rows.append(row(clip, originals.describe(clip.name)))
            except ValueError as reason:
                strange[clip.path] = str(reason)
        return Scan(pd.DataFrame(rows), strange)

    def taken(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Crops of the chosen compression and methods."""
        return of_compression(rows[rows["method"].map(self._wants).astype(bool)], self.compression)

    def chosen(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The same; all of it must be there."""
        check_compression(set(rows["compression"]), self.compression, self.root)
        found = self.taken(rows)
        absent = sorted(set(self.methods or ()) - set(found["method"]))
        if absent:
            raise UserError(f"{self.root} holds no crop of {', '.join(absent)}: leave it out of data.methods.")
        return found

    def expectations(self, rows: pd.DataFrame, raw: Path) -> list[Expectation]:
        """1000 originals, and both orders of each official pair for every method, at every compression."""
        pairs = [pair for members in Originals.read(raw / "splits").pairs.values() for pair in members]
        reals = sorted(number for pair in pairs for number in pair)
        fakes = sorted(f"{target}_{source}" for pair in pairs for target, source in (pair, pair[::-1]))
        there = set(rows["path"])
        parts = []
        for compression in sorted(rows["compression"].unique()):
            for place, method in _FOLDERS.items():
                if method not in set(rows["method"]):
                    continue
                names = reals if method == "real" else fakes
                paths = [f"{place}/{compression}/videos/{name}.mp4" for name in names]
                missing = [path for path in paths if path not in there]
                part = f"real, {compression}" if method == "real" else f"fake, {method}, {compression}"
                parts.append(Expectation(part, len(paths), len(paths) - len(missing), missing))
        return parts

    def _wants(self, name: str) -> bool:
        return name == "real" or self.methods is None or name in self.methods


def find_clips(raw: Path, folders: Mapping[str, str], compression: str | None) -> tuple[list[Clip], dict[str, str]]:
    """Videos in `folder/compression/videos`.

    Args:
        raw: the download.
        folders: folder, relative to it -> name of the method, or `real`.
        compression: the wanted one; None for all.

    Returns:
        The clips, and videos that lie elsewhere in these folders, with the reason.

    Raises:
        UserError: when there are videos, but none of that compression.
    """
    clips, strange = [], {}
    for place, method in folders.items():
        for file in files_below(raw / place, VIDEO_SUFFIXES):
            path, inside = file.relative_to(raw).as_posix(), file.relative_to(raw / place).parts
            if inside[0] == "masks":
                continue
            if len(inside) != 3 or inside[0] not in COMPRESSIONS or inside[1] != "videos":
                strange[path] = f"does not lie in {place}/{{{','.join(COMPRESSIONS)}}}/videos"
                continue
            mask = Path(place) / "masks" / "videos" / file.name
            there = mask.as_posix() if (raw / mask).is_file() else None
            clips.append(Clip(path, file.stem, method, inside[0], there))
    check_compression({clip.compression for clip in clips}, compression, raw)
    return [clip for clip in clips if compression in (None, clip.compression)], strange


def row(clip: Clip, described: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a clip.

    Raises:
        ValueError: when it is called like a fake and lies with the reals, or the other way round.
    """
    if (clip.method == "real") != (described["source_identity"] is None):
        raise ValueError("is called like a fake" if clip.method == "real" else "is called like an original")
    return {
        "path": clip.path,
        "label": REAL if clip.method == "real" else FAKE,
        "method": clip.method,
        "compression": clip.compression,
        "mask": clip.mask,
        **described,
    }


def _is_level(folder: Path) -> bool:
    return any((folder / place).is_dir() for place in _FOLDERS)


def _read_pairs(file: Path) -> list[tuple[str, str]]:
    if not file.is_file():
        raise UserError(f"{file} is missing: {_FETCH} and put them into {file.parent}.")
    try:
        pairs = [(target, source) for target, source in json.loads(file.read_text())]
    except (ValueError, TypeError) as error:
        raise UserError(f"{file} is not a list of pairs of numbers; {_FETCH}.") from error
    wrong = [name for pair in pairs for name in pair if not (isinstance(name, str) and re.fullmatch(r"\d{3}", name))]
    if wrong:
        raise UserError(f"{file} names {wrong[0]!r} where a number such as '071' is due; {_FETCH}.")
    return pairs


def _read_shared(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    try:
        videos = {number: cut.rsplit(" ", 1)[0] for number, cut in json.loads(file.read_text()).items()}
    except (ValueError, AttributeError) as error:
        raise UserError(
            f"{file} is not FaceForensics++'s list of videos: take it anew from the repository, or remove it."
        ) from error
    cuts = Counter(videos.values())
    return {number: f"ffpp:youtube/{video}" for number, video in videos.items() if cuts[video] > 1}
