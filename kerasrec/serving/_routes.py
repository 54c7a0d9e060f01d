"""The routes under /v1, and the routes for operation: health, readiness, metrics."""

import hmac
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from kerasrec.serving import _answers, _bodies
from kerasrec.serving._batches import Asked, Batches
from kerasrec.serving._bodies import Event, RawId
from kerasrec.serving._current import Current
from kerasrec.serving._metrics import Metrics
from kerasrec.serving._pace import Pace
from kerasrec.serving._parameters import ListRoute, refuse_unknown, remember
from kerasrec.serving._problems import Json
from kerasrec.serving._served import Served
from kerasrec.serving.events import EventLog
from kerasrec.serving.settings import Settings

K = Annotated[int, Query(ge=1, description="Length of the list.")]
# Default length of a list, unless `max_k` is smaller.
_LENGTH = 10
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    404: {"model": _bodies.Problem, "description": "An id that the model does not know."},
    413: {"model": _bodies.Problem, "description": "The body is too large."},
    422: {"model": _bodies.Problem, "description": "The request is invalid."},
}
_BODY = _PROBLEMS | {400: {"model": _bodies.Problem, "description": "The body is not JSON."}}
_WRITING = _BODY | {
    401: {"model": _bodies.Problem, "description": "The token is missing or wrong."},
    403: {"model": _bodies.Problem, "description": "This server does not accept events."},
}


def v1(settings: Settings, current: Current, log: EventLog, metrics: Metrics) -> APIRouter:
    """Routes for programs: lists, similar items, explanations, events."""
    router = APIRouter(prefix="/v1", default_response_class=Json, dependencies=[Depends(refuse_unknown)])
    limits, batches, similarity = _Limits(settings), Batches(log), Pace()
    writing = [Depends(_writer(settings))]
    length = min(_LENGTH, settings.max_k)

    async def for_user(
        request: Request, k: K = length, exclude_seen: bool = True, unknown: _bodies.Unknown = "error"
    ) -> Asked:
        asked = Asked(limits.k(k), exclude_seen, unknown)
        remember(request, asked)
        return asked

    async def recommend(user: str, asked: Annotated[Asked, Depends(for_user)]) -> Response:
        """The best items for one user."""
        served = current.served
        raw: Any = user
        if asked.unknown == "error" or served.known("user", user):
            raw = served.id_of("user", user)
        found = await batches.ask(served, raw, asked)
        return Json({**found, "version": served.version})

    async def for_item(request: Request, k: K = length) -> int:
        remember(request, limits.k(k))
        return k

    async def similar(item: str, asked: Annotated[int, Depends(for_item)]) -> Response:
        """The items most similar to an item."""
        served = current.served
        raw = served.id_of("item", item)
        found = await similarity.run(served.version, _answers.similar_list, served, raw, asked)
        return Json({"items": found, "version": served.version})

    of_lists: dict[str, Any] = {"methods": ["GET"], "responses": _PROBLEMS, "route_class_override": ListRoute}
    router.add_api_route("/recommend/{user:path}", recommend, response_model=_bodies.UserList, **of_lists)
    router.add_api_route("/similar/{item:path}", similar, response_model=_bodies.Items, **of_lists)

    @router.post("/recommend", response_model=_bodies.Lists, responses=_BODY)
    def recommend_many(body: _bodies.Many) -> Response:
        """The best items for each of several users, in one request."""
        k = length if body.k is None else limits.k(body.k)
        limits.ids(users=body.users, only=body.only, exclude=body.exclude)
        served = current.served
        how = k, body.exclude_seen, body.only, body.exclude, body.unknown, body.rules()
        found = _answers.lists(served, log, body.users, *how)
        return Json({"lists": found, "version": served.version})

    @router.post("/history", response_model=_bodies.Items, responses=_BODY)
    def history(body: _bodies.History) -> Response:
        """The best items for somebody who was not in training, from a history."""
        k = length if body.k is None else limits.k(body.k)
        limits.ids(items=body.items, only=body.only, exclude=body.exclude)
        served = current.served
        found = _answers.history_list(served, body.items, body.values, k, body.only, body.exclude)
        return Json({"items": found, "version": served.version})

    @router.get("/explain", response_model=_bodies.Explanation, responses=_PROBLEMS)
    def explain(user: str, item: str) -> Response:
        """The contributions to the score of a pair, and the user's items most similar to the item."""
        served = current.served
        found = _answers.explanation(served, served.id_of("user", user), served.id_of("item", item))
        return Json({**found, "version": served.version})

    @router.post("/events", response_model=_bodies.Taken, responses=_WRITING, dependencies=writing)
    def events(body: _bodies.Events) -> Response:
        """New events: written to disk before the answer, and left out of the users' lists at once."""
        if len(body.events) > settings.max_events:
            raise ValueError(
                f"`events` must be at most {settings.max_events:,}. Received: {len(body.events):,}."
            )
        served = current.served
        for event in body.events:
            _check_event(served, event)
        log.append([event.model_dump(exclude_none=True) for event in body.events])
        metrics.events.inc(len(body.events))
        return Json({"taken": len(body.events)})

    @router.post("/reload", response_model=_bodies.State, responses=_WRITING, dependencies=writing)
    def reload() -> Response:
        """Load the current file, and serve it if it is valid."""
        current.reload()
        return Json(_state(current))

    return router


