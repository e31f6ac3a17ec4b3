"""What all published data sets share: a download that is scanned, a prepared folder that is read, a protocol."""

import errno
import logging
import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from fakedet.data import manifest, prepared
from fakedet.data.datamodule import DataModule
from fakedet.data.protocols import PROTOCOLS
from fakedet.detector.image import SUFFIXES as IMAGE_SUFFIXES
from fakedet.detector.terminal import shown
from fakedet.errors import UserError, did_you_mean

log = logging.getLogger(__name__)

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm")
_NAMES = 3  # missing files that are named
SUFFIXES = {"video": VIDEO_SUFFIXES, "image": IMAGE_SUFFIXES}


@dataclass(frozen=True)
class Source:
    """Where a data set comes from and on what terms.

    Attributes:
        title: as its authors write it.
        page: where it is asked for or fetched; it states the licence.
        terms: what its licence allows, in a few words.
        citation: the paper to cite.
    """

    title: str
    page: str
    terms: str
    citation: str


@dataclass(frozen=True)
class Expectation:
    """How much of one part of a data set is there.

    Attributes:
        part: the part, for example `fake, Deepfakes, c23`.
        wanted: files that it should hold.
        found: files that it holds.
        missing: names of missing files, where the data set tells names.
    """

    part: str
    wanted: int
    found: int
    missing: Sequence[str] = ()


@dataclass
class Scan:
    """What a download holds.

    Attributes:
        rows: one row a video or image, `path` relative to the download, with what the names say: `label`,
            `method`, `source_clip`, `target_identity`, `source_identity`, `compression`, `mask`, `group` where
            it is not the protocol's to say, and the official `split` (missing where it has none); `medium`
            (`video` or `image`) where a data set holds both.
        strange: files whose names do not follow the data set's rules, with the reason.
    """

    rows: pd.DataFrame
    strange: dict[str, str] = field(default_factory=dict)


