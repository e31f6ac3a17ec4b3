import base64
import math
import re
from typing import Any

import numpy as np
import pytest
from browser import ASTRONAUT, OpenTab, encoded
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator, expect
from services import Server

from fakedet import Detector

HEADLINES = {"real": "Looks real", "uncertain": "Uncertain", "fake": "Looks fake"}
_MAKE_FILES = """items => {
  const transfer = new DataTransfer();
  for (const [name, text] of items) {
    transfer.items.add(new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name, {type: "image/png"}));
  }
  return transfer;
}"""


def _transfer(page: Any, **files: bytes) -> Any:
    return page.evaluate_handle(_MAKE_FILES, [[name, base64.b64encode(data).decode()] for name, data in files.items()])


@pytest.mark.parametrize("verdict", list(HEADLINES))
def test_a_picked_picture_gets_its_verdict(
    open_tab: OpenTab, service: Server, of_each_verdict: dict[str, NDArray[np.uint8]], verdict: str
) -> None:
    tab = open_tab(service)
    tab.choose(one_png=encoded(of_each_verdict[verdict], "PNG"))
    card = tab.judged("one.png")
    expect(card.locator(".verdict")).to_have_text(HEADLINES[verdict])
    expect(card).to_have_attribute("data-state", verdict)
    # Its decision is not fitted, so its number must not be read as odds.
    expect(card.locator(".odds")).to_contain_text("do not read it as odds")
    expect(card.locator(".notes")).to_be_visible(visible=verdict == "uncertain")
    expect(card.locator(".remark")).to_contain_text("inside the dashed line")


def test_a_fitted_probability_is_told_as_a_count(
    open_tab: OpenTab, face_service: Server, face_detector: Detector, astronaut: bytes
) -> None:
    result = face_detector.predict(astronaut)
    assert result.probability is not None
    tab = open_tab(face_service)
    tab.choose(portrait_png=astronaut)
    card = tab.judged("portrait.png")
    expect(card.locator(".odds")).to_have_text(
        f"Of 100 faces that score like this one, about {round(100 * result.probability)} are fake – "
        "where real and fake are equally frequent."
    )
    card.get_by_text("Details and timings").click()
    expect(card.locator(".more dt")).to_contain_text(
        ["Reading the picture", "Looking for faces", "Judging", "From sending to answer", "Size of the picture"]
    )
    expect(tab.page.locator("#model")).to_contain_text("at most 1 %, on 1,000 real validation pictures")
    expect(tab.page.locator("#origin")).to_contain_text("It knows what it was trained on: pictures.")


def test_numbers_become_words(open_tab: OpenTab, service: Server) -> None:
    strict = "{band: [0.9, 0.9], false_positive_rate: 0.01}"
    lenient = "{band: [0.1, 0.2], false_positive_rate: null}"
    expected = {
        "odds(0.93, {fitted_on: {}}, 'face')": "Of 100 faces that score like this one, about 93 are fake – where",
        "odds(0.013, {fitted_on: {}}, 'picture')": "Of 100 pictures that score like this one, about 1 is fake",
        "odds(0.004, {fitted_on: {}}, 'picture')": "fewer than 1 is fake",
        "odds(0.997, {fitted_on: {}}, 'picture')": "more than 99 are fake",
        "odds(0.6, {fitted_on: null}, 'face')": "The model itself says 60 % fake. Nobody has checked this number",
        "odds(0.6, null, 'face')": "The model itself says 60 % fake. What it knows of its own numbers could not",
        "percent(0.9999)": "over 99 %",
        "percent(1)": "100 %",
        "percent(0.001)": "under 1 %",
        "limit(0.9995)": "99.95 %",
        "headline('real', 0.8)": "Not called fake",
        f"because('real', 0.8, {strict}, 'face')": "only above 90 %, so that at most 1 % of real faces are accused.",
        f"because('fake', 0.3, {lenient}, 'face')": "calls a face fake above 20 % already.",
        f"because('uncertain', 0.3, {lenient}, 'face')": "From 10 % to 20 % this model leaves the question open.",
    }
    tab = open_tab(service)
    for call, said in expected.items():
        assert said in tab.page.evaluate(f"import('./static/words.js').then(words => words.{call})")
    nothing = f"import('./static/words.js').then(words => words.because('fake', 0.95, {strict}, 'face'))"
    assert tab.page.evaluate(nothing) is None


