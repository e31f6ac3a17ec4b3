"""`python -m fakedet.serve`: the application in uvicorn, with the limits that only the server can hold."""

import argparse
import asyncio
import inspect
import sys
from typing import Any

from fakedet.errors import UserError

try:
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    from fakedet.serve.settings import Settings, read_settings
except ModuleNotFoundError as missing:
    sys.exit(f"error: the service needs {missing.name}: pip install 'fake-image-detection[serve]'")

_HEADER_BYTES = 16 * 1024
_CONNECTIONS = 800  # below the 1024 open files that many systems allow
_STOP_SECONDS = 30


class Impatient(H11Protocol):
    """uvicorn's protocol, which closes a connection that has not sent the headers of a request in time.

    That holds for each of its requests: uvicorn's own clock between two of them stops at the first byte.
    """

    seconds: float

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock."""
        super().connection_made(transport)
        self._clock = self.loop.call_later(self.seconds, self._give_up, None)

    def on_response_complete(self) -> None:
        """Start it anew."""
        answered = self.cycle
        super().on_response_complete()  # the next request may begin in here
        self._clock.cancel()
        self._clock = self.loop.call_later(self.seconds, self._give_up, answered)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._clock.cancel()
        super().connection_lost(exc)

    def _give_up(self, last: object) -> None:
        if self.cycle is last:
            self.transport.close()


def main() -> None:
    """Serve until a signal comes; what was taken is finished first."""
    parser = argparse.ArgumentParser(
        prog="python -m fakedet.serve",
        description=__doc__,
        epilog=(inspect.getdoc(Settings) or "").replace("Attributes:", "Settings:"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines ask")
    parser.add_argument("--port", type=int, default=8000, help="0 takes any that is free")
    options = parser.parse_args()
    if not 0 <= options.port < 2**16:
        parser.error(f"--port {options.port} is no port from 0 to {2**16 - 1}")
    try:
        Impatient.seconds = read_settings().receive_seconds
    except UserError as error:
        sys.exit(f"error: {error}")
    limits: dict[str, Any] = {
        "h11_max_incomplete_event_size": _HEADER_BYTES,
        "limit_concurrency": _CONNECTIONS,
        "timeout_graceful_shutdown": _STOP_SECONDS,
    }
    uvicorn.run(
        "fakedet.serve.app:app",
        host=options.host,
        port=options.port,
        http=Impatient,
        lifespan="on",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        **limits,
    )


if __name__ == "__main__":
    main()