class Benchmark(DataModule):
    """Base of the published data sets; one subclass each, which says what it is and how its tree is read.

    Training and evaluation read `root/manifest.parquet`, which `prepare.py` makes from the download. Image
    sets may be read in place: without a manifest, `root` is the download itself.

    Args:
        root: the prepared folder.
        raw: the download, for `prepare.py`.
        split: the protocol: `official`, or `identity_disjoint`.
        options: those of `DataModule`.
    """

    dataset: ClassVar[str]
    source: ClassVar[Source]
    medium: ClassVar[str]  # what a download's rows are: video or image
    faces: ClassVar[bool] = True  # whether `prepare.py` cuts out faces unless it is told otherwise
    both_classes: ClassVar[bool] = True  # whether it has reals of its own
    names_people: ClassVar[bool] = True  # whether identities are known; else splits go by clip
    names_files: ClassVar[bool] = True  # whether its files are called the same wherever it lies

    def __init__(self, *, root: str, raw: str | None = None, split: str = "official", **options: Any) -> None:
        super().__init__(root=root, **options)
        if split not in PROTOCOLS:
            raise UserError(f"data.split={split}{did_you_mean(split, PROTOCOLS)} is not one of {', '.join(PROTOCOLS)}.")
        self.raw = None if raw is None else Path(raw)
        self.protocol = split

    @abstractmethod
    def scan(self, raw: Path) -> Scan:
        """Read the tree of a download.

        Raises:
            UserError: when the folder is not such a download; it names the level that was meant, if any.
        """

    def expectations(self, rows: pd.DataFrame, raw: Path) -> list[Expectation]:  # noqa: ARG002
        """What the data set should hold against what a scan found; nothing where nobody says."""
        return []

    def index(self) -> pd.DataFrame:
        """Rows of the prepared manifest, or of an image download read in place."""
        if not self.root.is_dir():
            raise UserError(f"data.root={self.root} is not a folder; {self._how_to_prepare()}.")
        if (self.root / prepared.MANIFEST).is_file():
            folder = prepared.Prepared.read(self.root)
            if folder.dataset != self.dataset:
                raise UserError(f"data.root={self.root} was prepared from {folder.dataset}, not from {self.dataset}.")
            self.crops = folder.face
            return self.chosen(manifest.read(self.root / prepared.MANIFEST, manifest.PREPARED))
        if (self.root / prepared.JOURNAL).is_file():
            raise UserError(f"data.root={self.root} is prepared in part; run the same prepare.py again to go on.")
        if self.medium == "video" or self.faces:
            raise UserError(f"data.root={self.root} holds no {prepared.MANIFEST}; {self._how_to_prepare()}.")
        found = self.scan_all(self.root)
        report_missing(self.expectations(found.rows, self.root))
        report_strange(found.strange)
        return found.rows

    def faceless(self) -> pd.DataFrame:
        """Rows of the frames and pictures in which `prepare.py` found no face; none of what was never prepared."""
        file = self.root / prepared.MISSED
        return self.taken(manifest.read(file, manifest.PREPARED)) if file.is_file() else super().faceless()

    def taken(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Those rows of a prepared folder that the settings ask for: the folder may hold more."""
        return rows

    def chosen(self, rows: pd.DataFrame) -> pd.DataFrame:
        """`taken`, of all crops.

        Raises:
            UserError: when something is asked for that the folder does not hold.
        """
        return self.taken(rows)

    def scan_all(self, raw: Path) -> Scan:
        """`scan`, with the columns that all data sets fill alike, sorted by path.

        Raises:
            UserError: when a class is missing altogether, or as `scan` does.
        """
        if not raw.is_dir():
            raise UserError(f"data.raw={raw} is not a folder.")
        found = self.scan(raw)
        rows = found.rows.sort_values("path", ignore_index=True) if len(found.rows) else found.rows
        for label, kind in ((manifest.REAL, "real"), (manifest.FAKE, "fake")):
            if rows.empty or (self.both_classes and not (rows["label"] == label).any()):
                raise UserError(f"{raw} holds no {kind} {self.medium} of {self.source.title}: both classes are needed.")
        if "dataset" not in rows:
            rows = rows.assign(dataset=self.dataset)
        if "medium" not in rows:
            rows = rows.assign(medium=self.medium)
        clips = rows["medium"] == "video"
        rows.loc[clips, "video"] = rows.loc[clips, "dataset"] + "/" + rows.loc[clips, "path"]
        if self.names_files:
            # A crop has another path than its picture, which would give it another split.
            known = rows.reindex(columns=["source_clip"]).astype("string")["source_clip"]
            alone = known.isna() & rows["video"].isna()
            rows["source_clip"] = known.mask(alone, manifest.of_itself(rows["dataset"] + "/" + rows["path"]))
        return Scan(rows, found.strange)

    def divide(self, found: pd.DataFrame) -> pd.DataFrame:
        """Apply the protocol; rows that it has no place for are dropped and counted in `dropped`."""
        division = PROTOCOLS[self.protocol](found, self.shares, self.split_seed)
        self.dropped = division.dropped
        self.protocol_name = f"{self.dataset} {division.name}"
        return division.rows

    def _how_to_prepare(self) -> str:
        return f"make it with: python src/prepare.py data={self.dataset} data.raw=<the download> data.root={self.root}"


def report_missing(expectations: Sequence[Expectation]) -> None:
    """Log what a data set should hold and does not, or that it is whole."""
    lacking = [part for part in expectations if part.found < part.wanted]
    for part in lacking:
        names = ", ".join(map(shown, part.missing[:_NAMES]))
        more = f" and {len(part.missing) - _NAMES} more" if len(part.missing) > _NAMES else ""
        log.warning(
            "missing: %s, %d of %d files are there%s",
            part.part,
            part.found,
            part.wanted,
            f" ({names}{more})" if names else "",
        )
    if expectations and not lacking:
        log.info("The download is complete: %d files.", sum(part.found for part in expectations))


def report_strange(strange: Mapping[str, str]) -> None:
    """Log how many files are left out because of their names, and the first of them."""
    if strange:
        first = min(strange)
        log.warning("%d files are left out; the first is %s: %s", len(strange), shown(first), strange[first])


def files_below(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """Files with one of the suffixes at any depth, sorted; as `walk` finds them."""
    wanted = tuple(suffixes)
    return sorted(file for file in walk(folder) if file.suffix.lower() in wanted)


def walk(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Files at any depth, in no order; hidden ones are left out, and links to folders are followed.

    Args:
        folder: where to look.
        above: the folders that led here, since links may lead in a circle.

    Raises:
        UserError: for a folder that cannot be read, and a name that no manifest can hold.
    """
    here = os.path.realpath(folder)
    if here in above or not folder.is_dir():
        return
    try:
        entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except OSError as error:
        raise UserError(f"{folder} cannot be read ({error.strerror}).") from error
    for entry in entries:
        try:
            entry.name.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(entry.path).decode("utf-8", "backslashreplace")
            raise UserError(f"The name of {shown} is not UTF-8: rename it.") from None
        try:
            is_folder, is_file = entry.is_dir(), entry.is_file()
        except OSError as error:
            if error.errno == errno.ELOOP:  # a link to itself
                continue
            raise UserError(f"{entry.path} cannot be read ({error.strerror}).") from error
        if is_folder:
            yield from walk(Path(entry.path), above | {here})
        elif is_file:
            yield Path(entry.path)


def check_level(raw: Path, is_level: Callable[[Path], bool], wanted: str) -> None:
    """Refuse a folder that is not the wanted level of a download, and name the level that is.

    Args:
        raw: the given folder.
        is_level: whether a folder is the right one.
        wanted: what the right folder holds, for the sentence.

    Raises:
        UserError: when `raw` is not it.
    """
    if is_level(raw):
        return
    below = [folder for pattern in ("*", "*/*", "*/*/*") for folder in sorted(raw.glob(pattern)) if folder.is_dir()]
    above = list(raw.resolve().parents)[:4]
    meant = next((folder for folder in [*below, *above] if is_level(folder)), None)
    hint = f"; did you mean {meant}?" if meant else "."
    raise UserError(f"{raw} does not hold {wanted}{hint}")
