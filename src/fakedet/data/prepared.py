"""A folder of crops that `prepare.py` made: what lies in it, and how its images were cut out.

```
<root>/manifest.parquet      one row a crop
<root>/prepared.json         data set, settings and versions
<root>/crops/…/000012.png    a crop for each frame, in the download's own tree
<root>/masks/…               the forged region of the same crops, where the data set has masks
<root>/quarantine.csv        videos and frames that gave none, with their reason
<root>/coverage.csv          videos, frames and faces by class and method; coverage.html shows it
<root>/records.jsonl         what is done so far, only while it is being made
```
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fakedet.detector.spec import FaceSpec
from fakedet.errors import UserError

MANIFEST, RECORD, JOURNAL = "manifest.parquet", "prepared.json", "records.jsonl"
QUARANTINE, COVERAGE = "quarantine.csv", "coverage.csv"
FORMAT = 1


@dataclass(frozen=True)
class Prepared:
    """What decides which crops a folder holds.

    Attributes:
        dataset: name of the data set.
        frames: which frames of each video, as given.
        face: how faces were cut out; None where pictures were kept as they are.
        picture_format: of crops and frames; whole pictures keep their file.
    """

    dataset: str
    frames: str
    face: FaceSpec | None
    picture_format: str

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