def test_pictures_are_dropped(
    open_tab: OpenTab, service: Server, of_each_verdict: dict[str, NDArray[np.uint8]]
) -> None:
    tab = open_tab(service)
    data = {f"{verdict}.png": encoded(picture, "PNG") for verdict, picture in of_each_verdict.items()}
    dropped = {"dataTransfer": _transfer(tab.page, **data)}
    tab.page.dispatch_event("body", "dragover", dropped)
    expect(tab.page.locator("body")).to_have_class("over")
    tab.page.dispatch_event("body", "drop", dropped)
    for verdict, headline in HEADLINES.items():
        expect(tab.judged(f"{verdict}.png").locator(".verdict")).to_have_text(headline)
    expect(tab.page.locator("#queue")).to_be_hidden()
    tab.page.dispatch_event("body", "drop", {"dataTransfer": _transfer(tab.page)})
    expect(tab.page.get_by_role("alert")).to_contain_text("Only picture files can be dropped")


def test_a_picture_is_pasted_from_the_clipboard(open_tab: OpenTab, service: Server, astronaut: bytes) -> None:
    tab = open_tab(service, permissions=["clipboard-read", "clipboard-write"])
    tab.page.evaluate(
        "async text => { const data = Uint8Array.from(atob(text), c => c.charCodeAt(0));"
        "await navigator.clipboard.write([new ClipboardItem({'image/png': new Blob([data], {type: 'image/png'})})]); }",
        base64.b64encode(astronaut).decode(),
    )
    tab.page.keyboard.press("Control+v")
    tab.page.keyboard.press("Control+v")
    tab.judged("Pasted picture 1")
    tab.judged("Pasted picture 2")
    tab.page.evaluate("navigator.clipboard.writeText('words')")
    tab.page.keyboard.press("Control+v")
    expect(tab.page.get_by_role("alert")).to_have_text("There is no picture in the clipboard.")


def test_results_stand_newest_first(open_tab: OpenTab, service: Server, astronaut: bytes) -> None:
    tab = open_tab(service)
    tab.choose(first_png=astronaut)
    tab.choose(second_png=astronaut, third_png=astronaut)
    for name in ("first.png", "second.png", "third.png"):
        tab.judged(name)
    expect(tab.page.locator("article h3")).to_have_text(["second.png", "third.png", "first.png"])
    tab.choose(first_png=astronaut)  # the same again
    expect(tab.page.locator("article")).to_have_count(4)


def _stage(card: Locator, opacity: int) -> NDArray[np.uint8]:
    """The stage as the screen shows it."""
    card.locator(".opacity").fill(str(opacity))
    return np.frombuffer(card.locator(".stage").screenshot(animations="disabled"), np.uint8)


def test_the_slider_fades_the_map(open_tab: OpenTab, face_service: Server, astronaut: bytes) -> None:
    tab = open_tab(face_service)
    tab.choose(portrait_png=astronaut)
    card = tab.judged("portrait.png")
    none, half, full = (_stage(card, opacity).tobytes() for opacity in (0, 50, 100))
    assert len({none, half, full}) == 3
    card.locator("canvas.map").evaluate("canvas => { canvas.hidden = true; }")
    assert _stage(card, 100).tobytes() == none
    expect(card.get_by_role("slider")).to_have_attribute("aria-valuetext", "100 %")


def test_the_map_lies_where_the_network_looked(
    open_tab: OpenTab, face_service: Server, face_detector: Detector, astronaut: bytes
) -> None:
    finding = face_detector.predict(astronaut, explain=True).findings[0]
    assert finding.heatmap is not None
    first, second, _, last = np.array(finding.region)
    assert abs(second - first)[1] > 5  # the square is turned
    tab = open_tab(face_service)
    tab.choose(portrait_png=astronaut)
    shown = tab.pixels(tab.judged("portrait.png"), "map")[..., 3] / 255
    assert shown.shape == ASTRONAUT.shape[:2]
    side = len(finding.heatmap)
    inside = np.zeros(shown.shape, bool)
    rows, columns = np.mgrid[: shown.shape[0], : shown.shape[1]] + 0.5
    across, down = (second - first) / math.dist(first, second) ** 2, (last - first) / math.dist(first, last) ** 2
    offset = np.stack([columns - first[0], rows - first[1]], axis=-1)
    u, v = offset @ across * side, offset @ down * side
    inside = (u >= 1) & (u < side - 1) & (v >= 1) & (v < side - 1)
    expected = finding.heatmap[v[inside].astype(int), u[inside].astype(int)]
    assert np.corrcoef(shown[inside], expected)[0, 1] > 0.99
    assert np.abs(shown[inside] - expected).mean() < 0.02
    outside = (u < -2) | (u > side + 2) | (v < -2) | (v > side + 2)
    assert not shown[outside].any()


