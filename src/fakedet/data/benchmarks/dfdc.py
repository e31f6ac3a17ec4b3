"""DFDC: the clips of the DeepFake Detection Challenge.

```
dfdc_train_part_0/metadata.json         {"brtujopkby.mp4": {"label": "FAKE", "split": "train",
dfdc_train_part_0/brtujopkby.mp4                            "original": "gnmmhlbzge.mp4"}, …}
dfdc_train_part_1/…                     up to part 49; any of them may be missing
test/labels.csv                         filename,label with 1 = fake
test/*.mp4
```

The parts may lie below `train`, or each in the folder of its archive (`dfdc_train_part_00/dfdc_train_part_0`);
the test set may be called `test_videos`, and its clips may lie in a folder below it.

The challenge's own `split` is `train` throughout. By convention parts 0 to 34 train, 35 to 39 validate and
40 to 49 test (Bonettini et al., Video Face Manipulation Detection Through Ensemble of CNNs, ICPR 2020).
Where the test set is there, it alone tests, as in published results, and parts 40 to 49 train. Actors recur
in all parts and nobody tells who is who, nor by which method a fake was made; a fake and its original share
their `source_clip`.

Licence: an agreement that https://ai.meta.com/datasets/dfdc/ asks to accept. Dolhansky, Bitton, Pflaum, Lu,
Howes, Wang & Canton Ferrer, "The DeepFake Detection Challenge (DFDC) Dataset", arXiv:2006.07397, 2020.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from fakedet.data.benchmark import VIDEO_SUFFIXES, Benchmark, Expectation, Scan, Source, check_level, files_below
from fakedet.data.manifest import FAKE, REAL
from fakedet.errors import UserError

PARTS = 50
_PART = re.compile(r"dfdc_train_part_0*(\d+)")
_LABELS = {"REAL": REAL, "FAKE": FAKE}
_TEST_LABELS = {"0": REAL, "1": FAKE}


class DFDC(Benchmark):
    """`data=dfdc`."""

    dataset = "dfdc"
    source = Source(
        title="DeepFake Detection Challenge (DFDC)",
        page="https://ai.meta.com/datasets/dfdc/",
        terms="an agreement to accept before the download",
        citation="Dolhansky et al., The DeepFake Detection Challenge (DFDC) Dataset, arXiv:2006.07397, 2020",
    )
    medium = "video"
    names_people = False

    def scan(self, raw: Path) -> Scan:
        """Read the metadata of the parts and the labels of the test set."""
        check_level(raw, _is_download, "dfdc_train_part_0, dfdc_train_part_1, … or test/labels.csv")
        rows: list[dict[str, Any]] = []
        strange: dict[str, str] = {}
        tests = list(_test_folders(raw))
        for number, folder in _parts(raw):
            clips = {file.name: file for file in files_below(folder, VIDEO_SUFFIXES)}
            entries = read_entries(folder / "metadata.json")
            for name in sorted(clips.keys() | entries.keys()):
                reason = _fault(name, entries)
                if reason is not None:
                    strange[(folder / name).relative_to(raw).as_posix()] = reason
                elif name in clips:
                    original = entries[name]["original"] if entries[name]["label"] == "FAKE" else name
                    split = _split(number, bool(tests))
                    rows.append(_row(clips[name].relative_to(raw), _LABELS[entries[name]["label"]], original, split))
        for folder in tests:
            labels = _read_labels(folder)
            for file in files_below(folder, VIDEO_SUFFIXES):
                label = _TEST_LABELS.get(labels.get(file.name, ""))
                if label is None:
                    strange[file.relative_to(raw).as_posix()] = "labels.csv gives it neither 0 nor 1"
                    continue
                rows.append(_row(file.relative_to(raw), label, file.name if label == REAL else None, "test"))
        return Scan(pd.DataFrame(rows), strange)

    def expectations(self, rows: pd.DataFrame, raw: Path) -> list[Expectation]:  # noqa: ARG002
        """The parts, and what the metadata of each of them and the test set's labels name."""
        numbers = [number for number, _ in _parts(raw)]
        absent = [f"dfdc_train_part_{number}" for number in range(PARTS) if number not in numbers]
        found = [Expectation("training parts", PARTS, PARTS - len(absent), absent)]
        wanted = [(folder, set(read_entries(folder / "metadata.json"))) for _, folder in _parts(raw)]
        wanted += [(folder, set(_read_labels(folder))) for folder in _test_folders(raw)]
        for folder, names in wanted:
            there = {file.name for file in files_below(folder, VIDEO_SUFFIXES)}
            missing = sorted(names - there)
            found.append(
                Expectation(folder.relative_to(raw).as_posix(), len(names), len(names) - len(missing), missing)
            )
        return found


def read_entries(file: Path) -> dict[str, dict[str, Any]]:
    """The table of clips that a release of the challenge comes with; empty where there is none.

    Raises:
        UserError: when it is damaged.
    """
    if not file.is_file():
        return {}
    try:
        entries = json.loads(file.read_bytes())
    except ValueError as error:
        raise UserError(f"{file} is damaged: download it again.") from error
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise UserError(f"{file} is no table of clips: download it again.")
    return entries


def _is_download(folder: Path) -> bool:
    return any(True for _ in _parts(folder)) or any(True for _ in _test_folders(folder))


def _parts(raw: Path) -> Iterator[tuple[int, Path]]:
    """Numbers and folders of the training parts."""
    for pattern in ("dfdc_train_part_*", "train/dfdc_train_part_*", "dfdc_train_part_*/dfdc_train_part_*"):
        for folder in sorted(raw.glob(pattern)):
            number = _PART.fullmatch(folder.name)
            if number and ((folder / "metadata.json").is_file() or any(folder.glob("[!.]*.mp4"))):
                yield int(number[1]), folder


def _test_folders(raw: Path) -> Iterator[Path]:
    return (raw / name for name in ("test", "test_videos") if (raw / name / "labels.csv").is_file())


def _split(part: int, with_test_set: bool) -> str:
    if 35 <= part < 40:
        return "val"
    return "train" if part < 35 or with_test_set else "test"


def _fault(name: str, entries: dict[str, dict[str, Any]]) -> str | None:
    """Why a clip is left out."""
    if name not in entries:
        return "metadata.json does not name it"
    label = entries[name].get("label")
    if label not in _LABELS:
        return f"metadata.json labels it {label!r}"
    return "metadata.json names no original" if label == "FAKE" and not entries[name].get("original") else None


def _read_labels(folder: Path) -> dict[str, str]:
    file = folder / "labels.csv"
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read as a table: {str(error).splitlines()[0]}.") from error
    if not {"filename", "label"} <= set(table):
        raise UserError(f"{file} has the columns {', '.join(map(str, table))} instead of filename and label.")
    return dict(zip(table["filename"], table["label"].str.strip(), strict=True))


def _row(path: Path, label: int, original: str | None, split: str) -> dict[str, Any]:
    return {
        "path": path.as_posix(),
        "label": label,
        "method": "real" if label == REAL else "unknown",
        "source_clip": None if original is None else f"dfdc:{Path(original).stem}",
        "split": split,
    }
