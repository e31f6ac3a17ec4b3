"""DF40: crops of fakes that 31 methods made of FaceForensics++ and Celeb-DF.

```
raw/[DF40/]simswap/ff/frames/071_054/000.png              FaceForensics++: target, source; frame
raw/[DF40/]simswap/cdf/frames/id0_id1_0000/000.png        Celeb-DF
raw/[DF40/]VQGAN/ff/071/013158.png                        whole faces made up in place of a clip
raw/[DF40/]VQGAN/cdf/Fake_from_Celeb-real/id0_0000/…      also Celeb-real, and the same with YouTube-real
raw/DF40_train/simswap/frames/071_054/000.png             training part: FaceForensics++ alone, by its names
raw/FaceForensics++/original_sequences/youtube/c23/frames/071/000.png    the real crops,
raw/Celeb-DF-v2/{Celeb-real,YouTube-real}/frames/id0_0000/000.png        two downloads of their own
raw/splits/{train,val,test}.json                          of FaceForensics++, or where `ffpp_splits` says
raw/List_of_testing_videos.txt                            of Celeb-DF v2, or where `celebdf_list` says
```

People, clips and splits are those of the two sets, under the same names, so that no mixture of the three can
leak. Real crops may also lie in `raw/real/{ff,cdf}/frames/…`; without any, DF40 is fakes alone, to be mixed with
the two sets (`data=mix`). The nine other methods (`heygen`, `MidJourney` and so on) come with `fake` and `real`
folders of their own, made from neither set: read each with `data=folder`.

Licence: CC BY-NC 4.0, https://github.com/YZY-stack/DF40. Yan et al., "DF40: Toward Next-Generation Deepfake
Detection", NeurIPS 2024.
"""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from fakedet.data.benchmark import Benchmark, Scan, Source, check_level, files_below
from fakedet.data.benchmarks import celebdf
from fakedet.data.benchmarks.faceforensics import Originals
from fakedet.data.compressions import COMPRESSIONS
from fakedet.data.manifest import FAKE, REAL
from fakedet.detector.image import SUFFIXES

DOMAINS = ("ff", "cdf")
_WRAPPERS = ("DF40", "DF40_train")
_CLASSES = ("fake", "real")
_REAL_METHODS = ("real", "original")
_POOLS = {f"{prefix}{pool}".lower() for pool in (celebdf.CELEB, celebdf.YOUTUBE) for prefix in ("", "fake_from_")}
_REAL_CROPS = {
    "ff": re.compile(r"original_sequences/youtube/c23/frames/[^/]+/[^/]+$"),
    "cdf": re.compile(rf"(^|/)({celebdf.CELEB}|{celebdf.YOUTUBE})/frames/[^/]+/[^/]+$", re.IGNORECASE),
}


class DF40(Benchmark):
    """`data=df40`.

    Args:
        ffpp_splits: folder with FaceForensics++'s train.json, val.json and test.json; None: `raw/splits`.
        celebdf_list: Celeb-DF v2's list of testing videos; None: in `raw`.
        options: those of `Benchmark`.
    """

    dataset = "df40"
    source = Source(
        "DF40",
        "https://github.com/YZY-stack/DF40",
        "CC BY-NC 4.0",
        "Yan et al., DF40: Toward Next-Generation Deepfake Detection, NeurIPS 2024",
    )
    medium = "image"
    faces = False
    both_classes = False

    def __init__(self, *, ffpp_splits: str | None = None, celebdf_list: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.ffpp_splits = None if ffpp_splits is None else Path(ffpp_splits)
        self.celebdf_list = None if celebdf_list is None else Path(celebdf_list)

    def scan(self, raw: Path) -> Scan:
        """Crops with their video and frame, and the split of the set that their clip is from."""
        check_level(raw, _is_level, "DF40's folders, one for each method with ff and cdf inside")
        describe = self._describer(raw)
        rows, strange = [], {}
        for file in files_below(raw, SUFFIXES):
            inside = file.relative_to(raw)
            try:
                method, domain, video = _place(inside)
                described = describe(domain, video)
                if method == "real" and described["source_identity"] is not None:
                    raise ValueError("lies with the real crops, but its folder is called like a fake")
            except ValueError as reason:
                strange[inside.as_posix()] = str(reason)
                continue
            number = re.search(r"\d+$", file.stem)
            rows.append(
                {
                    "path": inside.as_posix(),
                    "label": REAL if method == "real" else FAKE,
                    "method": method,
                    "video": f"{self.dataset}/{method}/{domain}/{video}",
                    "frame": int(number[0]) if number else None,
                    **described,
                }
            )
        return Scan(pd.DataFrame(rows), strange)

    def _describer(self, raw: Path) -> Callable[[str, str], dict[str, Any]]:
        """Domain and name of a video -> columns; a list is read when the first video needs it."""

        @cache
        def originals() -> Originals:
            return Originals.read(self.ffpp_splits or raw / "splits")

        @cache
        def listed() -> frozenset[str]:
            return celebdf.read_list(self.celebdf_list or raw / celebdf.LIST)

        @cache
        def describe(domain: str, video: str) -> dict[str, Any]:
            if domain == "ff":
                return originals().describe(video)
            kind = celebdf.kind_of(video)
            return {**celebdf.describe(video), "split": "test" if f"{kind}/{video}" in listed() else "train"}

        return describe


def _place(file: Path) -> tuple[str, str, str]:
    """Method, domain and video of a crop.

    Args:
        file: relative to the download.

    Raises:
        ValueError: with the reason, when it lies where no crop does.
    """
    *above, video, _ = ("", *file.parts)
    for domain, pattern in _REAL_CROPS.items():
        if pattern.search(file.as_posix()) and not set(above) & set(DOMAINS):
            return "real", domain, video
    if above and (above[-1] == "frames" or above[-1].lower() in _POOLS):
        above.pop()
    stated = above.pop() if above and above[-1] in DOMAINS else None
    method = above.pop() if above else ""
    if stated is None and {method, video} & set(_CLASSES):
        raise ValueError("is made from neither FaceForensics++ nor Celeb-DF: read its method with data=folder")
    if not method or set(above) - {"", *_WRAPPERS, method}:
        raise ValueError("does not lie in METHOD/{ff,cdf}/frames/VIDEO")
    return ("real" if method in _REAL_METHODS else method), stated or "ff", video


def _is_level(folder: Path) -> bool:
    return any(_holds_methods(place) for place in (folder, *(folder / name for name in _WRAPPERS)))


def _holds_methods(folder: Path) -> bool:
    others = {*DOMAINS, *_CLASSES, *COMPRESSIONS, *_POOLS}
    inside = (entry for name in (*DOMAINS, "frames") for entry in folder.glob(f"*/{name}"))
    return any(entry.parent.name.lower() not in others or entry.name != "frames" for entry in inside)
