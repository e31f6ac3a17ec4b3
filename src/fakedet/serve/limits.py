"""How much a client may send, and how long it may take: held while the request arrives."""

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fakedet.serve.problems import Problem
from fakedet.serve.settings import Settings

# A client that is still sending when it is answered is heard out this long, or it may never read the answer.
_LINGER_SECONDS = 2.0


class Limits:
    """Limits the bytes of a body, those of all bodies together, and the time in which one must have arrived.

    What breaks a limit raises a `Problem` where the body is read. No thread is held meanwhile: a slow client
    costs the bytes that it has sent.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its body under control."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(self, self._settings, Headers(scope=scope), receive, send)
        try:
            await self._app(scope, body.receive, body.send)
        finally:
            self._held -= body.size

    def hold(self, size: int) -> None:
        """Count bytes that came in.

        Raises:
            Problem: when all requests together hold too many.
        """
        self._held += size
        if self._held > self._settings.max_buffered_bytes:
            raise Problem("busy", "Other requests fill the memory that is set aside; try again soon.")


class _Body:
    """One request's body on its way in, and the answer on its way out."""

    def __init__(self, limits: Limits, settings: Settings, headers: Headers, receive: Receive, send: Send) -> None:
        self._limits, self._settings, self._receive, self._send = limits, settings, receive, send
        length = headers.get("content-length", "0")
        self._length = int(length) if length.isascii() and length.isdigit() else 0
        self._awaited = self._length > 0 or "transfer-encoding" in headers  # more of it is to come
        self._asks_first = headers.get("expect", "").lower() == "100-continue"
        self._deadline = asyncio.get_running_loop().time() + settings.receive_seconds
        self._too_slow = False
        self.size = 0

    async def receive(self) -> Message:
        """The next part.

        Raises:
            Problem: when it is too much or too late.
        """
        most = self._settings.most_bytes
        if self._length > most:
            raise Problem("too-many-bytes", f"The body may have {most} bytes.")
        if not self._awaited:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            self._too_slow = True
            seconds = self._settings.receive_seconds
            raise Problem("too-slow", f"The body must arrive within {seconds:g} seconds.") from None
        self._asks_first = False
        self._awaited = bool(message.get("more_body"))
        size = len(message.get("body", b""))
        if self.size + size > most:
            raise Problem("too-many-bytes", f"The body may have {most} bytes.")
        self.size += size
        self._limits.hold(size)
        return message

    async def send(self, message: Message) -> None:
        """Pass the answer on; when the body has not all arrived the connection ends with it."""
        if not self._awaited:
            await self._send(message)
        elif message["type"] == "http.response.start":
            await self._send({**message, "headers": [*message.get("headers", []), (b"connection", b"close")]})
        else:
            last = not message.get("more_body", False)
            await self._send({**message, "more_body": True})
            if last:
                await self._linger()
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _linger(self) -> None:
        """Throw away what still comes."""
        if self._too_slow or self._asks_first:
            return
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while (await self._receive()).get("more_body"):
                    pass
        except TimeoutError:
            return
