import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from browser import ASTRONAUT, OpenTab, Tab, encoded
from playwright.sync_api import Dialog, Route, expect
from services import Server, serving

NOISE = encoded(np.random.default_rng(3).integers(0, 256, (1200, 1000, 3), dtype=np.uint8), "PNG")  # 3.6 MB
VERDICT = re.compile("Looks real|Uncertain|Looks fake")


def test_a_file_that_is_no_picture(open_tab: OpenTab, service: Server, astronaut: bytes) -> None:
    tab = open_tab(service)
    tab.choose(letter_jpg=b"Dear reader", cut_png=astronaut[:5000], whole_png=astronaut)
    for name in ("letter.jpg", "cut.png"):
        card = tab.judged(name)
        expect(card.locator(".verdict")).to_have_text("Cannot be read")
        expect(card.get_by_role("button", name="Try again")).to_be_hidden()
    expect(tab.card("letter.jpg").locator(".odds")).to_have_text(
        "The picture is no JPEG, PNG, WEBP, BMP or TIFF picture."
    )
    expect(tab.card("letter.jpg").locator(".stage")).to_be_hidden()
    expect(tab.card("cut.png").locator(".odds")).to_have_text("The picture is truncated or damaged.")
    expect(tab.judged("whole.png").locator(".verdict")).to_have_text(VERDICT)


def test_a_file_that_is_too_large_is_not_even_sent(open_tab: OpenTab, service: Server) -> None:
    assert len(NOISE) > 3_000_000
    tab = open_tab(service)
    tab.choose(huge_png=NOISE)
    said = tab.judged("huge.png").locator(".odds")
    expect(said).to_have_text("This file is 3.6 MB; the service takes less than 3.0 MB.")
    assert tab.posted() == 0


def test_the_services_own_refusal_of_a_large_file_is_told(open_tab: OpenTab, service: Server) -> None:
    tab = open_tab(service)
    # As if the limit had been lowered since: the page does not know it.
    tab.page.route("**/model", lambda route: route.abort())
    tab.page.reload()
    tab.choose(huge_png=NOISE)
    card = tab.judged("huge.png")
    expect(card.locator(".odds")).to_have_text("This picture is too large for the service.")
    expect(tab.page.locator("#model-missing")).to_be_visible()
    assert tab.posted() == 1


def test_too_many_pixels(open_tab: OpenTab, detector_file: Path) -> None:
    with serving(detector_file, max_pixels=100_000) as server:
        tab = open_tab(server)
        tab.choose(wide_jpg=encoded(ASTRONAUT))
        card = tab.judged("wide.jpg")
        expect(card.locator(".verdict")).to_have_text("Cannot be read")
        expect(card.locator(".odds")).to_contain_text("512 × 512 pixels, more than 0.1 million")


def test_a_busy_service_is_asked_again(
    open_tab: OpenTab, detector_file: Path, slow_picture: bytes, astronaut: bytes
) -> None:
    most = 12
    with serving(detector_file, threads=1, queue=most - 1) as server:
        tab = open_tab(server)
        pictures = [("images", ("x", slow_picture))] * most
        batch = httpx.Request("POST", server.url + "/predict/batch", files=pictures)
        head = "".join(f"{name}: {value}\r\n" for name, value in batch.headers.items())
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
            line.sendall(f"POST /predict/batch HTTP/1.1\r\n{head}\r\n".encode() + batch.read())
            server.wait_for("fakedet_taken", most)
            tab.choose(portrait_png=astronaut)
            state = tab.card("portrait.png").locator(".state")
            expect(state).to_have_text("The service is busy; trying again in 2 seconds", timeout=20_000)
        # Nobody waits for the batch any more: there is room again.
        expect(tab.judged("portrait.png").locator(".verdict")).to_have_text(VERDICT)
        assert tab.posted() >= 2


def test_a_service_that_is_gone_and_a_device_without_a_net(
    open_tab: OpenTab, detector_file: Path, astronaut: bytes
) -> None:
    with serving(detector_file) as server:
        tab = open_tab(server)
        tab.page.context.set_offline(True)
        tab.choose(portrait_png=astronaut)
        card = tab.judged("portrait.png")
        expect(card.locator(".odds")).to_have_text("This device is offline.")
        tab.page.context.set_offline(False)
        card.get_by_role("button", name="Try again").click()
        expect(tab.judged("portrait.png").locator(".verdict")).to_have_text(VERDICT)
        server.process.kill()
        server.process.wait()
        tab.choose(late_png=astronaut)
        expect(tab.judged("late.png").locator(".odds")).to_have_text("The service cannot be reached.")
        expect(tab.card("late.png").get_by_role("button", name="Try again")).to_be_visible()
        expect(tab.page.locator("#live")).to_have_text("late.png: The service cannot be reached.")