def test_every_face_can_be_turned_to(
    open_tab: OpenTab, face_service: Server, face_detector: Detector, astronaut: bytes
) -> None:
    pair = np.concatenate([ASTRONAUT[:256, 100:350], ASTRONAUT[:256, 350:100:-1]], axis=1)
    findings = face_detector.predict(encoded(pair, "PNG")).findings
    assert len(findings) >= 2
    tab = open_tab(face_service)
    tab.choose(pair_png=encoded(pair, "PNG"))
    card = tab.judged("pair.png")
    expect(card.locator("legend")).to_have_text(f"{len(findings)} faces; the most suspicious one decides")
    expect(card.get_by_role("radio", name=re.compile("^Face 1 "))).to_be_checked()
    card.get_by_role("radio", name=re.compile("^Face 2 ")).check()
    expect(card.locator(".face").nth(1)).to_have_class(re.compile("chosen"))
    region = [
        float(value) for value in (card.locator(".region").get_attribute("points") or "").replace(",", " ").split()
    ]
    assert region == pytest.approx(np.array(findings[1].region).ravel(), abs=0.06)
    # A click into a face's box does the same.
    card.locator(".face").first.click()
    expect(card.get_by_role("radio", name=re.compile("^Face 1 "))).to_be_checked()
    # So does the picture's own verdict: it stays that of the most suspicious face.
    expect(card.locator(".verdict")).to_have_text(HEADLINES[findings[0].verdict])


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_a_turned_picture_is_drawn_upright_with_the_box_on_the_face(
    open_tab: OpenTab, face_service: Server, face_detector: Detector, file_format: str
) -> None:
    upright = ASTRONAUT[:400]
    exif = Image.Exif()
    exif[0x0112] = 6  # a viewer turns it clockwise
    data = encoded(np.rot90(upright).copy(), file_format, exif=exif)
    box = face_detector.predict(data).findings[0].box
    assert box is not None
    tab = open_tab(face_service)
    tab.choose(turned_jpg=data)
    card = tab.judged("turned.jpg")
    shown = tab.pixels(card, "picture")[..., :3].astype(int)
    assert shown.shape == upright.shape
    assert np.abs(shown - upright).mean() < 4
    drawn = card.locator(".face rect.over").first
    left, top, width, height = (float(drawn.get_attribute(name) or 0) for name in ("x", "y", "width", "height"))
    assert (left, top, left + width, top + height) == pytest.approx(box, abs=0.06)
    assert 170 < left + width / 2 < 280  # where the astronaut's face is
    assert 60 < top + height / 2 < 190


def test_nothing_is_drawn_where_the_browser_turns_a_picture_otherwise(open_tab: OpenTab, face_service: Server) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(np.rot90(ASTRONAUT[:400]).copy(), "WEBP", exif=exif, quality=90)
    tab = open_tab(face_service)
    tab.choose(turned_webp=data)
    card = tab.judged("turned.webp")
    if tab.pixels(card, "picture").shape[:2] == (512, 400):  # a browser may learn it
        expect(card.locator(".remark")).to_contain_text("nothing is drawn on it")
        expect(card.locator(".face")).to_have_count(0)
    else:
        expect(card.locator(".face")).not_to_have_count(0)


def test_a_large_picture_is_scaled_for_the_screen_only(open_tab: OpenTab, service: Server) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    large = np.kron(noise, np.ones((100, 100, 1), np.uint8))
    tab = open_tab(service)
    tab.choose(large_png=encoded(large, "PNG"))
    card = tab.judged("large.png")
    assert tab.pixels(card, "picture").shape[:2] == (853, 1280)
    assert tab.pixels(card, "map").shape[:2] == (853, 1280)
    expect(card.locator(".more")).to_contain_text("3000 × 2000 pixels")


def test_a_picture_that_only_the_service_can_read_is_judged(open_tab: OpenTab, service: Server) -> None:
    tab = open_tab(service)
    tab.choose(scan_tiff=encoded(ASTRONAUT, "TIFF"))
    card = tab.judged("scan.tiff")
    expect(card).to_have_attribute("data-state", re.compile("real|uncertain|fake"))
    expect(card.locator(".no-preview")).to_have_text("This browser cannot show the picture.")


def test_a_picture_without_a_face(open_tab: OpenTab, face_service: Server) -> None:
    tab = open_tab(face_service)
    tab.choose(wall_png=encoded(np.full((200, 300, 3), 90, np.uint8), "PNG"))
    card = tab.judged("wall.png")
    expect(card.locator(".verdict")).to_have_text("No face found")
    expect(card.locator(".odds")).to_contain_text("says nothing of the picture")
    expect(card.locator(".scale")).to_be_hidden()
