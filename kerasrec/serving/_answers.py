"""Answers of the recommender as plain values for JSON."""

import datetime
import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.recommender._lists import recommend
from kerasrec.recommender._newcomers import recommend_for_history
from kerasrec.recommender._request import rules_of
from kerasrec.recommender._state_holder import current_state
from kerasrec.serving._served import Served, Unknown
from kerasrec.serving.events import EventLog

if TYPE_CHECKING:
    import pandas as pd


def lists(
    served: Served,
    log: EventLog,
    users: Sequence[Any],
    k: int,
    exclude_seen: bool = True,
    only: Collection[Any] | None = None,
    exclude: Collection[Any] | None = None,
    unknown: str = "error",
    rules: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """One list per user, without the items of events since the model was trained.

    Args:
        served: `Served`.
        log: `EventLog`.
        users: raw ids.
        k: int.
        exclude_seen: bool, whether to leave out items that a user has had.
        only: raw ids of the items that may be recommended, or `None`.
        exclude: raw ids of the items that may not, or `None`.
        unknown: `"error"`, `"skip"` or `"popular"`.
        rules: arguments of `kerasrec.Rules`, or `None`: the recommender's own.
    """
    if unknown == "error":
        served.check("user", list(users))
    elif unknown == "skip":
        users = [user for user in users if served.known("user", user)]
    only, exclude = known_items(served, only), known_items(served, exclude)
    if not users or only == []:
        return [{"user": user, "items": [], "fallback": False} for user in users]
    had = [log.had(user) if exclude_seen else () for user in users]
    state = current_state(served.recommender)
    ruled = rules_of(state, rules)
    # Without rules, recent items can simply be removed from a longer list; with rules, they must be hidden.
    extra = max(map(len, had)) if ruled is None else 0
    frame = recommend(
        state,
        users,
        say=False,
        k=k + extra,
        rules=ruled,
        hidden=None if ruled is None else had,
        exclude_seen=exclude_seen,
        only=only,
        exclude=exclude or None,
        unknown="error" if unknown == "skip" else unknown,
        short="fewer",
    )
    return _by_user(served, frame, users, had, k)


def _by_user(
    served: Served, frame: "pd.DataFrame", users: Sequence[Any], had: Sequence[Collection[Any]], k: int
) -> list[dict[str, Any]]:
    rows = items_of(served, frame)
    fallback = frame["fallback"].tolist() if "fallback" in frame.columns else None
    ranks = frame["rank"].tolist()
    owners = frame["user"].tolist()
    found, place = [], 0
    for user, hidden in zip(users, had, strict=True):
        begin = place
        # The rows of a user are consecutive and begin with rank 1; a user without a list has no rows.
        while place < len(ranks) and owners[place] == user and (place == begin or ranks[place] > 1):
            place += 1
        own = rows[begin:place]
        if hidden:
            own = [row for row in own if row["item"] not in hidden]
            for rank, row in enumerate(own, 1):
                row["rank"] = rank
        by_popularity = bool(fallback and begin < place and fallback[begin])
        found.append({"user": user, "items": own[:k], "fallback": by_popularity})
    return found


def history_list(
    served: Served,
    items: Sequence[Any],
    values: Sequence[float] | None,
    k: int,
    only: Collection[Any] | None = None,
    exclude: Collection[Any] | None = None,
) -> list[dict[str, Any]]:
    """The list for a history of somebody who was not in training."""
    served.check("item", list(items))
    only, exclude = known_items(served, only), known_items(served, exclude)
    if only == []:
        return []
    state = current_state(served.recommender)
    how: dict[str, Any] = {"k": k, "only": only, "exclude": exclude or None, "short": "fewer", "say": False}
    return items_of(served, recommend_for_history(state, list(items), values, **how))


def similar_list(served: Served, item: Any, k: int) -> list[dict[str, Any]]:
    """The items most similar to an item."""
    served.check("item", [item])
    k = min(k, served.recommender.n_items - 1)
    return [] if k < 1 else items_of(served, served.recommender.similar_items(item, k=k), "similar")


def explanation(served: Served, user: Any, item: Any) -> dict[str, Any]:
    """The contributions to the score of a pair."""
    served.check("user", [user])
    served.check("item", [item])
    found = served.recommender.explain(user, item)
    columns = ("kind", "name", "contribution", "exact")
    parts = zip(*(found.contributions[name].tolist() for name in columns), strict=True)
    neighbors = items_of(served, found.neighbors)
    for row, similarity in zip(neighbors, found.neighbors["similarity"].tolist(), strict=True):
        row["similarity"] = plain(similarity)
    return {
        "user": user,
        "item": item,
        "score": plain(found.score),
        "raw_score": plain(found.raw_score),
        "contributions": [
            {name: plain(value) for name, value in zip(columns, part, strict=True)} for part in parts
        ],
        "neighbors": neighbors,
    }


def known_items(served: Served, ids: Collection[Any] | None) -> list[Any] | None:
    """The items of a request that the model knows; a shop's catalogue always has others, too."""
    return None if ids is None else [raw for raw in ids if served.known("item", raw)]


def items_of(served: Served, frame: "pd.DataFrame", column: str = "item") -> list[dict[str, Any]]:
    """The rows of a list."""
    items = _plain_column(frame[column])
    scores = _plain_column(frame["score"]) if "score" in frame.columns else [None] * len(items)
    rows: list[dict[str, Any]] = [
        {"rank": rank, "item": item, "score": score, "metadata": {}}
        for rank, item, score in zip(frame["rank"].tolist(), items, scores, strict=True)
    ]
    if "propensity" in frame.columns:
        for row, value in zip(rows, frame["propensity"].tolist(), strict=True):
            row["propensity"] = value
    for name in served.columns:
        for row, value in zip(rows, _plain_column(frame[name]), strict=True):
            row["metadata"][name] = value
    return rows


def _plain_column(column: "pd.Series[Any]") -> list[Any]:
    """The values of a column for JSON."""
    values: list[Any] = column.tolist()
    kind = column.dtype.kind
    if kind in "iub" or (kind == "f" and np.isfinite(column.to_numpy()).all()):
        return values
    return [x if type(x) is str else plain(x) for x in values]


def plain(value: Any) -> Any:
    """A value for JSON; missing values and NaN become `None`."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "tolist") and not hasattr(value, "isoformat"):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, datetime.date):
        return value.isoformat() if value == value else None
    return None if value != value else str(value)


__all__ = ["Unknown", "explanation", "history_list", "lists", "plain", "similar_list"]
