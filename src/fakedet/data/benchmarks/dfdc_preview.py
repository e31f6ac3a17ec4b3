"""DFDC preview: what the DeepFake Detection Challenge released first, with the names of its actors.

```
dataset.json                                               {"<path>": {"label": "fake", "set": "train",
                                                             "target_id": "1003254", "swapped_id": "1255229", …}, …}
original_videos/643049/643049_A_001.mp4                    actor, recording, clip
method_A/1003254/1003254_A/1255229_1003254_A_001.mp4       swapped in, actor, recording, clip
method_B/…
```

The table's `set` is the split, `train` or `test`; validation is cut from `train`. `target_id` is who was
filmed and `swapped_id` whose face was put on. Clips of one recording show the same scene, so the recording
(`643049_A`) is the `source_clip`, of originals and fakes alike.

Licence: an agreement that https://ai.meta.com/datasets/dfdc/ asks to accept. Dolhansky, Howes, Pflaum, Baram &
Canton Ferrer, "The Deepfake Detection Challenge (DFDC) Preview Dataset", arXiv:1910.08854, 2019.
"""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from fakedet.data.benchmark import VIDEO_SUFFIXES, Benchmark, Expectation, Scan, Source, check_level, files_below
from fakedet.data.benchmarks.dfdc import read_entries
from fakedet.data.manifest import FAKE, REAL

_TABLE = "dataset.json"
_FOLDERS = {"original_videos": "real", "method_A": "fake", "method_B": "fake"}
_LABELS = {"real": REAL, "fake": FAKE}
_SETS = ("train", "test")
_NAMES = {
    "real": re.compile(r"(?P<recording>\d+_[A-Z]+)_\d+"),
    "fake": re.compile(r"\d+_(?P<recording>\d+_[A-Z]+)_\d+"),
}


class DFDCPreview(Benchmark):
    """`data=dfdc_preview`."""

    dataset = "dfdc_preview"
    source = Source(
        title="DeepFake Detection Challenge (DFDC) preview",
        page="https://ai.meta.com/datasets/dfdc/",
        terms="an agreement to accept before the download",
        citation="Dolhansky et al., The Deepfake Detection Challenge (DFDC) Preview Dataset, arXiv:1910.08854, 2019",
    )
    medium = "video"

    def scan(self, raw: Path) -> Scan:
        """Read the table of clips, and the recording from their names."""
        check_level(raw, _is_download, f"{_TABLE}, {' and '.join(_FOLDERS)}")
        entries = read_entries(raw / _TABLE)
        rows: list[dict[str, Any]] = []
        strange: dict[str, str] = {}
        for folder in _FOLDERS:
            for file in files_below(raw / folder, VIDEO_SUFFIXES):
                path = file.relative_to(raw).as_posix()
                reason = _fault(path, entries)
                if reason is None:
                    rows.append(_row(path, entries[path]))
                else:
                    strange[path] = reason
        return Scan(pd.DataFrame(rows), strange)

    def expectations(self, rows: pd.DataFrame, raw: Path) -> list[Expectation]:  # noqa: ARG002
        """What the table names, by folder and split."""
        wanted: dict[str, list[str]] = {}
        for path, entry in read_entries(raw / _TABLE).items():
            wanted.setdefault(f"{path.split('/')[0]}, {entry.get('set')}", []).append(path)
        found = []
        for part, paths in sorted(wanted.items()):
            missing = [path for path in sorted(paths) if not (raw / path).is_file()]
            found.append(Expectation(part, len(paths), len(paths) - len(missing), missing))
        return found


def _is_download(folder: Path) -> bool:
    return (folder / _TABLE).is_file() and any((folder / name).is_dir() for name in _FOLDERS)


def _fault(path: str, entries: dict[str, dict[str, Any]]) -> str | None:
    """Why a clip is left out."""
    if path not in entries:
        return f"{_TABLE} does not name it"
    label, split = entries[path].get("label"), entries[path].get("set")
    if label != _FOLDERS[path.split("/")[0]]:
        return f"{_TABLE} labels it {label!r}"
    if split not in _SETS:
        return f"{_TABLE} puts it into the set {split!r}"
    needed = ("target_id",) if label == "real" else ("target_id", "swapped_id")
    if any(entries[path].get(name) is None for name in needed):
        return f"{_TABLE} gives it no {' and '.join(needed)}"
    rule = "<actor>_<recording>_<clip>" if label == "real" else "<swapped>_<actor>_<recording>_<clip>"
    return None if _NAMES[label].fullmatch(Path(path).stem) else f"its name is not {rule}"


def _row(path: str, entry: dict[str, Any]) -> dict[str, Any]:
    name = _NAMES[entry["label"]].fullmatch(Path(path).stem)
    assert name is not None
    fake = entry["label"] == "fake"
    return {
        "path": path,
        "label": _LABELS[entry["label"]],
        "method": path.split("/")[0] if fake else "real",
        "source_clip": f"dfdc_preview:{name['recording']}",
        "target_identity": f"dfdc_preview:{entry['target_id']}",
        "source_identity": f"dfdc_preview:{entry['swapped_id']}" if fake else None,
        "split": entry["set"],
    }
