"""The page for those who use a keyboard, a screen reader, a small screen, or little light."""

import re
from typing import Any

import numpy as np
import pytest
from browser import ASTRONAUT, OpenTab, Tab, encoded
from playwright.sync_api import FilePayload, expect
from services import Server

PAIR = encoded(np.concatenate([ASTRONAUT[:256, 100:350], ASTRONAUT[:256, 350:100:-1]], axis=1), "PNG")

# Every text that is seen -> contrast with what is behind it (WCAG 2.2), and the least it must have.
_CONTRASTS = """() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || !element.checkVisibility() || element.closest(".unseen, .tag")) continue;
    const style = getComputedStyle(element);
    const pair = [light(channels(style.color)), light(behind(element))].sort((a, b) => b - a);
    const large = parseFloat(style.fontSize) >= 24;
    found.push([text, (pair[0] + 0.05) / (pair[1] + 0.05), large ? 3 : 4.5]);
  }
  return found;
}"""


def _full(tab: Tab, astronaut: bytes) -> None:
    """Cards of every kind that these two pictures and a text make."""
    tab.choose(pair_png=PAIR, letter_txt=b"Dear reader", portrait_png=astronaut)
    for name in ("pair.png", "letter.txt", "portrait.png"):
        tab.judged(name)
    tab.card("pair.png").get_by_text("Details and timings").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out(
    open_tab: OpenTab, service: Server, face_service: Server, of_each_verdict: Any, astronaut: bytes, scheme: str
) -> None:
    tab = open_tab(face_service, color_scheme=scheme)
    _full(tab, astronaut)
    other = open_tab(service, color_scheme=scheme)
    other.choose_named({verdict: encoded(picture, "PNG") for verdict, picture in of_each_verdict.items()})
    for verdict in of_each_verdict:
        other.judged(verdict)
    found = tab.page.evaluate(_CONTRASTS) + other.page.evaluate(_CONTRASTS)
    assert len(found) > 80
    assert [(text, round(ratio, 2)) for text, ratio, least in found if ratio < least] == []
    backdrop = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", backdrop)[:3])) < 150) == (scheme == "dark")


@pytest.mark.parametrize("width", [360, 768])
def test_small_screens_scroll_in_one_direction(
    open_tab: OpenTab, face_service: Server, astronaut: bytes, width: int
) -> None:
    tab = open_tab(face_service, viewport={"width": width, "height": 740}, has_touch=True)
    assert tab.page.evaluate("document.documentElement.scrollWidth") == width
    _full(tab, astronaut)
    assert tab.page.evaluate("document.documentElement.scrollWidth") == width
    for control in tab.page.locator("button:visible, .faces label:visible, .opacity:visible, summary:visible").all():
        box = control.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["height"] >= 24 or "Details" in control.inner_text()  # WCAG 2.2: target size


def test_everything_works_by_keyboard(open_tab: OpenTab, face_service: Server) -> None:
    tab = open_tab(face_service)
    keys = tab.page.keyboard
    # The browser is told of the first listener while the test goes on: Enter would come before it.
    tab.page.on("filechooser", lambda _: None)
    tab.page.wait_for_load_state("networkidle")
    keys.press("Tab")
    expect(tab.page.locator("#file")).to_be_focused()
    with tab.page.expect_file_chooser() as chooser:
        keys.press("Enter")
    chooser.value.set_files([FilePayload(name="pair.png", mimeType="image/png", buffer=PAIR)])
    card = tab.judged("pair.png")
    order = []
    for _ in range(6):
        keys.press("Tab")
        focused: Any = tab.page.evaluate(
            "() => { const at = document.activeElement; const style = getComputedStyle(at);"
            "return [at.className || at.tagName + at.type, style.outlineStyle, parseFloat(style.outlineWidth)]; }"
        )
        order.append(focused[0])
        assert focused[1] != "none", focused
        assert focused[2] >= 1
        if focused[0] == "opacity":
            keys.press("ArrowLeft")
            expect(card.locator(".opacity")).to_have_value("70")
        if focused[0] == "INPUTradio":
            keys.press("ArrowDown")
            expect(card.get_by_role("radio").nth(1)).to_be_checked()
            expect(card.locator(".face").nth(1)).to_have_class(re.compile("chosen"))
        if focused[0] == "SUMMARY" or focused[0] == "SUMMARYundefined":
            keys.press("Enter")
            expect(card.locator(".more dl")).to_be_visible()
            break
    assert order[:3] == ["quiet remove", "opacity", "INPUTradio"]
    keys.press("Shift+Tab")
    keys.press("Shift+Tab")
    keys.press("Shift+Tab")
    expect(card.get_by_role("button", name="Remove pair.png")).to_be_focused()
    keys.press("Space")
    expect(tab.page.locator("article")).to_have_count(0)
    expect(tab.page.locator("#file")).to_be_focused()


def test_the_chosen_button_shows_that_it_has_the_focus(open_tab: OpenTab, service: Server) -> None:
    tab = open_tab(service)
    drop = tab.page.locator(".drop")
    assert drop.evaluate("at => getComputedStyle(at).outlineStyle") == "none"
    tab.page.keyboard.press("Tab")
    expect(tab.page.locator("#file")).to_be_focused()
    assert drop.evaluate("at => getComputedStyle(at).outlineStyle") == "solid"


def test_a_screen_reader_is_told_everything(open_tab: OpenTab, face_service: Server, astronaut: bytes) -> None:
    tab = open_tab(face_service)
    _full(tab, astronaut)
    session = tab.page.context.new_cdp_session(tab.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    told = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"] and "role" in node
    ]
    roles = {"button", "radio", "slider", "image", "link", "heading", "progressbar", "article"}
    assert [role for role, name in told if role in roles - {"article"} and not name.strip()] == []
    assert ("heading", "Real or fake?") in told
    assert ("button", "Remove portrait.png") in told
    assert ("button", "Choose pictures") in told
    assert ("slider", "Map of what raised the score") in told
    assert ("image", "portrait.png: Looks fake") in told
    assert any(role == "radio" and re.fullmatch(r"Face 2 looks \w+ \d+ % fake", name) for role, name in told)
    expect(tab.page.locator("#live")).to_have_attribute("aria-live", "polite")
    expect(tab.page.locator("#live")).to_have_text(re.compile(r"portrait\.png: Looks fake\. Of 100 faces that score"))
    levels = tab.page.locator("h1, h2, h3").evaluate_all("all => all.map(each => Number(each.tagName[1]))")
    assert levels[0] == 1
    assert max(np.diff(levels)) <= 1


def test_nothing_moves_for_those_who_want_it_so(open_tab: OpenTab, service: Server, astronaut: bytes) -> None:
    moving = "getComputedStyle(document.querySelector('.card')).animationName"
    for wish, moves in (("reduce", False), ("no-preference", True)):
        tab = open_tab(service, reduced_motion=wish)
        tab.choose(portrait_png=astronaut)
        tab.judged("portrait.png")
        assert (tab.page.evaluate(moving) != "none") == moves
