"""The page as one file, for readers without a server."""

from typing import Any

import numpy as np

from kerasrec._version import __version__
from kerasrec.serving import _answers
from kerasrec.serving._served import Served, load
from kerasrec.serving.events import EventLog
from kerasrec.serving.page import _templates
from kerasrec.serving.page._figures import HeldOut, figures_of
from kerasrec.serving.page._look import Look
from kerasrec.serving.page._map import HEIGHT, WIDTH, Map
from kerasrec.serving.settings import Settings

_N_USERS = 8
_K = 10
_HISTORY = 10
_NEVER = 50


def rendered(settings: Settings) -> str:
    """The text of the file."""
    held_out = None if settings.held_out is None else HeldOut(settings.held_out)
    served = load(settings.model, settings.title, settings.picture)
    beside = None if settings.beside is None else load(settings.beside, settings.title, settings.picture)
    looks = [Look(each, whole=True) for each in (served, beside) if each is not None]
    log = EventLog(settings.log)
    figures = figures_of(served, held_out)
    items_map = Map(served)
    ids = served.recommender.item_ids
    never = ids[figures.never[:_NEVER]].tolist()
    return _templates.render(
        "report.html",
        model=served,
        beside=beside,
        figures=figures,
        beside_figures=None if beside is None else figures_of(beside, held_out),
        held_out=held_out is not None,
        never=[looks[0].card(raw) for raw in never],
        users=[_user(raw, looks, log, held_out) for raw in _sample(served)],
        points=items_map.points([], None, 1),
        titles=looks[0].titles,
        ids=ids,
        width=WIDTH,
        height=HEIGHT,
        style=_templates.style(),
        version=__version__,
        short=_templates.short,
    )


def _sample(served: Served) -> list[Any]:
    """Users at even distances from the longest history to the shortest."""
    order = np.argsort(-np.diff(served.starts), kind="stable")
    chosen = np.unique(np.linspace(0, len(order) - 1, _N_USERS).astype(int))
    return list(served.recommender.user_ids[order[chosen]].tolist())


def _user(raw: Any, looks: list[Look], log: EventLog, held_out: HeldOut | None) -> dict[str, Any]:
    look = looks[0]
    served = look.served
    rows = served.had(raw)
    items = served.recommender.item_ids[served.history.items[rows[:_HISTORY]]].tolist()
    values = served.history.values[rows[:_HISTORY]].tolist()
    later = frozenset() if held_out is None else held_out.of(raw, served)
    lists = []
    for each in looks:
        rows_of = None
        if each.served.known("user", raw):
            (found,) = _answers.lists(each.served, log, [raw], _K)
            rows_of = [
                {"card": each.card(row["item"]), "hit": row["item"] in later} for row in found["items"]
            ]
        lists.append((each.served.path.name, rows_of))
    return {
        "id": raw,
        "had": [{"card": look.card(item), "value": value} for item, value in zip(items, values, strict=True)],
        "n_had": len(rows),
        "n_later": len(later),
        "lists": lists,
        "kind": served.kind,
    }
