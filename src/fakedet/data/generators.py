"""What sets of generated pictures share: a folder for each generator, and in it one for each class."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from fakedet.data.benchmark import Benchmark, Expectation, Scan, check_level, files_below
from fakedet.data.manifest import REAL
from fakedet.detector.image import SUFFIXES
from fakedet.errors import UserError, did_you_mean

_CROPS = "crops"  # where `prepare.py` puts the download's tree


class GeneratorFolders(Benchmark):
    """Base of such sets; a subclass says where the class folders lie and what the path to them means.

    Args:
        root: the download, or a folder that `prepare.py` made of it.
        generators: only these; None takes all.
        options: those of `Benchmark`.
    """

    medium = "image"
    faces = False
    names_people = False
    classes: ClassVar[dict[str, int]]  # folder -> label
    patterns: ClassVar[tuple[str, ...]]  # of the folders that class folders lie in, from the download's root
    layout: ClassVar[str]  # what the root holds, for a sentence

    def __init__(self, *, root: str, generators: Sequence[str] | None = None, **options: Any) -> None:
        super().__init__(root=root, **options)
        if isinstance(generators, str):
            raise UserError(f"data.generators={generators} is no list; write data.generators=[{generators}].")
        self.generators = None if generators is None else list(generators)

    @abstractmethod
    def place(self, parts: tuple[str, ...]) -> tuple[str | None, str]:
        """Split, if there is one, and generator that the path from the root to the class folders tells."""

    def source_clip(self, file: Path, label: int) -> str | None:  # noqa: ARG002
        """The picture that a file is a copy of, where its name tells."""
        return None

    def scan(self, raw: Path) -> Scan:
        """Read the class folders of the chosen generators."""
        check_level(raw, lambda folder: bool(self._parents(folder)), self.layout)
        parents = self._parents(raw)
        chosen = self._chosen([self.place(parent.relative_to(raw).parts)[1] for parent in parents], raw)
        rows: list[dict[str, Any]] = []
        strange: dict[str, str] = {}
        for parent, taken in zip(parents, chosen, strict=True):
            if not taken:
                continue
            split, name = self.place(parent.relative_to(raw).parts)
            rows += [
                {
                    "path": file.relative_to(raw).as_posix(),
                    "label": label,
                    "method": "real" if label == REAL else name,
                    "source_clip": self.source_clip(file, label),
                    "split": split,
                }
                for folder, label in self.classes.items()
                for file in files_below(parent / folder, SUFFIXES)
            ]
            for entry in sorted(parent.glob("[!.]*")):
                if entry.name not in self.classes and (entry.is_dir() or entry.suffix.lower() in SUFFIXES):
                    strange[entry.relative_to(raw).as_posix()] = f"it lies beside {' and '.join(self.classes)}"
        return Scan(pd.DataFrame(rows), strange)

    def expectations(self, rows: pd.DataFrame, raw: Path) -> list[Expectation]:
        """Class folders that hold nothing, as when an archive was unpacked in part; nobody counts the rest."""
        found = {
            Path(*path.parts[: index + 1])
            for path in map(Path, rows["path"])
            for index, part in enumerate(path.parts)
            if part in self.classes
        }
        return [
            Expectation(f"{parent.as_posix()}/{folder}", 1, 0)
            for parent in sorted({folder.parent for folder in found})
            for folder in self.classes
            if parent / folder not in found and (raw / parent).is_dir()
        ]

    def taken(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows of the chosen generators."""
        if self.generators is None:
            return rows
        wanted = [self._generator(path) in self.generators for path in rows["path"]]
        return rows[pd.Series(wanted, rows.index, dtype=bool)].reset_index(drop=True)

    def chosen(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The same; each of them must be there."""
        self._chosen([self._generator(path) for path in rows["path"]], self.root)
        return self.taken(rows)

    def _parents(self, root: Path) -> list[Path]:
        """Folders that hold class folders."""
        found = {
            folder.parent
            for pattern in self.patterns
            for name in self.classes
            for folder in root.glob(f"{pattern}/{name}")
        }
        return sorted(
            folder for folder in found if not any(_is_hidden(part) for part in folder.relative_to(root).parts)
        )

    def _generator(self, path: str) -> str:
        parts = Path(path).parts
        parts = parts[1:] if parts[0] == _CROPS else parts
        return self.place(parts[: next(index for index, part in enumerate(parts) if part in self.classes)])[1]

    def _chosen(self, names: list[str], folder: Path) -> list[bool]:
        known = sorted(set(names))
        for name in self.generators or []:
            if name not in known:
                there = ", ".join(known)
                raise UserError(
                    f"data.generators: {folder} holds no {name}{did_you_mean(name, known)}; it holds {there}."
                )
        return [self.generators is None or name in self.generators for name in names]


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
