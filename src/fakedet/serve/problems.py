"""What can go wrong with a request: one table of codes, answered as application/problem+json (RFC 9457)."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

RETRY_SECONDS = 2
CLIENT_GONE = 499  # for the log and the metrics: nobody reads this answer
MEDIA_TYPE = "application/problem+json"

# Code -> status and title. A code never changes its meaning: clients branch on it.
CODES: dict[str, tuple[int, str]] = {
    "bad-request": (400, "The request cannot be understood."),
    "bad-form": (400, "The form cannot be read."),
    "unauthorised": (401, "The API key is missing or wrong."),
    "not-found": (404, "There is nothing at this address."),
    "method-not-allowed": (405, "This address does not know the method."),
    "too-slow": (408, "The request took too long to arrive."),
    "too-many-bytes": (413, "The request is too large."),
    "too-many-pixels": (413, "The picture has too many pixels."),
    "too-many-images": (413, "The request has too many pictures."),
    "not-a-form": (415, "The body is no multipart/form-data."),
    "no-image": (422, "The request has no picture."),
    "unreadable-image": (422, "The picture cannot be read."),
    "bad-parameter": (422, "A parameter cannot be used."),
    "internal": (500, "The service failed."),
    "no-verdict": (500, "The detector gave no number, so there is no verdict."),
    "busy": (503, "The service is busy."),
    "not-ready": (503, "The detector is not ready."),
}


class Problem(Exception):
    """A request that is not answered as asked; `detail` says why in a sentence, in the service's own words."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


def answer(code: str, detail: str | None = None) -> JSONResponse:
    """The response to a problem; without a detail its title says everything."""
    status, title = CODES[code]
    content = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail or title}
    headers = {}
    if status == 503:
        headers["Retry-After"] = str(RETRY_SECONDS)
    if status == 401:
        headers["WWW-Authenticate"] = "APIKey"
    return JSONResponse(content, status, headers, MEDIA_TYPE)


def documented(*codes: str) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI document says of these problems, by status."""
    found: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        status, title = CODES[code]
        entry = found.setdefault(status, {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {}}})
        media = entry["content"][MEDIA_TYPE]
        media["schema"] = {"$ref": "#/components/schemas/Problem"}
        example = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": title}
        media.setdefault("examples", {})[code] = {"value": example}
    return found


def install(app: FastAPI) -> None:
    """Answer every error of an application as a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(ClientDisconnect, _gone)


async def _problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return answer(error.code, error.detail)


async def _http(_: Request, error: Exception) -> JSONResponse:
    """What Starlette itself refuses: unknown addresses and methods."""
    assert isinstance(error, HTTPException)
    code = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "bad-request")
    response = answer(code)
    response.headers.update(error.headers or {})
    return response


async def _validation(_: Request, error: Exception) -> JSONResponse:
    """A parameter of the address that is of another kind; its value is not repeated."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return answer("bad-parameter", f"The parameter {first['loc'][-1]} cannot be used: {first['msg']}.")


async def _gone(_: Request, __: Exception) -> Response:
    """A client that left while it was sending."""
    return Response(status_code=CLIENT_GONE)
