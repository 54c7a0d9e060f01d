"""Whatever goes wrong is one sentence in JSON."""

import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kerasrec.serving._served import Unknown

_SHOWN = 80


class Json(Response):
    """JSON of plain values, half characters in it escaped."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The text."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def install(app: FastAPI) -> None:
    """Give an application the answers for what goes wrong."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Unknown, _unknown)
    app.add_exception_handler(ValueError, _refused)
    app.add_exception_handler(TypeError, _refused)


async def _http(request: Request, error: Any) -> Response:
    return Json({"detail": str(error.detail)}, error.status_code, error.headers)


async def _unknown(request: Request, error: Exception) -> Response:
    return Json({"detail": str(error)}, 404)


async def _refused(request: Request, error: Exception) -> Response:
    return Json({"detail": " ".join(str(error).split())}, 422)


async def _invalid(request: Request, error: Any) -> Response:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        where = f"character {first['loc'][-1]}"
        return Json({"detail": f"The body must be JSON. Received: {first['ctx']['error']} at {where}."}, 400)
    place = ".".join(map(str, first["loc"][1:])) or "The body"
    received = repr(first.get("input"))
    received = received if len(received) <= _SHOWN else f"{received[:_SHOWN]}..."
    return Json({"detail": f"`{place}`: {first['msg']}. Received: {received}."}, 422)
