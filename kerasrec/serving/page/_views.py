"""The views of the page, one function each."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse, Response

from kerasrec.serving import _answers
from kerasrec.serving._current import Current
from kerasrec.serving._served import Served
from kerasrec.serving.events import EventLog
from kerasrec.serving.page import _templates
from kerasrec.serving.page._figures import Computed, HeldOut
from kerasrec.serving.page._look import Look
from kerasrec.serving.page._map import HEIGHT, WIDTH, Map
from kerasrec.serving.settings import Settings

_K = 20
_HISTORY = 50
_MOST_CHOSEN = 50
_BARS = 25
_NEVER = 200
Text = Annotated[str, Query(max_length=100_000)]


class Shown:
    """One file, with values that the page computes once for it.

    Args:
        served: `Served`.
        held_out: `HeldOut` or `None`.
    """

    def __init__(self, served: Served, held_out: HeldOut | None) -> None:
        self.served = served
        self.look, self.map, self.figures = Look(served), Map(served), Computed(served, held_out)


class Page:
    """The state and helpers that all views share.

    Args:
        settings: `Settings`.
        current: `Current`.
        beside: `Current` of the second model, or `None`.
        log: `EventLog`.
    """

    def __init__(self, settings: Settings, current: Current, beside: Current | None, log: EventLog) -> None:
        self.current, self.beside, self.log = current, beside, log
        self.held_out = None if settings.held_out is None else HeldOut(settings.held_out)
        self._shown: dict[str, Shown] = {}
        pictures = " http: https: data:" if settings.picture else ""
        self._headers = {
            "content-security-policy": f"default-src 'none'; style-src 'self'; img-src 'self'{pictures}; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        }

    def shown(self, current: Current) -> Shown:
        """The current file, with its computed values; those of a replaced file are dropped."""
        served = current.served
        key = "first" if current is self.current else "second"
        kept = self._shown.get(key)
        if kept is None or kept.served is not served:
            kept = self._shown[key] = Shown(served, self.held_out)
        return kept

    def answer(self, name: str, status: int = 200, **values: Any) -> Response:
        """A page rendered from a template."""
        served = self.current.served
        common = {"model": served, "refused": self.current.refused, "link": True, "short": _templates.short}
        return HTMLResponse(_templates.render(name, **common, **values), status, self._headers)

    def problem(self, said: str, status: int) -> Response:
        """The page for an error."""
        return self.answer("problem.html", status, said=said)

    def list_of(self, current: Current, user: Any, k: int = _K) -> list[dict[str, Any]] | None:
        """A user's list by one of the models, with the card of each item; `None` for an unknown user."""
        shown = self.shown(current)
        if not shown.served.known("user", user):
            return None
        later = frozenset() if self.held_out is None else self.held_out.of(user, shown.served)
        (found,) = _answers.lists(shown.served, self.log, [user], k)
        return [
            {"card": shown.look.card(row["item"]), "score": row["score"], "hit": row["item"] in later}
            for row in found["items"]
        ]


