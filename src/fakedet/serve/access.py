"""The outermost layer: security headers, one log line and the metrics of each request, and no answer without a word."""

import logging
import time
import traceback
import warnings

import cv2
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fakedet.serve.metrics import Metrics
from fakedet.serve.problems import answer

LOGGER = logging.getLogger("fakedet.serve")
METHODS = ("GET", "HEAD", "POST", "OPTIONS")
PATHS = ("/", "/predict", "/predict/batch", "/model", "/health", "/ready", "/metrics", "/openapi.json")
STATIC = "/static"

# The page brings all it needs: scripts and styles from here, pictures that the reader gave (blob) or the
# service drew (data), and nothing else.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_DATA_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Access:
    """Wraps the whole application.

    What a client writes is neither logged nor counted: methods and paths are taken from fixed lists, and of an
    exception the places are told, not the text.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        start, status = time.perf_counter(), 0
        method = scope["method"] if scope["method"] in METHODS else "other"
        path = _template(scope["path"])

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(_PAGE_HEADERS if path in ("/", STATIC) else _DATA_HEADERS)
            await send(message)

        try:
            await self._app(scope, receive, dressed)
        except Exception as error:
            places = "".join(traceback.format_tb(error.__traceback__))
            LOGGER.error("%s %s failed with %s\n%s", method, path, type(error).__name__, places)
            if not status:
                await answer("internal")(scope, receive, dressed)
        seconds = time.perf_counter() - start
        self._metrics.answered(method, path, status, seconds)
        LOGGER.info("%s %s %d %.1f ms", method, path, status, 1000 * seconds)


def _template(path: str) -> str:
    if path in PATHS:
        return path
    return STATIC if path.startswith(STATIC + "/") else "other"


def speak() -> None:
    """Let the log lines out, and silence those of others that repeat what clients write or send."""
    warnings.filterwarnings("ignore", module="PIL")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    logging.getLogger("uvicorn.access").addFilter(lambda _: False)
    if not LOGGER.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        LOGGER.addHandler(handler)
        LOGGER.setLevel(logging.INFO)