def operations(current: Current, metrics: Metrics) -> APIRouter:
    """Routes for a supervisor."""
    router = APIRouter(default_response_class=Json)

    @router.get("/healthz", response_class=PlainTextResponse)
    async def healthy() -> Response:
        """Whether the process answers."""
        return PlainTextResponse("ok\n")

    @router.get("/readyz", response_model=_bodies.State)
    async def ready() -> Response:
        """What is served, and whether the current file was refused."""
        return Json(_state(current))

    @router.get("/metrics", response_class=PlainTextResponse)
    async def figures() -> Response:
        """Metrics for Prometheus."""
        text = await run_in_threadpool(metrics.text, current)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


class _Limits:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def k(self, k: int) -> int:
        if k > self.settings.max_k:
            raise ValueError(f"`k` must be at most {self.settings.max_k:,}. Received: k={k}.")
        return k

    def ids(self, **lists: list[RawId] | None) -> None:
        for name, ids in lists.items():
            if ids is not None and len(ids) > self.settings.max_ids:
                raise ValueError(
                    f"`{name}` must have at most {self.settings.max_ids:,} ids. Received: {len(ids):,}."
                )


def _writer(settings: Settings) -> Any:
    """A dependency that lets only authorized clients write."""
    bearer = HTTPBearer(auto_error=False, description="The token of the server.")

    def check(given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> None:
        if not settings.writes:
            raise HTTPException(
                403,
                "Events and reloads need a token if other machines can reach the server: start it with "
                "`--token FILE` or KERASREC_TOKEN.",
            )
        if settings.token is None:
            return
        said = "" if given is None else given.credentials
        if not hmac.compare_digest(said.encode(), settings.token.encode()):
            raise HTTPException(
                401,
                "The header must be `Authorization: Bearer TOKEN`, with the token of the server. "
                f"Received: {'no token' if given is None else 'another token'}.",
                {"WWW-Authenticate": "Bearer"},
            )

    return check


def _check_event(served: Served, event: Event) -> None:
    """Refuse an event that a later `update` could not use."""
    for side in ("user", "item"):
        raw = getattr(event, side)
        if isinstance(raw, str) != served.is_text(side):
            form = "text" if served.is_text(side) else "whole numbers"
            raise ValueError(f"Ids of {side}s must be {form}, as in training. Received: {raw!r}.")
    if served.kind == "ratings" and event.value is None:
        raise ValueError(
            f"`value` must be given: the model was trained on ratings. Received: none for {event.item!r}."
        )


def _state(current: Current) -> dict[str, Any]:
    served = current.served
    return {
        "model": served.name,
        "version": served.version,
        "n_users": served.recommender.n_users,
        "n_items": served.recommender.n_items,
        "refused": current.refused,
    }
