"""What is to be judged: files, folders, patterns and addresses become a list without doubles."""

import glob
import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from urllib.parse import urlsplit

from fakedet.detector.download import is_url
from fakedet.detector.image import SUFFIXES
from fakedet.detector.terminal import shown
from fakedet.errors import UserError

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")
HEATMAP = ".heatmap.jpg"  # what heatmaps' names end with
_LONGEST = 100  # characters of a part of a path that is made here
_LONGEST_PATH = 1000
_FORMULA = ("=", "+", "-", "@", "\t")  # what a spreadsheet takes for the beginning of a formula


@dataclass(frozen=True)
class Item:
    """One file or address to judge.

    Attributes:
        source: the path or address.
        place: where what is made of it lies below a folder of results; of several items may be the same.
    """

    source: str
    place: tuple[str, ...]

    @property
    def name(self) -> str:
        """The source as tables have it: valid text, and no formula for a spreadsheet."""
        text = self.source.encode("utf-8", "backslashreplace").decode()
        return f".{os.sep}{text}" if text.startswith(_FORMULA) else text

    @property
    def is_url(self) -> bool:
        """Whether it has to be downloaded."""
        return is_url(self.source)

    @property
    def is_video(self) -> bool:
        """Whether it is a video by its name; everything else is looked at as a picture."""
        name = self.place[-1] if self.place else ""
        return PurePath(name).suffix.lower() in VIDEO_SUFFIXES


@dataclass(frozen=True)
class Found:
    """What the inputs hold.

    Attributes:
        items: in the order of the inputs, each folder's sorted; each file once.
        left_out: suffix -> number of files in folders that are no picture or video by their name.
    """

    items: tuple[Item, ...]
    left_out: Counter[str]


def find(inputs: Sequence[str], urls: Path | None = None) -> Found:
    """Find what the inputs name.

    A folder is searched with everything below it for pictures and videos by their suffix, without hidden files; a
    pattern (`*`, `?`, `[…]`, `**` for any depth) is taken where no file has that name. Neither gives heatmaps of
    an earlier run. A file that is named is taken whatever it is called.

    Args:
        inputs: paths, patterns and addresses.
        urls: text file with an address or a path a line; empty lines and those that begin with # are skipped.

    Raises:
        UserError: for a path that does not exist or is no file, a pattern without a match, an empty list, and
            when nothing is found at all.
    """
    left_out: Counter[str] = Counter()
    kept: dict[str, Item] = {}
    every = [item for text in inputs for item in _items(text, left_out)]
    every += [] if urls is None else [item for line in _lines(urls) for item in _listed(line, left_out)]
    for item in every:
        kept.setdefault(item.source if item.is_url else str(Path(item.source).absolute()), item)
    if not kept:
        searched = [*inputs, *([] if urls is None else [str(urls)])]
        raise UserError(
            f"There is no picture or video in {', '.join(map(shown, searched))}: "
            f"known are {', '.join((*SUFFIXES, *VIDEO_SUFFIXES))}."
        )
    return Found(tuple(kept.values()), left_out)


def _items(text: str, left_out: Counter[str]) -> Iterator[Item]:
    path, kind = Path(text), _kind(text)
    if is_url(text):
        yield Item(text, _parts_of(text))
    elif kind == stat.S_IFDIR:
        for below in _walk(path, left_out):
            yield Item(str(path / below), (path.resolve().name, *below.parts))
    elif kind == stat.S_IFREG:
        yield Item(str(path), (path.name,))
    elif kind is not None:
        raise UserError(f"{shown(text)} is no file and no folder.")
    elif glob.has_magic(text):
        yield from _matches(text, left_out)
    else:
        raise UserError(f"{shown(text)} does not exist.")


