"""The documentation site builds without a warning, and what its pages and the README name is there."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from documented import ROOT, files_of
from playwright.sync_api import expect, sync_playwright

from fakedet import Detector
from fakedet.augment import METHODS as FORGERIES
from fakedet.augment.corruptions import CORRUPTIONS
from fakedet.data.extract import WHOLE
from fakedet.detector.decision import METHODS as CALIBRATIONS
from fakedet.detector.decision import VERDICTS
from fakedet.detector.result import Finding, Result
from fakedet.detector.spec import ALIGNMENTS, CHOICES, FINDERS, INTERPOLATIONS, NO_FACE
from fakedet.detector.video_result import VideoResult, VideoTrack
from fakedet.evaluation.levels import HOW

sys.path.insert(0, str(ROOT / "scripts"))
import docs_hooks

DOCS = ROOT / "docs"
CONF = ROOT / "conf"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [ROOT / "README.md", *PAGES]
_FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
_PATH = re.compile(r"(?:src|conf|scripts|tests|docs|notebooks)/[\w./*-]+|\.ci/\w+")
_LOADING = ("script", "img", "iframe", "source", "video", "audio", "embed", "object")
_PLACEHOLDERS = ("mine", "my_", "NAME")  # in names of files that a reader would write


@dataclass
class Page(HTMLParser):
    """What a built page names.

    Attributes:
        anchors: that can be linked to.
        links: addresses of links.
        loaded: addresses of what a browser loads by itself.
    """

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors.update(value for name, value in attrs if name in ("id", "name") and value)
        address = given.get("src") or given.get("href") or given.get("data")
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")
        elif tag in _LOADING or (tag == "link" and given.get("rel") not in ("canonical", "next", "prev")):
            self.loaded += [address] if address else []


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The site as `make docs` builds it, and what the build said."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(ROOT / "mkdocs.yml"), "-d", str(folder)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # of the theme, which tells of its successor
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=quiet)
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


@pytest.fixture(scope="module")
def pages(built: tuple[Path, str]) -> dict[Path, Page]:
    """What every built page names, by its file."""
    found = {}
    for file in sorted(built[0].rglob("*.html")):
        found[file] = Page()
        found[file].feed(file.read_text())
    return found


def test_it_builds_without_a_warning(built: tuple[Path, str], pages: dict[Path, Page]) -> None:
    assert "WARNING" not in built[1]
    names = {file.relative_to(built[0]).with_suffix(".md") for file in pages if file.name != "404.html"}
    assert names == {page.relative_to(DOCS) for page in PAGES}


def test_every_page_is_in_the_navigation(pages: dict[Path, Page]) -> None:
    shown = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    assert sorted(re.findall(r"[\w/-]+\.md$", shown, re.MULTILINE)) == [str(page.relative_to(DOCS)) for page in PAGES]


def test_links_between_pages_lead_somewhere(built: tuple[Path, str], pages: dict[Path, Page]) -> None:
    wrong = []
    for file, page in pages.items():
        for link in page.links:
            address = urlsplit(link)
            if file.name == "404.html" or address.scheme or address.netloc:
                continue
            target = (file.parent / unquote(address.path)).resolve() if address.path else file
            target = target / "index.html" if target.is_dir() else target
            anchor = unquote(address.fragment)
            if not target.is_file() or (anchor and target in pages and anchor not in pages[target].anchors):
                wrong.append(f"{file.relative_to(built[0])}: {link}")
    assert wrong == []


def test_nothing_comes_from_another_host(built: tuple[Path, str], pages: dict[Path, Page]) -> None:
    loaded = [(file.name, address) for file, page in pages.items() for address in page.loaded]
    assert [one for one in loaded if urlsplit(one[1]).netloc or urlsplit(one[1]).scheme not in ("", "data")] == []
    for sheet in built[0].rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//", sheet.read_text()), sheet.name
    # What would make the theme's own program fetch a library.
    assert [file.name for file in pages if re.search(r'class="(?:mermaid|arithmatex)"', file.read_text())] == []


def _anchors(text: str) -> set[str]:
    """Those of the headings of a page of Markdown, as a code host names them."""
    headings = re.findall(r"^#+ (.+?)(?: \{.*\})?$", _FENCE.sub("", text), re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in plain}


def _links(text: str) -> Iterator[str]:
    prose = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text))
    yield from re.findall(r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)", prose)
    yield from re.findall(r"^\[[^]]+\]:\s*(\S+)", prose, re.MULTILINE)


def test_links_of_the_readme_lead_somewhere() -> None:
    links = list(_links(TEXTS[0].read_text()))
    assert links
    for link in links:
        address = urlsplit(link)
        if address.scheme:
            continue
        target = ROOT / address.path if address.path else TEXTS[0]
        assert target.exists(), link
        assert not address.fragment or address.fragment in _anchors(target.read_text()), link


_CONFIGS = re.findall(r'^--8<-- "(.+)"$', (DOCS / "reference" / "configuration.md").read_text(), re.MULTILINE)


def _shown(group: str) -> list[str]:
    """The choices of a group of `conf/` that the page of all of them shows."""
    return [Path(file).stem for file in _CONFIGS if Path(file).parent.as_posix() == f"conf/{group}"]


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_addresses_elsewhere_are_well_formed(page: Path) -> None:
    for link in _links(page.read_text()):
        address = urlsplit(link)
        if address.scheme or address.netloc:
            assert address.scheme == "https", link
            assert re.fullmatch(r"(?:[\w-]+\.)+[a-z]{2,}", address.netloc), link
            assert not re.search(r"[.,;:'\"`]$|[^\x21-\x7e]", link), link


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_are_there(page: Path) -> None:
    text = _FENCE.sub("", page.read_text())
    shown = files_of(page)
    missing = []
    for code in re.findall(r"`([^`\n]+)`", text):
        for path in (
            found.rstrip(".,") for found in _PATH.findall(code) if re.match(rf"{re.escape(found)}|\S*/", code)
        ):
            if path in shown or any(word in path for word in _PLACEHOLDERS) or not code.startswith(path):
                continue
            if not any(ROOT.glob(path.rstrip("/"))):
                missing.append(path)
    assert missing == []


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("methods/models.md", _shown("model")),
        ("datasets.md", _shown("data")),
        ("methods/augmentation.md", _shown("augmentation")),
        ("methods/robustness.md", [*_shown("robustness"), *CORRUPTIONS]),
        ("methods/pseudo-fakes.md", FORGERIES),
        ("methods/preprocessing.md", [*FINDERS, *ALIGNMENTS, *CHOICES, *INTERPOLATIONS, *NO_FACE, *WHOLE]),
        ("methods/decision.md", [*CALIBRATIONS, *VERDICTS]),
        ("methods/metrics.md", HOW),
        ("notebooks.md", [file.name for file in (ROOT / "notebooks").glob("*.ipynb")]),
    ],
)
def test_what_can_be_chosen_is_described(page: str, names: Iterable[str]) -> None:
    words = {
        word
        for code in re.findall(r"`([^`\n]+)`", (DOCS / page).read_text())
        for word in (code, *re.split(r"[\s=\[\],/]", code))
    }
    assert sorted(set(names) - words) == []


def test_every_config_is_shown(built: tuple[Path, str]) -> None:
    assert len(_CONFIGS) > 30
    page = (built[0] / "reference" / "configuration.html").read_text()
    shown = re.findall(r"<h3[^>]*><code>(conf/[^<]+)</code>", page)
    assert sorted(shown) == sorted(file.relative_to(ROOT).as_posix() for file in CONF.rglob("*.yaml"))


def test_a_config_of_ones_own_is_shown_too(tmp_path: Path) -> None:
    for name in ("model/theirs.yaml", "model/mine.yaml"):
        (tmp_path / "conf" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "conf" / name).touch()
    page = 'Text.\n\n```yaml\n--8<-- "conf/model/theirs.yaml"\n```\n'
    found = docs_hooks.with_own(page, tmp_path)
    assert found.startswith(page.rstrip())
    assert found.count('--8<-- "conf/model/mine.yaml"') == found.count("## Your own") == 1
    assert found.count("theirs.yaml") == 1
    assert docs_hooks.with_own(found, tmp_path) == found, "nothing is left to add"


def test_results_are_described_field_by_field() -> None:
    text = (DOCS / "reference" / "python.md").read_text()
    named = [each.name for kind in (Result, Finding, VideoResult, VideoTrack) for each in fields(kind)]
    methods = [name for name in vars(Detector) if not name.startswith("_") and name not in ("score", "finding")]
    for name in [*named, *methods]:
        assert re.search(rf"`(?:Detector\.)?{name}[`(]", text), name


def test_it_reads_well_on_a_telephone_and_can_be_searched(built: tuple[Path, str]) -> None:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine: install it with `apt-get install chromium`")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(built[0]))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        with sync_playwright() as playwright:
            # Root may not open Chromium's own sandbox.
            arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=found, args=arguments)
            page = browser.new_page(viewport={"width": 390, "height": 844})
            asked: list[str] = []
            trouble: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            page.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
            for name in ("index.html", "datasets.html", "methods/models.html", "reference/configuration.html"):
                page.goto(url + name)
                assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
            page.locator("label.md-header__button[for=__search]").click()
            page.locator("input.md-search__input").press_sequentially("isotonic")
            expect(page.locator(".md-search-result__item").first).to_contain_text("isotonic", timeout=15_000)
            browser.close()
        server.shutdown()
    assert trouble == []
    assert [address for address in asked if not address.startswith((url, "data:", "blob:"))] == []


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass
