"""Explanations of scores."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec._names import unknown_name
from kerasrec.data._columns import several
from kerasrec.recommender import _contributions, _lists, _similar, _vectors
from kerasrec.recommender._contributions import Part
from kerasrec.recommender._frames import list_frame
from kerasrec.recommender._state import State
from kerasrec.recommender.explanation import Explanation

if TYPE_CHECKING:
    import pandas as pd

BY = ("item", "user", "component")


def explain(state: State, user: Any, item: Any, by: str | None, n_neighbors: int) -> Explanation:
    """The contributions to the score of a pair, and the items of the user's history nearest to the item.

    Args:
        state: `State`.
        user: raw user id.
        item: raw item id.
        by: `"item"`, `"user"`, `"component"` or `None`.
        n_neighbors: int, items of the history to name.
    """
    import pandas as pd

    second = None if state.order is None else state.order.second
    if isinstance(second, State):
        return explain(second, user, item, by, n_neighbors)  # its score orders the items
    if by is not None and by not in BY:
        raise ValueError(unknown_name("by", by, BY))
    users, items = state.users.codes(user), state.items.codes(item)
    if len(users) != 1 or len(items) != 1:
        raise ValueError(
            f"`user` and `item` must be one raw id each. Received: {len(users)} users and {len(items)} items."
        )
    user_code, item_code = int(users[0]), int(items[0])
    score = float(_lists.score(state, [(user, item)])[0])
    if second is None:
        parts = _parts(state, user_code, item_code, by, score)
    else:
        from kerasrec.recommender._click_parts import parts_of_clicks

        parts = parts_of_clicks(state, user_code, item_code)
    frame = pd.DataFrame(parts, columns=list(Part._fields))
    frame["name"] = frame["name"].astype(object)
    order = np.argsort(-frame["contribution"].abs().to_numpy(), kind="stable")
    frame = frame.iloc[order].reset_index(drop=True)
    raw = float(frame["contribution"].sum())
    return Explanation(user, item, score, raw, frame, _neighbors(state, user_code, item_code, n_neighbors))


def explain_list(
    state: State, user: Any, items: Any, k: int, by: str | None, n_neighbors: int
) -> list[Explanation]:
    """The contributions to the score of each item of a list.

    Args:
        state: `State`.
        user: raw user id.
        items: raw item ids, or `None` for those of `recommend`.
        k: length of the list if `items` is `None`.
        by: as in `explain`.
        n_neighbors: int, items of the history to name.
    """
    if items is None:
        items = _lists.recommend(state, user, k=k, short="fewer")["item"].tolist()
    return [explain(state, user, item, by, n_neighbors) for item in several(items)]


def _parts(state: State, user: int, item: int, by: str | None, score: float) -> list[Part]:
    sides = _vectors.sides(state)
    if sides is not None and sides.towers is None:
        return _contributions.of_head(sides, user, item)
    if sides is not None:
        inputs = _vectors.inputs(state)
        if by == "user" and inputs.names != ("user",):
            by = "component"  # a history has no features
        if by is None:
            by = next(
                (s for s in _feature_sides(inputs.names) if _contributions.lookup_of(sides, s)), "component"
            )
        features = state.item_features if by == "item" else state.user_features
        names = None if features is None or by == "component" else features.names
        return _contributions.of_towers(sides, user, item, by, names, inputs)
    source = _vectors.source(state)
    if hasattr(source, "contributions"):
        kind, codes, values = source.contributions(user, item)
        ids = state.ids(kind).raw
        return [
            Part(f"{kind} {'had' if kind == 'item' else 'alike'}", ids[code], float(value), True)
            for code, value in zip(codes, values, strict=True)
        ]
    return [Part("model", state.name, score, True)]


def _feature_sides(names: tuple[str, ...]) -> tuple[str, ...]:
    return ("item", "user") if names == ("user",) else ("item",)


def _neighbors(state: State, user: int, item: int, n: int) -> "pd.DataFrame":
    """The items of a user's history that are nearest to an item."""
    history = state.history
    own = slice(history.starts[user], history.starts[user + 1])
    codes, values = history.items[own], history.values[own]
    codes, values = codes[codes != item], values[codes != item]
    table = state.once("explained_items", lambda: _similar.unit_rows(_comparable(state)))
    near = table[codes] @ table[item].T
    near = np.asarray(near.todense()).ravel() if hasattr(near, "todense") else np.asarray(near).ravel()
    best = np.argsort(-near, kind="stable")[:n]
    frame = list_frame(state, None, codes[best][None], None)
    frame.insert(2, "similarity", near[best])
    frame.insert(3, "value", values[best])
    return frame


def _comparable(state: State) -> Any:
    table = _vectors.table(state, "item")
    return _similar.matrix(state, "item") if table is None else table
