"""A folder of crops that `prepare.py` made: what lies in it, and how its images were cut out.

```
<root>/manifest.parquet      one row a crop
<root>/prepared.json         data set, settings and versions
<root>/crops/…/000012.png    a crop for each frame, in the download's own tree
<root>/masks/…               the forged region of the same crops, where the data set has masks
<root>/missed.parquet        rows of the frames and pictures in which no face was found
<root>/quarantine.csv        videos and frames that gave none, with their reason
<root>/coverage.csv          videos, frames and faces by class and method; coverage.html shows it
<root>/audit.json            what `audit.py` found in them, if it was run
<root>/records.jsonl         what is done so far, only while it is being made
```
"""

import datetime
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fakedet.detector.spec import FaceSpec
from fakedet.errors import UserError

MANIFEST, RECORD, JOURNAL = "manifest.parquet", "prepared.json", "records.jsonl"
QUARANTINE, COVERAGE, MISSED = "quarantine.csv", "coverage.csv", "missed.parquet"
AUDIT = "audit.json"
FORMAT = 1


@dataclass(frozen=True)
class Prepared:
    """What decides which crops a folder holds.

    Attributes:
        dataset: name of the data set.
        frames: which frames of each video, as given.
        face: how faces were cut out; None where pictures were kept as they are.
        picture_format: of crops and frames; whole pictures keep their file.
        whole: whether pictures are kept whole too: `never`, `without_face` or `always`.
    """

    dataset: str
    frames: str
    face: FaceSpec | None
    picture_format: str
    whole: str = "never"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` gives the same back."""
        return {"format": FORMAT, **asdict(self)}

    def dump(self) -> str:
        """The text of `prepared.json`."""
        return json.dumps(self.to_json(), indent=2) + "\n"

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Prepared":
        """The record of such a dict."""
        face = values["face"]
        return cls(
            values["dataset"],
            values["frames"],
            None if face is None else FaceSpec.from_json(face),
            values["picture_format"],
            values.get("whole", "never"),
        )

    @classmethod
    def read(cls, root: Path) -> "Prepared":
        """The record of a folder.

        Raises:
            UserError: when there is none, or it is damaged.
        """
        file = root / RECORD
        try:
            values = json.loads(file.read_text())
            if values["format"] != FORMAT:
                raise UserError(f"{file} has format {values['format']}, this version reads {FORMAT}: prepare it again.")
            return cls.from_json(values)
        except OSError as error:
            raise UserError(f"{file} is missing, so nobody knows how its crops were made: prepare it again.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{file} is damaged: prepare it again.") from error


def keep_audit(root: Path, findings: Sequence[str]) -> None:
    """Note what an audit of a prepared folder found, so that reports on it can say so; another folder is left alone."""
    if (root / RECORD).is_file() and (root / MANIFEST).is_file():
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        record = {"manifest": _digest(root / MANIFEST), "when": today, "findings": list(findings)}
        (root / AUDIT).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", "utf-8", errors="replace")


def read_audit(root: Path) -> dict[str, Any] | None:
    """`when` a prepared folder was audited last, and its `findings`; None where it was not since it was prepared."""
    try:
        record = json.loads((root / AUDIT).read_text("utf-8"))
        if record["manifest"] != _digest(root / MANIFEST):
            return None
        return {"when": str(record["when"]), "findings": [str(line) for line in record["findings"]]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
