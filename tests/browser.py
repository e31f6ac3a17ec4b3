"""The web page in a real browser: one tab, what was given to it, and everything that it complained of."""

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import BrowserContext, ConsoleMessage, FilePayload, Locator, Request, expect

ASTRONAUT = np.asarray(skimage.data.astronaut(), np.uint8)


def encoded(image: NDArray[np.uint8], file_format: str = "JPEG", **options: Any) -> bytes:
    """The picture as a file."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, file_format, **options)
    return stream.getvalue()


class Tab:
    """A tab with the page in it.

    Attributes:
        page: as playwright has it.
        trouble: errors that the page or the browser told, without refusals that the service is asked for.
        asked: addresses of all requests.
    """

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page, self.url = context.new_page(), url
        self.trouble: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("request", self._asked)
        self.page.goto(url)
        self.page.locator("#model dd, #model-missing:visible").first.wait_for()

    def _heard(self, message: ConsoleMessage) -> None:
        # The browser itself tells of every answer that is not 2xx.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.trouble.append(message.text)

    def _asked(self, request: Request) -> None:
        self.asked.append(request.url)

    def posted(self) -> int:
        """Number of pictures that were sent."""
        return sum(address.endswith("/predict") for address in self.asked)

    def choose(self, **pictures: bytes) -> None:
        """Pick files; an underscore in a name stands for the dot before its suffix."""
        self.choose_named({name.replace("_", "."): data for name, data in pictures.items()})

    def choose_named(self, pictures: dict[str, bytes]) -> None:
        """Pick files of these names, together."""
        files = [FilePayload(name=name, mimeType="", buffer=data) for name, data in pictures.items()]
        self.page.set_input_files("#file", files)

    def card(self, name: str) -> Locator:
        """The card of a picture."""
        return self.page.locator("article.card", has=self.page.get_by_role("heading", name=name, exact=True))

    def judged(self, name: str) -> Locator:
        """The same, once there is an answer."""
        card = self.card(name)
        expect(card.locator(".verdict")).to_be_visible(timeout=30_000)
        return card

    def pixels(self, card: Locator, layer: str) -> NDArray[np.uint8]:
        """What is drawn on a canvas of the card, `picture` or `map`: (height, width, 4), RGBA."""
        address = card.locator(f"canvas.{layer}").evaluate("canvas => canvas.toDataURL()")
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGBA"), np.uint8)


OpenTab = Callable[..., Tab]
