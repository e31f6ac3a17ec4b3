"""One self-contained HTML page: text, tables and pictures, with nothing fetched from anywhere."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from fakedet.figures import canvas

_TEMPLATE = "page.html.jinja"


@dataclass(frozen=True)
class Picture:
    """An image file that is put into the page itself.

    Attributes:
        data: bytes of a PNG or JPEG file.
        alt: what it shows, for readers who do not see it.
        caption: lines under it.
        figure: what it was drawn from, for whoever shows it elsewhere too; None for a photograph.
    """

    data: bytes
    alt: str
    caption: tuple[str, ...] = ()
    figure: Figure | None = None

    @classmethod
    def of(cls, figure: Figure, alt: str) -> "Picture":
        """A drawn figure."""
        return cls(canvas.png(figure), alt, figure=figure)

    @property
    def inches(self) -> float | None:
        """Width that a figure was drawn for, so that all have type of one size; None for a photograph."""
        return None if self.figure is None else float(self.figure.get_figwidth())

    @property
    def uri(self) -> str:
        """The file as a data URI."""
        kind = "png" if self.data.startswith(b"\x89PNG") else "jpeg"
        return f"data:image/{kind};base64,{base64.b64encode(self.data).decode('ascii')}"


@dataclass(frozen=True)
class Gallery:
    """Pictures beside one another, as many as the screen is wide for.

    Attributes:
        pictures: in reading order.
        small: thumbnails with captions instead of plots.
        wide: each has the whole width.
    """

    pictures: Sequence[Picture]
    small: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        header: column names.
        rows: as many cells each; the first names the row.
        names_first: the first column holds file names, which may break anywhere.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    names_first: bool = False


@dataclass(frozen=True)
class Facts:
    """Names with one value each."""

    values: Mapping[str, str]


Block = Gallery | Grid | Facts


@dataclass(frozen=True)
class Section:
    """A heading with text and blocks below it."""

    title: str
    blocks: Sequence[Block]
    text: str = ""


def render(
    title: str, verdict: str, notes: Sequence[str], sections: Sequence[Section], alarms: Sequence[str] = ()
) -> str:
    """The page as text. Every string is escaped, so a file name cannot become markup.

    Args:
        title: of the page.
        verdict: the sentences that a hurried reader takes away.
        notes: warnings, listed right below.
        sections: the rest, in order.
        alarms: what makes everything below worthless; stands above it all.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template(_TEMPLATE)
    kinds = {Gallery: "gallery", Grid: "grid", Facts: "facts"}
    return template.render(
        title=title,
        verdict=verdict,
        notes=notes,
        alarms=alarms,
        sections=[(section, [(kinds[type(block)], block) for block in section.blocks]) for section in sections],
    )