def test_a_key_is_asked_for_and_then_used(open_tab: OpenTab, detector_file: Path, astronaut: bytes) -> None:
    with serving(detector_file, api_key="a-key-of-some-length") as server:
        tab = open_tab(server)
        field = tab.page.get_by_label("This service asks for an API key")
        expect(field).to_be_hidden()
        expect(tab.page.locator("#model-missing")).to_be_visible()
        tab.choose(portrait_png=astronaut, second_png=astronaut)
        expect(field).to_be_focused()
        tab.page.keyboard.type("not-the-right-one")
        tab.page.keyboard.press("Enter")
        field = tab.page.get_by_label("The service does not know this key.")
        expect(field).to_be_focused()
        expect(field).to_have_value("")
        tab.page.keyboard.type("a-key-of-some-length")
        tab.page.keyboard.press("Enter")
        for name in ("portrait.png", "second.png"):
            expect(tab.judged(name).locator(".verdict")).to_have_text(VERDICT)
        expect(field).to_be_hidden()
        expect(tab.page.locator("#model")).to_contain_text("test_resnet")


@contextmanager
def _three_held_up(tab: Tab, picture: bytes) -> Iterator[None]:
    """Three pictures, of which the first is sent and does not arrive meanwhile: no machine is too slow to click."""
    held: list[Route] = []
    letting = False

    def stop(route: Route) -> None:
        if letting:
            route.continue_()
        else:
            held.append(route)

    tab.page.route("**/predict", stop)
    with tab.page.expect_request("**/predict"):
        tab.choose(a_png=picture, b_png=picture, c_png=picture)
    expect(tab.page.locator("#progress-text")).to_have_text("0 of 3 done")
    yield
    letting = True
    for route in held:
        route.continue_()


def test_everything_can_be_cancelled_and_taken_up_again(open_tab: OpenTab, service: Server, astronaut: bytes) -> None:
    tab = open_tab(service)
    with _three_held_up(tab, astronaut):
        tab.page.get_by_role("button", name="Cancel all").click()
        for name in ("a.png", "b.png", "c.png"):
            expect(tab.card(name).locator(".verdict")).to_have_text("Cancelled")
        expect(tab.page.locator("#queue")).to_be_hidden()
        expect(tab.page.locator("#file")).to_be_focused()
        assert tab.posted() == 1
    tab.card("b.png").get_by_role("button", name="Try again").click()
    expect(tab.card("b.png").locator(".verdict")).to_have_text(VERDICT, timeout=30_000)
    expect(tab.card("a.png").locator(".verdict")).to_have_text("Cancelled")
    assert tab.posted() == 2


def test_one_of_several_can_be_removed_while_it_waits(open_tab: OpenTab, service: Server, astronaut: bytes) -> None:
    tab = open_tab(service)
    with _three_held_up(tab, astronaut):
        tab.page.get_by_role("button", name="Remove b.png").click()
        expect(tab.card("b.png")).to_have_count(0)
        expect(tab.page.get_by_role("button", name="Remove c.png")).to_be_focused()
    for name in ("a.png", "c.png"):
        expect(tab.judged(name).locator(".verdict")).to_have_text(VERDICT, timeout=30_000)
    assert tab.posted() == 2


def test_file_names_are_text(open_tab: OpenTab, service: Server, astronaut: bytes) -> None:
    names = [
        "<img src=x onerror=alert(1)>.png",
        '"><script>alert(1)</script>.png',
        "&lt;b&gt; {{7*7}} ${7*7}.png",
        "x" * 200 + ".png",
        "exe.‮gnp.png",
    ]
    tab = open_tab(service)
    dialogs: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    tab.page.on("dialog", dismiss)
    tab.choose_named(dict.fromkeys(names, astronaut))
    expect(tab.page.locator("article h3")).to_have_text(names)
    expect(tab.page.locator("article[data-state=waiting]")).to_have_count(0, timeout=30_000)
    expect(tab.page.locator("article .verdict")).to_have_text([VERDICT] * len(names))
    expect(tab.page.locator("article :is(img, script, b:not(.zones b))")).to_have_count(0)
    assert dialogs == []
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_answer_that_is_none_is_told(open_tab: OpenTab, service: Server, astronaut: bytes) -> None:
    tab = open_tab(service)
    # What a proxy in between may do.
    tab.page.route("**/predict", lambda route: route.fulfill(status=200, body="<h1>Welcome to the hotel</h1>"))
    tab.choose(portrait_png=astronaut)
    said = tab.judged("portrait.png").locator(".odds")
    expect(said).to_have_text("This page cannot show what the service answered.")
    assert any("JSON" in line for line in tab.trouble)
    tab.trouble.clear()
    tab.page.unroute("**/predict")
    tab.page.route("**/predict", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    tab.choose(second_png=astronaut)
    said = tab.judged("second.png").locator(".odds")
    expect(said).to_have_text("The service did not judge this picture (status 502).")


def test_without_the_models_card_nothing_is_claimed_of_its_numbers(
    open_tab: OpenTab, service: Server, astronaut: bytes
) -> None:
    tab = open_tab(service)
    tab.page.route("**/model", lambda route: route.fulfill(status=503, body="busy"))
    tab.page.reload()
    tab.choose(portrait_png=astronaut)
    card = tab.judged("portrait.png")
    expect(card.locator(".odds")).to_contain_text("could not be loaded, so nothing is said of odds")
    expect(card.locator(".scale")).to_be_hidden()
    tab.trouble.clear()