def router(page: Page) -> APIRouter:
    """The views."""
    views = APIRouter(include_in_schema=False)

    def view(path: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        return views.get(path, response_class=HTMLResponse)

    @view("/style.css")
    def style() -> Response:
        return Response(_templates.style(), media_type="text/css")

    @view("/favicon.ico")
    def icon() -> Response:
        return Response(status_code=204)  # there is no icon, but browsers always ask for one

    @view("/")
    def home(q: Text = "") -> Response:
        shown = page.shown(page.current)
        return page.answer(
            "home.html",
            q=q,
            users=shown.look.users(q),
            items=[shown.look.card(item) for item in shown.look.items(q)] if q else [],
            beside=None if page.beside is None else page.beside.served,
        )

    @view("/user")
    def user(id: Text) -> Response:
        return page.answer("user.html", **user_values(page, page.current.served.id_of("user", id)))

    @view("/item")
    def item(id: Text) -> Response:
        shown = page.shown(page.current)
        raw = shown.served.id_of("item", id)
        near = _answers.similar_list(shown.served, raw, _K)
        return page.answer(
            "item.html",
            item=shown.look.card(raw, with_facts=True),
            similar=[{"card": shown.look.card(row["item"]), "score": row["score"]} for row in near],
        )

    @view("/why")
    def why(user: Text, item: Text) -> Response:
        shown = page.shown(page.current)
        served = shown.served
        raw_user, raw_item = served.id_of("user", user), served.id_of("item", item)
        found = _answers.explanation(served, raw_user, raw_item)
        parts = found["contributions"][:_BARS]
        return page.answer(
            "why.html",
            user=raw_user,
            item=shown.look.card(raw_item),
            found=found,
            parts=[{**part, "name": _name(shown, part)} for part in parts],
            n_more=len(found["contributions"]) - len(parts),
            widest=max((abs(part["contribution"] or 0) for part in parts), default=0) or 1,
            near=[
                {"card": shown.look.card(row["item"]), "score": row["similarity"]}
                for row in found["neighbors"]
            ],
        )

    @view("/new")
    def new(item: Annotated[list[str], Query()] = [], q: Text = "") -> Response:  # noqa: B006
        shown = page.shown(page.current)
        chosen = list(dict.fromkeys(shown.served.id_of("item", text) for text in item[:_MOST_CHOSEN]))
        found = [raw for raw in shown.look.items(q) if raw not in chosen] if q else []
        rows, problem = [], None
        try:
            rows = moves(shown, chosen)
        except ValueError as error:  # the model cannot score histories
            problem = str(error)
        return page.answer(
            "new.html",
            q=q,
            chosen=[shown.look.card(raw) for raw in chosen],
            found=[shown.look.card(raw) for raw in found],
            rows=rows,
            problem=problem,
        )

    @view("/map")
    def items_map(q: Text = "", around: Text = "", zoom: Annotated[int, Query(ge=1, le=64)] = 1) -> Response:
        shown = page.shown(page.current)
        raw = shown.served.id_of("item", around) if around else None
        found = shown.look.items(q) if q else []
        found += [raw] if raw is not None and raw not in found else []
        points = shown.map.points(found, raw, zoom)
        return page.answer(
            "map.html",
            q=q,
            around=around,
            zoom=zoom,
            found=[shown.look.card(each) for each in found],
            points=points,
            titles=shown.look.titles,
            ids=shown.served.recommender.item_ids,
            width=WIDTH,
            height=HEIGHT,
        )

    @view("/figures")
    def figures() -> Response:
        shown = page.shown(page.current)
        shown.figures.begin()
        return page.answer("figures.html", **figures_values(shown), held_out=page.held_out is not None)

    return views


def user_values(page: Page, raw: Any) -> dict[str, Any]:
    """The values for the view of a user."""
    shown = page.shown(page.current)
    served = shown.served
    rows = served.had(raw)
    lately = page.log.had(raw)
    items = served.recommender.item_ids[served.history.items[rows[:_HISTORY]]].tolist()
    values = served.history.values[rows[:_HISTORY]].tolist()
    had = [{"card": shown.look.card(item), "value": value} for item, value in zip(items, values, strict=True)]
    first = page.list_of(page.current, raw) or []
    second = None if page.beside is None else page.list_of(page.beside, raw)
    later = frozenset() if page.held_out is None else page.held_out.of(raw, served)
    return {
        "user": raw,
        "had": had,
        "n_had": len(rows),
        "lately": [shown.look.card(item) for item in lately if served.known("item", item)],
        "first": first,
        "second": second,
        "beside": None if page.beside is None else page.beside.served,
        "n_later": len(later),
        "both": {row["card"].id for row in first} & {row["card"].id for row in second or ()},
        "kind": served.kind,
    }


def figures_values(shown: Shown) -> dict[str, Any]:
    """The values for the view of the figures."""
    figures = shown.figures.figures
    never = [] if figures is None else figures.never[:_NEVER].tolist()
    ids = shown.served.recommender.item_ids
    return {
        "figures": figures,
        "failed": shown.figures.failed,
        "never": [shown.look.card(raw) for raw in ids[never].tolist()] if never else [],
    }


def moves(shown: Shown, chosen: list[Any]) -> list[dict[str, Any]]:
    """The list for a history of chosen items, and how far the last of them moved each item."""
    if not chosen:
        return []
    found = _answers.history_list(shown.served, chosen, None, _K)
    before = {}
    if len(chosen) > 1:
        earlier = _answers.history_list(shown.served, chosen[:-1], None, 5 * _K)
        before = {row["item"]: rank for rank, row in enumerate(earlier, 1)}
    return [
        {
            "card": shown.look.card(row["item"]),
            "score": row["score"],
            "moved": before[row["item"]] - rank if row["item"] in before else None,
            "first": len(chosen) == 1,
        }
        for rank, row in enumerate(found, 1)
    ]


def _name(shown: Shown, part: dict[str, Any]) -> str:
    """The name of a contribution; for an item, its title."""
    raw = part["name"]
    if str(part["kind"]).startswith("item") and shown.served.known("item", raw):
        return shown.look.card(raw).title
    return str(raw)
