"""Query parameters of the routes: unknown ones are refused, and those of lists are validated once."""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from kerasrec.data._columns import shown

# Number of query strings that a route remembers before it forgets all, and their largest number of bytes.
_REMEMBERED, _LONGEST = 1000, 100


class ListRoute(APIRoute):
    """A route that validates each query string once, because that takes longer than to rank one list.

    The endpoint takes the parameters of the path, and `asked`: the result of a dependency that calls
    `remember`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.known: dict[bytes, Any] = {}
        super().__init__(*args, **kwargs)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of FastAPI, which is left out for a known query string."""
        validated, endpoint, known = super().get_route_handler(), self.endpoint, self.known

        async def handle(request: Request) -> Response:
            asked = known.get(request.scope["query_string"])
            if asked is None:
                return await validated(request)
            found: Response = await endpoint(**request.path_params, asked=asked)
            return found

        return handle


def remember(request: Request, asked: Any) -> None:
    """Remember what a valid query string of a `ListRoute` asks for, unless it is very long.

    Args:
        request: `fastapi.Request`.
        asked: what the endpoint gets; it must not change.
    """
    known, query = request.scope["route"].known, request.scope["query_string"]
    if len(query) > _LONGEST:
        return
    if len(known) >= _REMEMBERED:
        known.clear()
    known[query] = asked


async def refuse_unknown(request: Request) -> None:
    """Refuse parameters that a route does not read, because a misspelt one would have no effect."""
    route = request.scope["route"]
    known = list(_names(route.dependant))
    for name in request.query_params:
        if name not in known:
            which = f"be among {', '.join(known)}" if known else "be left out"
            raise ValueError(
                f"Parameters of {route.path_format} must {which}; rules and lists of ids go into the body of "
                f"`POST /v1/recommend`. Received: {shown(name)}."
            )


def _names(dependant: Any) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for each in dependant.dependencies:
        yield from _names(each)
