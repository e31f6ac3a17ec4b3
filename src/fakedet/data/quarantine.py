"""Images that could not be read: named, counted, and too many of them are an error."""

import csv
from pathlib import Path

from fakedet.data.manifest import HARMLESS, for_a_table
from fakedet.errors import UserError


class Quarantine:
    """The table `quarantine.csv` of a run, and the limit on its length.

    Args:
        total: number of images in the data set.
        max_share: share of them that may be unreadable.
        file: where the table is written, a row at a time so that a kill loses none; None keeps no file.
    """

    def __init__(self, total: int, max_share: float, file: Path | None) -> None:
        self.total = total
        self.max_share = max_share
        self.file = file
        self.reasons: dict[str, str] = {}
        if file is not None and file.is_file():
            with file.open(newline="") as stream:
                self.reasons = {row["path"].removeprefix(HARMLESS): row["reason"] for row in csv.DictReader(stream)}

    def add(self, path: str, reason: str) -> None:
        """Note one image, once.

        Raises:
            UserError: when more than the allowed share is unreadable.
        """
        if path in self.reasons:
            return
        self.reasons[path] = reason
        if self.file is not None:
            is_new = not self.file.is_file()
            with self.file.open("a", newline="") as stream:
                writer = csv.writer(stream)
                if is_new:
                    writer.writerow(["path", "reason"])
                writer.writerow([for_a_table(path), reason])
        if len(self.reasons) > self.max_share * self.total:
            first, why = next(iter(self.reasons.items()))
            raise UserError(
                f"{len(self.reasons)} of {self.total} images cannot be read, more than data.max_unreadable="
                f"{self.max_share:g} allows; the first is {first}, which {why}"
                + (f"; all are in {self.file}." if self.file else ".")
            )
