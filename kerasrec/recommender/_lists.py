"""Lists of items for users, ranked over the whole catalogue by the code of evaluation."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.evaluation._layout import tie_order
from kerasrec.evaluation._ranker import ranked
from kerasrec.recommender import _index, _order, _vectors
from kerasrec.recommender._choosing import Chosen, choose, of_counts
from kerasrec.recommender._compiled_rules import tastes
from kerasrec.recommender._context import check_context, in_context
from kerasrec.recommender._frames import list_frame
from kerasrec.recommender._parquet_writer import ParquetLists
from kerasrec.recommender._request import Request, request_of
from kerasrec.recommender._rule_effects import columns_of
from kerasrec.recommender._state import SEED, State

if TYPE_CHECKING:
    import pandas as pd

_USERS_AT_ONCE = 4096


def recommend(
    state: State, users: Any = None, say: bool = True, context: Any = None, **how: Any
) -> "pd.DataFrame":
    """The best items for some users, or for all.

    Args:
        state: `State`.
        users: raw user id, or several. Defaults to `None`: all.
        say: whether to warn of lists that rules make too short. Defaults to `True`.
        context: entries of the context columns, or `None`.
        **how: as `Recommender.recommend` takes it.
    """
    import pandas as pd

    state = in_context(state, context)
    request = request_of(state, users, **how)
    parts = list(_answers(state, request))
    if say:
        request.shortage.say()
    return pd.concat(parts, ignore_index=True) if len(parts) != 1 else parts[0]


def recommend_to_parquet(
    state: State,
    path: str | os.PathLike[str],
    users: Any = None,
    verbose: bool = True,
    context: Any = None,
    **how: Any,
) -> Path:
    """Write the lists of `recommend` to a file, some users at a time."""
    state = in_context(state, context)
    request = request_of(state, users, **how)
    with ParquetLists(path, len(request.ids), verbose) as lists:
        for first, part in enumerate(_answers(state, request)):
            lists.write(part, min((first + 1) * _USERS_AT_ONCE, len(request.ids)))
    request.shortage.say()
    return lists.path


def rank(state: State, user: Any, items: Any, context: Any = None) -> "pd.DataFrame":
    """Some items, ranked for a user."""
    codes = np.unique(state.items.codes(items))
    only = state.items.raw[codes]
    state = replace(state, rules=None)
    return recommend(state, user, k=len(codes), exclude_seen=False, only=only, context=context)


def score(state: State, pairs: Any) -> np.ndarray:
    """The scores of pairs of raw ids; with two stages, those of the second."""
    from kerasrec.evaluation._models import pair_scores

    users, items = _columns(pairs)
    user_codes, item_codes = state.users.codes(users), state.items.codes(items)
    if state.order is not None:
        return _order.pair_scores(state, user_codes, item_codes)
    check_context(state)
    return pair_scores(state.model, user_codes, item_codes, _vectors.inputs(state))


def popularity(state: State) -> np.ndarray:
    """How many users like each item `[I]`."""
    history = state.history
    return np.bincount(history.items[history.liked], minlength=state.n_items)


def popular(state: State, k: int, candidates: np.ndarray | None) -> np.ndarray:
    """The items that most users like; ties in the tie order."""
    counts = popularity(state)
    order = tie_order(state.n_items, SEED)
    if candidates is not None:
        order = order[np.isin(order, candidates)]
    return order[np.argsort(-counts[order], kind="stable")[:k]]


def _answers(state: State, request: Request) -> Iterator["pd.DataFrame"]:
    """Frames of some users at a time; one empty frame if there are no users."""
    # Rules that choose need all items, even if other lists use an index.
    chooses = request.ruled is not None and request.ruled.chooses
    finder = "exact" if chooses else request.finder
    ranker = _index.ranker(state, finder, request.candidates, len(request.ids))
    ranker = _order.staged(state, ranker)
    for start in range(0, max(1, len(request.ids)), _USERS_AT_ONCE):
        part = slice(start, start + _USERS_AT_ONCE)
        ids, codes = request.ids[part], request.codes[part]
        known = codes >= 0
        if len(codes) and known.all():
            items, scores, extra = _of_known(state, ranker, codes, request)
        else:
            items = np.full((len(ids), request.k), -1, np.int32)
            scores = np.full((len(ids), request.k), np.nan, np.float32)
            extra = columns_of(None, request.ruled, request.with_moves, items.shape)
            for which, lists in ((known, _of_known), (~known, _of_unknown)):
                if which.any():
                    items[which], scores[which], own = lists(state, ranker, codes[which], request)
                    for name, column in own.items():
                        extra[name][which] = column
        request.shortage.add(ids, items, request.short)
        if known.all():
            names = state.users.column.take(np.repeat(codes, request.k))
        else:
            names = np.repeat(ids, request.k)
        frame = list_frame(state, names, items, scores if request.with_scores else None, extra)
        if request.unknown == "popular":
            frame["fallback"] = np.repeat(~known, request.k)[(items >= 0).ravel()]
        yield frame


_Columns = dict[str, np.ndarray]


def _of_known(
    state: State, ranker: Any, codes: np.ndarray, request: Request
) -> tuple[np.ndarray, np.ndarray, _Columns]:
    ruled = request.ruled
    if ruled is None or not ruled.chooses:
        items, scores = ranked(ranker, codes, request.k, request.seen)
        extra = columns_of(None, None, request.with_moves, items.shape)
    else:
        taste = None if ruled.shares is None else tastes(ruled, state.history, codes)
        how = request.seen, taste, request.draw, request.with_moves
        chosen = choose(ruled, ranker, codes, request.k, *how)
        items, scores, extra = _noted(chosen, request)
    if request.with_scores:
        scores = _order.finish(state, codes, scores)
    return items, scores, extra


def _of_unknown(
    state: State, ranker: Any, codes: np.ndarray, request: Request
) -> tuple[np.ndarray, np.ndarray, _Columns]:
    """Popular items; all rules apply, except those that need a history."""
    ruled = request.ruled
    if ruled is None or not ruled.chooses:
        items = np.tile(popular(state, request.k, request.candidates), (len(codes), 1))
        extra = columns_of(None, None, request.with_moves, items.shape)
    else:
        everybody = np.zeros(len(codes), np.int32)
        ranker = of_counts(ranker, popularity(state))
        how = None, None, request.draw, request.with_moves
        items, _, extra = _noted(choose(ruled, ranker, everybody, request.k, *how), request)
    return items, np.full(items.shape, np.nan, np.float32), extra


def _noted(chosen: Chosen, request: Request) -> tuple[np.ndarray, np.ndarray, _Columns]:
    request.shortage.missed(chosen.unmet)
    extra = columns_of(chosen, request.ruled, request.with_moves, chosen.items.shape)
    return chosen.items, chosen.scores, extra


def _columns(pairs: Any) -> tuple[Any, Any]:
    if hasattr(pairs, "columns"):
        for name in ("user", "item"):
            if name not in pairs.columns:
                raise ValueError(
                    "`pairs` must have the columns 'user' and 'item'. "
                    f"Received: {', '.join(map(repr, pairs.columns))}."
                )
        users, items = pairs["user"].tolist(), pairs["item"].tolist()
    else:
        listed = list(pairs)
        if any(isinstance(pair, (str, bytes)) or np.size(pair) != 2 for pair in listed):
            raise ValueError("`pairs` must be pairs (user, item) of raw ids. Received: others.")
        users, items = [pair[0] for pair in listed], [pair[1] for pair in listed]
    if not len(users):
        raise ValueError("`pairs` must not be empty. Received: no pair.")
    return users, items
