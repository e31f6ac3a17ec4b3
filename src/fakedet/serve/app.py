"""The application: `uvicorn fakedet.serve.app:app`, or `python -m fakedet.serve` with uvicorn's limits set too."""

import importlib.metadata
from typing import Any

import cv2
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from fakedet.detector.detector import Detector
from fakedet.errors import UserError
from fakedet.serve import problems, routes, schema
from fakedet.serve.access import Access, speak
from fakedet.serve.judge import Judge
from fakedet.serve.limits import Limits
from fakedet.serve.metrics import Metrics
from fakedet.serve.routes import Service
from fakedet.serve.settings import Settings, read_settings
from fakedet.serve.workers import Workers

_ABOUT = "Pictures in, verdicts out: how probable it is that a picture is manipulated or generated, and where it shows."


class App:
    """An ASGI application that reads its settings and its detector when it is started, not when it is imported."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start and stop with the server, and pass on everything in between."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            assert self._app is not None, "the server does not speak ASGI's lifespan protocol"
            await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            service = open_service(read_settings())
        except UserError as error:
            # The server prints this sentence, and exits with a status of its own.
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        self._app = build(service)
        speak()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        service.workers.close()
        await send({"type": "lifespan.shutdown.complete"})


def open_service(settings: Settings) -> Service:
    """Load the detector, try it once, and start the threads.

    Raises:
        UserError: when there is no detector that can be used.
    """
    cv2.setNumThreads(1)  # a picture has one thread: the parallelism is between pictures
    metrics = Metrics()
    detector = Detector.load(settings.model_file(), threads=1, sha256=settings.sha256, finder_file=settings.finder_file)
    judge = Judge(detector, settings.max_pixels, metrics)
    workers = Workers(judge, settings.workers, settings.queue)
    return Service(settings, detector, judge, workers, metrics, ready=judge.is_sound())


def build(service: Service) -> ASGIApp:
    """The application around a service."""
    api = FastAPI(
        title="fake-image-detection",
        description=_ABOUT,
        version=importlib.metadata.version("fake-image-detection"),
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.install(api)
    routes.install(api, service)
    document: dict[str, Any] = api.openapi()  # made once, and kept by FastAPI
    document["components"]["schemas"]["Problem"] = schema.Problem.model_json_schema()
    app: ASGIApp = Limits(api, service.settings)
    origins = service.settings.cors_origins
    if origins:
        app = CORSMiddleware(app, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=["X-API-Key"])
    return Access(app, service.metrics)


app = App()
