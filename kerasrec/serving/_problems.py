"""Error responses: one sentence, in JSON."""

import json
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from kerasrec.serving._served import Unknown

_SHOWN = 80


class Json(JSONResponse):
    """A JSON response that escapes lone surrogates."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def install(app: FastAPI, page: Callable[[str, int], Response]) -> None:
    """Add the error handlers to an application.

    Args:
        app: `FastAPI`.
        page: function that makes the page for a browser from the sentence and the status.
    """

    def said(request: Request, detail: str, status: int, headers: Any = None) -> Response:
        if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/"):
            return page(detail, status)
        return Json({"detail": detail}, status, headers)

    async def http(request: Request, error: Any) -> Response:
        return said(request, str(error.detail), error.status_code, error.headers)

    async def unknown(request: Request, error: Exception) -> Response:
        return said(request, str(error), 404)

    async def refused(request: Request, error: Exception) -> Response:
        return said(request, " ".join(str(error).split()), 422)

    async def invalid(request: Request, error: Any) -> Response:
        return said(request, *_invalid(error.errors()[0]))

    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Unknown, unknown)
    app.add_exception_handler(ValueError, refused)
    app.add_exception_handler(TypeError, refused)


def _invalid(first: Any) -> tuple[str, int]:
    if first["type"] == "json_invalid":
        where = f"character {first['loc'][-1]}"
        return f"The body must be JSON. Received: {first['ctx']['error']} at {where}.", 400
    if isinstance(first.get("input"), bytes):
        return "The body must be JSON, sent with the header `Content-Type: application/json`.", 415
    place = ".".join(map(str, first["loc"][1:])) or "The body"
    received = repr(first.get("input"))
    received = received if len(received) <= _SHOWN else f"{received[:_SHOWN]}..."
    return f"`{place}`: {first['msg']}. Received: {received}.", 422
