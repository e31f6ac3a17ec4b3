"""The service's addresses."""

import asyncio
import base64
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request, Security
from fastapi.security import APIKeyHeader
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from fakedet.detector.detector import Detector
from fakedet.serve import schema
from fakedet.serve.judge import Answer, Judge, Task
from fakedet.serve.metrics import Metrics
from fakedet.serve.problems import CLIENT_GONE, Problem, answer, documented
from fakedet.serve.settings import Settings
from fakedet.serve.uploads import read_form
from fakedet.serve.workers import Full, Workers

PAGE = Path(__file__).parent / "page"
_KEY = APIKeyHeader(name="X-API-Key", auto_error=False)
_ALWAYS = ("bad-request", "unauthorised", "internal")
_FORM = (
    *_ALWAYS,
    "bad-form",
    "too-slow",
    "too-many-bytes",
    "too-many-images",
    "not-a-form",
    "no-image",
    "bad-parameter",
    "no-verdict",
    "busy",
)


def _body(field: str, picture: dict[str, Any], example: Any) -> dict[str, Any]:
    """The OpenAPI entry of a form with pictures."""
    explain = {"type": "boolean", "default": False, "description": "also give each finding its heatmap"}
    form = {
        "type": "object",
        "required": [field],
        "properties": {field: picture, "explain": explain},
        "additionalProperties": False,
    }
    content = {"multipart/form-data": {"schema": form, "example": {field: example, "explain": True}}}
    return {"requestBody": {"required": True, "content": content}}


_FILE = {"type": "string", "format": "binary", "description": "JPEG, PNG, WEBP, BMP or TIFF"}


@dataclass
class Service:
    """What the addresses have in common.

    Attributes:
        settings: what a person has set.
        detector: who answers.
        judge: the detector as one picture's way.
        workers: the threads that it runs on.
        metrics: what Prometheus is told.
        ready: whether the detector gives numbers.
    """

    settings: Settings
    detector: Detector
    judge: Judge
    workers: Workers[Task, Answer]
    metrics: Metrics
    ready: bool

    async def answers(self, request: Request, images: list[bytes], explain: bool) -> list[Answer] | None:
        """Queue pictures and wait; None when the client has gone meanwhile.

        Raises:
            Problem: when the queue is full, or the detector gives no number.
        """
        tasks = [Task(f"image {number}", data, explain) for number, data in enumerate(images, start=1)]
        images.clear()
        try:
            jobs = self.workers.submit(tasks)
        except Full:
            raise Problem("busy", "Too many pictures wait already; try again soon.") from None
        tasks.clear()
        found = asyncio.gather(*(asyncio.wrap_future(job.future) for job in jobs))
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            waiting: list[asyncio.Future[Any]] = [found, gone]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return None if not found.done() else [each for each in found.result() if each is not None]
        except Problem as problem:
            if problem.code == "no-verdict":
                self.ready = self.ready and self.judge.is_sound()
            raise
        finally:
            gone.cancel()
            found.cancel()
            for job in jobs:
                job.drop()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def install(app: FastAPI, service: Service) -> None:
    """Give an application its addresses."""
    key = service.settings.api_key

    def check_key(given: str | None = Security(_KEY)) -> None:
        if key is None or not secrets.compare_digest((given or "").encode(), key.get_secret_value().encode()):
            raise Problem("unauthorised", "Send the service's key in the header X-API-Key.")

    guarded = APIRouter(dependencies=[] if key is None else [Depends(check_key)])
    _add_predictions(guarded, service)
    _add_facts(guarded, service)
    app.include_router(guarded)
    _add_states(app, service)
    app.mount("/static", StaticFiles(directory=PAGE))


def _add_predictions(router: APIRouter, service: Service) -> None:
    most = service.settings.most_pictures

    @router.post(
        "/predict",
        response_model=schema.Prediction,
        responses=documented(*_FORM, "too-many-pixels", "unreadable-image"),
        openapi_extra=_body("image", _FILE, "(the file's bytes)"),
    )
    async def predict(request: Request, explain: bool = False) -> Response:
        """Judge a picture.

        `explain` may stand in the address or in the form. A picture in which the detector finds no face, and
        wants one, is answered with the status `no face` and no verdict.
        """
        images, wanted = await _read(request, "image", 1)
        found = await service.answers(request, images, explain or wanted)
        if found is None:
            return Response(status_code=CLIENT_GONE)
        if found[0].problem is not None:
            raise found[0].problem
        return JSONResponse(found[0].content)

    several = {"type": "array", "items": _FILE, "minItems": 1, "maxItems": most}

    @router.post(
        "/predict/batch",
        response_model=schema.Batch,
        responses=documented(*_FORM),
        openapi_extra=_body("images", several, ["(one file's bytes)", "(another's)"]),
    )
    async def predict_batch(request: Request, explain: bool = False) -> Response:
        """Judge several pictures; one that cannot be read has the status `unreadable` among the others."""
        images, wanted = await _read(request, "images", most)
        found = await service.answers(request, images, explain or wanted)
        if found is None:
            return Response(status_code=CLIENT_GONE)
        return JSONResponse({"results": [each.content for each in found]})


async def _read(request: Request, field: str, most: int) -> tuple[list[bytes], bool]:
    if set(request.query_params) - {"explain"}:
        raise Problem("bad-parameter", "The address has a parameter other than explain.")
    return await read_form(request, field, most)


def _add_facts(router: APIRouter, service: Service) -> None:
    card, limits = service.detector.card, service.settings
    facts = {
        **card.to_json(),
        "sha256": service.detector.sha256,
        "engine": service.detector.engine,
        "threshold": card.decision.threshold,
        "trained_on": {kind: len(base64.b64decode(text)) // 8 for kind, text in card.trained_on.items()},
        "limits": {
            "bytes": limits.most_bytes,
            "pixels": limits.max_pixels,
            "pictures": limits.most_pictures,
            "seconds": limits.receive_seconds,
        },
    }

    @router.get("/model", response_model=schema.Model, responses=documented(*_ALWAYS))
    async def model() -> Response:
        """The detector: its card, threshold and hashes, and what a request may have."""
        return JSONResponse(facts)

    @router.get("/metrics", response_class=Response, responses=documented(*_ALWAYS))
    async def metrics() -> Response:
        """Counters and times for Prometheus."""
        service.metrics.taken.set(service.workers.taken)
        service.metrics.ready.set(service.ready)
        return Response(service.metrics.text(), media_type=service.metrics.content_type)


def _add_states(app: FastAPI, service: Service) -> None:
    @app.get("/health", response_model=schema.State, responses=documented("internal"))
    async def health() -> Response:
        """Whether the service lives."""
        return JSONResponse({"status": "ok"})

    @app.get("/ready", response_model=schema.State, responses=documented("internal", "not-ready"))
    async def ready() -> Response:
        """Whether the detector gives verdicts."""
        if not service.ready:
            return answer("not-ready", "The detector gives what is no number.")
        return JSONResponse({"status": "ready"})

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def page() -> Response:
        return FileResponse(PAGE / "index.html")
