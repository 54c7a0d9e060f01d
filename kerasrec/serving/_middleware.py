"""Middleware for all requests: a size limit, timing, and security headers."""

import time
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kerasrec.serving._metrics import Metrics

_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin")]


class Guard:
    """Limits the size of bodies, counts and times requests, and adds headers.

    Args:
        app: the application.
        metrics: `Metrics`.
        max_body: int, bytes.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, max_body: int) -> None:
        self.app, self.metrics, self.max_body = app, metrics, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status, size = time.perf_counter(), 500, 0

        async def limited() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.max_body:
                raise HTTPException(413, f"A request must have at most {self.max_body:,} bytes.")
            return message

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        try:
            await self.app(scope, limited, sending)
        finally:
            self.metrics.answered(_route(scope), status, time.perf_counter() - start)


def _route(scope: Scope) -> str:
    """The pattern of the path rather than the path, of which there are as many as users."""
    route: Any = scope.get("route")
    return str(getattr(route, "path", "other"))
