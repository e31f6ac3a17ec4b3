import base64
from html.parser import HTMLParser

import numpy as np
import pytest

from fakedet.figures import canvas
from fakedet.figures.confusion import confusion_figure
from fakedet.figures.page import Facts, Gallery, Grid, Picture, Section, render

HOSTILE = "<script>alert('x')</script>\"'&{{ 7 * 7 }}"


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def picture() -> bytes:
    return canvas.png(confusion_figure(np.eye(2), "x"), dpi=30)


@pytest.fixture(scope="module")
def page(picture: bytes) -> tuple[str, _Page]:
    sections = [
        Section(HOSTILE, [Grid([HOSTILE, "b"], [[HOSTILE, "2"]]), Facts({HOSTILE: HOSTILE})], HOSTILE),
        Section("Pictures", [Gallery([Picture(picture, HOSTILE, (HOSTILE,))], small=True)]),
    ]
    text = render(HOSTILE, HOSTILE, [HOSTILE], sections, [HOSTILE])
    return text, _Page(text)


def test_every_string_is_escaped(page: tuple[str, _Page]) -> None:
    text, parsed = page
    assert "<script" not in text
    assert not any(tag == "script" for tag, _ in parsed.tags)
    assert not any(name.startswith("on") for _, attributes in parsed.tags for name in attributes)
    # title, alarm, h1, verdict, note, heading, text, table head, cell, fact's name, its value, caption
    assert sum(word == HOSTILE for word in parsed.words) == 12
    (image,) = [attributes for tag, attributes in parsed.tags if tag == "img"]
    assert image["alt"] == HOSTILE


def test_nothing_is_fetched(page: tuple[str, _Page], picture: bytes) -> None:
    text, parsed = page
    assert "http://" not in text
    assert "https://" not in text
    assert "url(" not in text
    assert not any(tag in {"link", "iframe", "object", "script"} for tag, _ in parsed.tags)
    sources = [str(value) for _, attributes in parsed.tags for name, value in attributes.items() if name == "src"]
    assert [source.partition(",")[0] for source in sources] == ["data:image/png;base64"]
    assert base64.b64decode(sources[0].partition(",")[2]) == picture
    policy = [a["content"] for tag, a in parsed.tags if tag == "meta" and a.get("http-equiv")]
    assert str(policy[0]).startswith("default-src 'none'")


def test_phones_prints_and_dark_screens_are_thought_of(page: tuple[str, _Page]) -> None:
    text, parsed = page
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in parsed.tags
    assert "@media print" in text
    assert "prefers-color-scheme: dark" in text


def test_jpeg_says_so() -> None:
    assert Picture(b"\xff\xd8\xff", "x").uri.startswith("data:image/jpeg;base64,")


def test_an_alarm_is_the_first_thing_on_the_page() -> None:
    parsed = _Page(render("title", "verdict", ["note"], [], ["ALARM"]))
    shown = [word.strip() for word in parsed.words if word.strip()]
    assert shown[shown.index("ALARM") + 1 :] == ["title", "verdict", "note"]
    assert "alarm" not in str(_Page(render("title", "verdict", [], [])).tags)


def test_a_figure_is_shown_as_wide_as_it_was_drawn() -> None:
    figure = confusion_figure(np.eye(2), "x")
    drawn = Picture.of(figure, "what it shows")
    assert drawn.data == canvas.png(confusion_figure(np.eye(2), "x"))
    assert drawn.figure is figure
    text = render("", "", [], [Section("", [Gallery([drawn], wide=True), Gallery([Picture(drawn.data, "x")])])])
    images = [attributes for tag, attributes in _Page(text).tags if tag == "img"]
    width = float(str(images[0]["style"]).removeprefix("max-width: ").removesuffix("rem"))
    assert width == pytest.approx(6.6 * figure.get_figwidth())
    assert "style" not in images[1]
    assert '<div class="gallery wide">' in text
