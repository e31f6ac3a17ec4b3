"""The commands and programs that README and docs show, found by themselves."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).parents[1]
_SEPARATORS = ("|", "||", "&", "&&", ";")
_REDIRECTIONS = (">", ">>", "<", "2>", ">&", "&>")
_ASSIGNMENT = re.compile(r"^[A-Z][A-Z0-9_]*=")
# What a table shows of this project, and not of another.
_OURS = re.compile(
    r"(\w+=\S+ )?(python (src/|-m fakedet)|make \w|fakedet predict [^-\s]|uvicorn fakedet|scripts/\w+\.sh )"
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: its path below the repository.
        line: where the block begins, from 1.
        language: behind the fence, `bash` or `python`; empty where there is none.
        title: the file that the block is the content of, or None.
        text: what is in it, without the indentation of the fence.
    """

    page: str
    line: int
    language: str
    title: str | None
    text: str


@dataclass(frozen=True)
class Command:
    """One command of a shell: a program with its words, without what it is piped into.

    Attributes:
        page: where it stands first.
        line: there.
        words: the program and its arguments.
        environment: what is set for it.
        text: what a here-document hands it, or None.
    """

    page: str
    line: int
    words: tuple[str, ...]
    environment: dict[str, str] = field(hash=False)
    text: str | None = None

    def __str__(self) -> str:
        """As it would be typed."""
        return " ".join([*(f"{name}={value}" for name, value in self.environment.items()), *self.words])


def pages() -> list[Path]:
    """README and everything below docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    text = page.read_text()
    fence = re.compile(r"^( *)```(\w*)([^\n`]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
    found = []
    for match in fence.finditer(text):
        indent, language, rest, inner = match.groups()
        title = re.search(r'title="([^"]+)"', rest)
        line = text.count("\n", 0, match.start()) + 1
        lines = [each.removeprefix(indent) for each in inner.splitlines(keepends=True)]
        found.append(Block(_name(page), line, language, title[1] if title else None, "".join(lines)))
    return found


def commands_of(block: Block) -> Iterator[Command]:
    """The commands of a block of shell, in order: here-documents, continued lines and comments are understood."""
    lines = iter(enumerate(block.text.splitlines(), start=block.line + 1))
    for number, line in lines:
        whole = line
        while whole.endswith("\\"):
            whole = whole[:-1] + " " + next(lines)[1].strip()
        here = re.search(r"<<-?\s*['\"]?(\w+)['\"]?", whole)
        text = None
        if here:
            whole = whole.replace(here[0], "")
            inner = takewhile(lambda each: each[1] != here[1], lines)  # noqa: B023 (read at once)
            text = "".join(f"{each}\n" for _, each in inner)
        for words in _simple(whole):
            given = [word for word in words if _ASSIGNMENT.match(word)]
            leading = given if given == words[: len(given)] else []
            environment = dict(word.split("=", 1) for word in leading)
            yield Command(block.page, number, tuple(words[len(leading) :]), environment, text)


def _simple(line: str) -> Iterator[list[str]]:
    """The commands of one line, each as its words."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    skip = False
    for token in lexer:
        if token in _SEPARATORS:
            if words:
                yield words
            words, skip = [], False
        elif token in _REDIRECTIONS:
            skip = True  # the file that it goes to is no argument
        elif skip:
            skip = False
        else:
            words.append(token)
    if words:
        yield words


def in_tables(page: Path) -> Iterator[Block]:
    """The commands in the last column of a page's tables, each as a block of its own."""
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        if line.startswith("|"):
            for shown in re.findall(r"`([^`]+)`", line.rstrip("| ").rpartition(" | ")[2]):
                if _OURS.match(shown):
                    yield Block(_name(page), number - 1, "bash", None, shown)


def distinct_commands() -> list[Command]:
    """Every command of all pages once, where it stands first; those of blocks before those of tables."""
    shown = [block for page in pages() for block in blocks(page) if block.language in ("bash", "sh", "shell")]
    shown += [block for page in pages() for block in in_tables(page)]
    found: dict[str, Command] = {}
    for block in shown:
        for command in commands_of(block):
            found.setdefault(str(command) + (command.text or ""), command)
    return list(found.values())


def programs() -> list[Block]:
    """The Python programs of all pages, but those that are the content of a file."""
    return [
        block
        for page in pages()
        for block in blocks(page)
        if block.language in ("python", "py") and block.title is None
    ]


def files_of(page: Path) -> dict[str, str]:
    """Path -> content of the files that a page shows, in the order in which they stand."""
    return {block.title: block.text for block in blocks(page) if block.title is not None}
