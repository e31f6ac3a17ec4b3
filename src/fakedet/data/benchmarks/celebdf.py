"""Celeb-DF, versions 1 and 2: clips of celebrities from YouTube, and faces swapped among them.

```
raw/Celeb-real/id0_0000.mp4             person, clip
raw/Celeb-synthesis/id0_id1_0000.mp4    clip id0_0000 (the target) with the face of id1 (the source)
raw/YouTube-real/00170.mp4              people without a number
raw/List_of_testing_videos.txt          1 YouTube-real/00170.mp4
```

Some copies spell it `Youtube-real`, or have a folder `videos` in each of the three. The list has no header and
no newline at its end; its 1 is real and its 0 is fake. It is the official test set, the rest is for training.

Version 2 has 590 + 300 real and 5639 fake videos, and names 518 for testing (178 real, 340 fake); 234 of these
340 fakes were made from clips outside the list, so `identity_disjoint` is the protocol to trust. Version 1, which
version 2 contains, has 158 + 250 real and 795 fake videos.

Licence: on request, by the terms of use on https://github.com/yuezunli/celeb-deepfakeforensics. Li, Yang, Sun,
Qi & Lyu, "Celeb-DF: A Large-scale Challenging Dataset for DeepFake Forensics", CVPR 2020.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from fakedet.data.benchmark import VIDEO_SUFFIXES, Benchmark, Expectation, Scan, Source, check_level, files_below
from fakedet.data.manifest import FAKE, REAL
from fakedet.errors import UserError

CELEB, YOUTUBE, SYNTHESIS = "Celeb-real", "YouTube-real", "Celeb-synthesis"
LIST = "List_of_testing_videos.txt"
PAGE = "https://github.com/yuezunli/celeb-deepfakeforensics"
_NAMES = {
    CELEB: re.compile(r"(?P<target>id\d+)_(?P<take>\d{4})"),
    YOUTUBE: re.compile(r"\d{5}"),
    SYNTHESIS: re.compile(r"(?P<target>id\d+)_(?P<source>id\d+)_(?P<take>\d{4})"),
}
_FOLDERS = {kind.lower(): kind for kind in _NAMES}


class CelebDF(Benchmark):
    """`data=celebdf`: version 2."""

    dataset = "celebdf"
    source = Source(
        "Celeb-DF v2",
        PAGE,
        "non-commercial research, on request",
        "Li et al., Celeb-DF: A Large-scale Challenging Dataset for DeepFake Forensics, CVPR 2020",
    )
    medium = "video"
    counts: ClassVar[Mapping[str, int]] = {CELEB: 590, YOUTUBE: 300, SYNTHESIS: 5639}

    def scan(self, raw: Path) -> Scan:
        """All videos; those of the list are for testing."""
        check_level(raw, lambda folder: bool(_folders(folder)), f"{CELEB}, {YOUTUBE} and {SYNTHESIS} of Celeb-DF")
        listed = read_list(raw / LIST)
        rows, strange = [], {}
        for folder, kind in _folders(raw).items():
            for file in files_below(folder, VIDEO_SUFFIXES):
                path = file.relative_to(raw).as_posix()
                try:
                    if file.parent.relative_to(folder).as_posix() not in (".", "videos"):
                        raise ValueError(f"lies neither in {folder.name} nor in {folder.name}/videos")
                    if (found := kind_of(file.stem)) != kind:
                        raise ValueError(f"is called like a video of {found}")
                except ValueError as reason:
                    strange[path] = str(reason)
                    continue
                split = "test" if f"{kind}/{file.stem}" in listed else "train"
                label, method = (FAKE, kind) if kind == SYNTHESIS else (REAL, "real")
                rows.append({"path": path, "label": label, "method": method, **describe(file.stem), "split": split})
        return Scan(pd.DataFrame(rows), strange)

    def expectations(self, rows: pd.DataFrame, raw: Path) -> list[Expectation]:
        """Videos of each folder; of the missing ones the list alone knows names."""
        there: dict[str, set[str]] = {kind: set() for kind in self.counts}
        for stem in (Path(path).stem for path in rows["path"]):
            there[kind_of(stem)].add(stem)
        listed = sorted(read_list(raw / LIST))
        parts = []
        for kind, wanted in self.counts.items():
            missing = [name for name in listed if name.startswith(f"{kind}/") and Path(name).name not in there[kind]]
            label = "fake" if kind == SYNTHESIS else "real"
            parts.append(Expectation(f"{label}, {kind}", wanted, len(there[kind]), missing))
        return parts


class CelebDFv1(CelebDF):
    """`data=celebdf_v1`: version 1."""

    dataset = "celebdf_v1"
    source = Source("Celeb-DF v1", PAGE, CelebDF.source.terms, CelebDF.source.citation)
    counts = {CELEB: 158, YOUTUBE: 250, SYNTHESIS: 795}  # noqa: RUF012


def kind_of(name: str) -> str:
    """The folder that a video belongs into: `Celeb-real`, `YouTube-real` or `Celeb-synthesis`.

    Raises:
        ValueError: with the reason, when no video of Celeb-DF is called so.
    """
    for kind, pattern in _NAMES.items():
        if pattern.fullmatch(name):
            return kind
    raise ValueError("is called neither like id0_0000, nor like 00170, nor like id0_id1_0000")


def describe(name: str) -> dict[str, Any]:
    """Clip and people of a video, as columns of the manifest.

    Raises:
        ValueError: as `kind_of` does.
    """
    kind = kind_of(name)
    if kind == YOUTUBE:
        return {"source_clip": f"celebdf:youtube/{name}", "target_identity": None, "source_identity": None}
    parts = _NAMES[kind].fullmatch(name)
    assert parts is not None
    return {
        "source_clip": f"celebdf:{parts['target']}_{parts['take']}",
        "target_identity": f"celebdf:{parts['target']}",
        "source_identity": f"celebdf:{parts['source']}" if kind == SYNTHESIS else None,
    }


def read_list(file: Path) -> frozenset[str]:
    """The test videos of the official list, as `YouTube-real/00170`, however the list spells the folder.

    Raises:
        UserError: when there is no list, or a line is not of its form, or calls a folder's video real that
            is fake, or fake that is real.
    """
    if not file.is_file():
        raise UserError(f"{file} is missing: it comes with the download from {PAGE}; put it there.")
    videos = set()
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        label, _, path = line.strip().partition(" ")
        kind, _, name = path.strip().replace("\\", "/").partition("/")
        kind = _FOLDERS.get(kind.lower(), "")
        if label not in ("0", "1") or not kind or not name:
            raise UserError(f"Line {number} of {file} is {line!r} and not like '1 YouTube-real/00170.mp4'.")
        if (label == "0") != (kind == SYNTHESIS):
            said = "fake" if label == "0" else "real"
            raise UserError(
                f"Line {number} of {file}, {line!r}, calls a video of {kind} {said}: take the official list."
            )
        videos.add(f"{kind}/{Path(name).stem}")
    return frozenset(videos)


def _folders(folder: Path) -> dict[Path, str]:
    """Those of the three that are there, in any spelling."""
    below = sorted(entry for entry in folder.glob("*") if entry.is_dir())
    return {entry: _FOLDERS[entry.name.lower()] for entry in below if entry.name.lower() in _FOLDERS}
