import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from kerasrec._version import __version__
from kerasrec.serving._extra import require
from kerasrec.serving.events import EventLog
from kerasrec.serving.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI


def create_app(settings: Settings) -> "FastAPI":
    """The web application for one recommender: routes under `/v1`, and the page.

    It is an ordinary ASGI application: mount it in your own, or run it with any ASGI server.

    Args:
        settings: `Settings`.

    Returns:
        `fastapi.FastAPI`.

    Raises:
        FileNotFoundError: if there is no file to serve.
        ValueError: if it cannot be served, or the extra `serve` is not installed.
    """
    require()
    from fastapi import FastAPI

    from kerasrec.serving import _problems, _routes
    from kerasrec.serving._current import Current
    from kerasrec.serving._metrics import Metrics
    from kerasrec.serving._middleware import Guard
    from kerasrec.serving.page import _views

    log = EventLog(settings.log)
    current = Current(settings.model, settings.title, settings.picture, swapped=log.reread)
    beside = None if settings.beside is None else Current(settings.beside, settings.title, settings.picture)
    metrics = Metrics()
    page = _views.Page(settings, current, beside, log)

    @contextlib.asynccontextmanager
    async def watching(app: FastAPI) -> AsyncIterator[None]:
        watched = [each for each in (current, beside) if each is not None and settings.watch]
        watchers = [asyncio.create_task(each.watch(settings.watch)) for each in watched]
        try:
            yield
        finally:
            for watcher in watchers:
                watcher.cancel()
            log.close()

    app = FastAPI(
        title="kerasrec",
        version=__version__,
        description="Lists of a trained recommender: raw ids in, raw ids out.",
        lifespan=watching,
        docs_url=None,  # their pages load scripts from other servers
        redoc_url=None,
    )
    _problems.install(app, page.problem)
    app.include_router(_routes.v1(settings, current, log, metrics))
    app.include_router(_routes.operations(current, metrics))
    app.include_router(_views.router(page))
    app.add_middleware(Guard, metrics=metrics, max_body=settings.max_body)
    return app
