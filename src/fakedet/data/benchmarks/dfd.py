"""DeepFakeDetection (DFD): 28 actors in scenes, and 3068 swaps among them; released with FaceForensics++.

```
raw/original_sequences/actors/{raw,c23,c40}/videos/24__outside_talking_still_laughing.mp4
raw/manipulated_sequences/DeepFakeDetection/{raw,c23,c40}/videos/24_23__outside_talking_still_laughing__YR5OVD4S.mp4
raw/manipulated_sequences/DeepFakeDetection/masks/videos/…         the forged region, white
```

`24_23__SCENE__YR5OVD4S` shows actor 24 (the target) in that scene with the face of actor 23; the last part
tells videos apart. There are 363 real videos and 3068 fakes, and no official split: `official` tests on all.
The folders may lie in one root with FaceForensics++.

Licence: on request, by the terms of use on https://github.com/ondyari/FaceForensics. Dufour & Gully,
"Contributing Data to Deepfake Detection Research", Google AI Blog, 2019.
"""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from fakedet.data.benchmark import Benchmark, Expectation, Scan, Source, check_level
from fakedet.data.benchmarks.faceforensics import find_clips, row
from fakedet.data.compressions import check_compression, checked_compression, of_compression

_NAME = re.compile(r"(?P<target>\d\d)(?:_(?P<source>\d\d))?__(?P<scene>[a-z]+(?:_[a-z]+)*)(?P<code>__[A-Z0-9]{8})?")
_FOLDERS = {"original_sequences/actors": "real", "manipulated_sequences/DeepFakeDetection": "DeepFakeDetection"}
_COUNTS = {"real": 363, "DeepFakeDetection": 3068}


class DFD(Benchmark):
    """`data=dfd`.

    Args:
        compression: raw, c23 or c40; None takes all that are there.
        options: those of `Benchmark`.
    """

    dataset = "dfd"
    source = Source(
        "DeepFakeDetection (DFD)",
        "https://github.com/ondyari/FaceForensics",
        "non-commercial research, on request",
        "Dufour & Gully, Contributing Data to Deepfake Detection Research, Google AI Blog, 2019",
    )
    medium = "video"

    def __init__(self, *, compression: str | None = "c23", **options: Any) -> None:
        super().__init__(**options)
        self.compression = checked_compression(compression)

    def scan(self, raw: Path) -> Scan:
        """Videos of the chosen compression, all of them for testing."""
        check_level(raw, _is_level, "original_sequences/actors and manipulated_sequences/DeepFakeDetection of DFD")
        clips, strange = find_clips(raw, _FOLDERS, self.compression)
        rows = []
        for clip in clips:
            try:
                rows.append(row(clip, _describe(clip.name)))
            except ValueError as reason:
                strange[clip.path] = str(reason)
        return Scan(pd.DataFrame(rows), strange)

    def taken(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Crops of the chosen compression."""
        return of_compression(rows, self.compression)

    def chosen(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The same; there must be some."""
        check_compression(set(rows["compression"]), self.compression, self.root)
        return self.taken(rows)

    def expectations(self, rows: pd.DataFrame, raw: Path) -> list[Expectation]:  # noqa: ARG002
        """363 real videos and 3068 fakes at every compression."""
        parts = []
        for compression, there in rows.groupby("compression"):
            for method, wanted in _COUNTS.items():
                part = f"real, {compression}" if method == "real" else f"fake, {compression}"
                parts.append(Expectation(part, wanted, int((there["method"] == method).sum())))
        return parts


def _is_level(folder: Path) -> bool:
    return any((folder / place).is_dir() for place in _FOLDERS)


def _describe(name: str) -> dict[str, Any]:
    parts = _NAME.fullmatch(name)
    if parts is None or bool(parts["source"]) != bool(parts["code"]):
        raise ValueError("is called neither like 24__kitchen_pan nor like 24_23__kitchen_pan__YR5OVD4S")
    return {
        "source_clip": f"dfd:{parts['target']}__{parts['scene']}",
        "target_identity": f"dfd:{parts['target']}",
        "source_identity": f"dfd:{parts['source']}" if parts["source"] else None,
        "split": "test",
    }