def _kind(path: str | Path) -> int | None:
    """What is there, a link followed; None for nothing that one can get at."""
    try:
        return stat.S_IFMT(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return None


def _parts_of(url: str) -> tuple[str, ...]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return (url,)
    return (parts.netloc, *parts.path.split("/")[1:])


def _walk(folder: Path, left_out: Counter[str]) -> Iterator[Path]:
    """Pictures and videos below a folder, relative to it; links to folders are not followed."""
    closed: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        here = Path(parent)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            known = _suffix(name) in (*SUFFIXES, *VIDEO_SUFFIXES)
            if known and not name.startswith(".") and _kind(here / name) in (stat.S_IFREG, None):
                yield (here / name).relative_to(folder)
            else:
                left_out[_suffix(name)] += 1
    # Told as files without a verdict: what lies in them was asked for.
    yield from (path.relative_to(folder) for path in closed)


def _suffix(name: str) -> str:
    if name.endswith(HEATMAP):
        return HEATMAP
    return PurePath(name).suffix.lower() or "without a suffix"


def _matches(pattern: str, left_out: Counter[str]) -> Iterator[Item]:
    found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 (Path's knows no absolute patterns)
    if not found:
        raise UserError(f"{shown(pattern)} matches no file.")
    parts = Path(pattern).parts
    fixed = Path(*parts[: next(place for place, part in enumerate(parts) if glob.has_magic(part))])
    for text in found:
        path, kind = Path(text), _kind(text)
        if _suffix(path.name) == HEATMAP:
            left_out[HEATMAP] += 1
        elif kind == stat.S_IFREG:
            yield Item(str(path), path.relative_to(fixed).parts)
        elif kind == stat.S_IFDIR and "**" not in parts:  # which has matched what is inside as well
            yield from _items(text, left_out)


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"urls={shown(file)} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise UserError(f"urls={shown(file)} is no text in UTF-8.") from error
    lines = [line.strip() for line in text.split("\n")]
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise UserError(f"urls={shown(file)} has no line with an address or a path.")
    return found


def _listed(line: str, left_out: Counter[str]) -> Iterator[Item]:
    """As `_items`, but a file that is missing is one bad line of many, and told with the others."""
    if is_url(line) or _kind(line) == stat.S_IFDIR:
        yield from _items(line, left_out)
    else:
        yield Item(line, (Path(line).name,))


def places(items: Sequence[Item], suffix: str = HEATMAP) -> dict[Item, PurePosixPath]:
    """Item -> its own relative path below a folder of results, which never leads out of that.

    Items that would lie in one place, also where upper and lower case are the same, get a digest of their source
    in their names: which one it is does not depend on the others.
    """
    wanted = {item: _short(PurePosixPath(*[_harmless(part) for part in item.place or ("",)])) for item in items}
    count = Counter(str(path).casefold() for path in wanted.values())
    given = {}
    for item, path in wanted.items():
        digest = hashlib.sha256(item.name.encode()).hexdigest()[:10]
        alone = count[str(path).casefold()] == 1
        given[item] = path.with_name(f"{path.name}{suffix}" if alone else f"{path.stem}-{digest}{path.suffix}{suffix}")
    return given


def _short(path: PurePosixPath) -> PurePosixPath:
    """A path that every system takes: of a very long one, a digest in place of its folders."""
    if len(str(path).encode()) <= _LONGEST_PATH:
        return path
    return PurePosixPath(hashlib.sha256(str(path.parent).encode()).hexdigest()[:10], path.name)


def _harmless(part: str) -> str:
    """A part of a path that every file system takes, and that is neither above nor absolute."""
    text = "".join(letter if letter.isprintable() and letter not in '<>:"/\\|?*' else "_" for letter in part)
    text = text.rstrip(". ") or "_"
    text = f"_{text}" if text.startswith(_FORMULA) else text
    if len(text.encode()) <= _LONGEST:
        return text
    digest = hashlib.sha256(part.encode("utf-8", "backslashreplace")).hexdigest()[:10]
    return f"{text[: _LONGEST // 4]}-{digest}{PurePath(text).suffix[:10]}"
