"""Lists of items for users, ranked over the whole catalogue by the code of evaluation."""

import os
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.data._columns import several, shown
from kerasrec.evaluation._layout import tie_order
from kerasrec.evaluation._names import unknown_name
from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._ranker import Ranker
from kerasrec.recommender import _index, _order, _vectors
from kerasrec.recommender._choosing import Chosen, choose, of_counts
from kerasrec.recommender._frames import list_frame
from kerasrec.recommender._moves import Shortage, columns_of
from kerasrec.recommender._nearest import Alike, Nearest
from kerasrec.recommender._ruled import Ruled, check_length, of_state, tastes
from kerasrec.recommender._situations import check_context, in_context
from kerasrec.recommender._state import SEED, State
from kerasrec.recommender._written import ParquetLists
from kerasrec.recommender.rules import Rules

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = ("error", "skip", "popular")
SHORT = ("error", "fewer")
_USERS_AT_ONCE = 4096


class Request(NamedTuple):
    """A request for lists.

    Attributes:
        ids: raw user ids.
        codes: their codes; -1 for unknown users.
        k: int.
        candidates: item codes, or `None` for all.
        seen: items to leave out, or `None`.
        unknown: how to treat unknown users.
        with_scores: whether the frame has scores.
        finder: how items are found, one of `_index.INDEXES`.
        ruled: rules that choose among the candidates, or `None`.
        with_moves: whether the frame says which rule moved which item.
        short: `"error"` or `"fewer"`.
        shortage: counts the lists that rules left short.
        draw: source of randomness for `explore`.
    """

    ids: np.ndarray
    codes: np.ndarray
    k: int
    candidates: np.ndarray | None
    seen: Ragged | None
    unknown: str
    with_scores: bool
    finder: str
    ruled: Ruled | None
    with_moves: bool
    short: str
    shortage: Shortage
    draw: np.random.Generator | None


def recommend(
    state: State, users: Any = None, say: bool = True, context: Any = None, **how: Any
) -> "pd.DataFrame":
    """The best items for some users, or for all.

    Args:
        state: `State`.
        users: raw user id, or several. Defaults to `None`: all.
        say: warn of lists that rules leave short. Defaults to `True`.
        context: entries of the situation, or `None`.
        **how: as `Recommender.recommend` takes it.
    """
    import pandas as pd

    state = in_context(state, context)
    request = _request(state, users, **how)
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
    request = _request(state, users, **how)
    with ParquetLists(path, len(request.ids), verbose) as lists:
        for first, part in enumerate(_answers(state, request)):
            lists.write(part, min((first + 1) * _USERS_AT_ONCE, len(request.ids)))
    request.shortage.say()
    return lists.path


def rank(state: State, user: Any, items: Any, context: Any = None) -> "pd.DataFrame":
    """Some items in the order in which they suit a user."""
    codes = np.unique(state.items.codes(items))
    only = state.items.raw[codes]
    state = replace(state, rules=None)
    return recommend(state, user, k=len(codes), exclude_seen=False, only=only, context=context)


def score(state: State, pairs: Any) -> np.ndarray:
    """The scores of pairs of raw ids; of two stages, those of the second."""
    from kerasrec.evaluation._models import pair_scores

    users, items = _columns(pairs)
    user_codes, item_codes = state.users.codes(users), state.items.codes(items)
    if state.order is not None:
        return _order.pair_scores(state, user_codes, item_codes)
    check_context(state)
    return pair_scores(state.model, user_codes, item_codes, _vectors.inputs(state))


def popular(state: State, k: int, candidates: np.ndarray | None) -> np.ndarray:
    """The items of most users, ties in the tie order."""
    history = state.history
    counts = np.bincount(history.items[history.liked], minlength=state.n_items)
    order = tie_order(state.n_items, SEED)
    if candidates is not None:
        order = order[np.isin(order, candidates)]
    return order[np.argsort(-counts[order], kind="stable")[:k]]


def rules_of(state: State, rules: Ruled | Mapping[str, Any] | None) -> Ruled | None:
    """The recommender's rules, with those of a call in their place; `None` without rules.

    Args:
        state: `State`.
        rules: arguments of `Rules`, or rules that have been looked up.
    """
    if isinstance(rules, Ruled):
        return rules
    own = state.rules or Rules()
    if rules:
        own = own.but(**rules)
    return of_state(state, own) if own.names else None


def candidates_of(state: State, only: Any, exclude: Any, ruled: Ruled | None = None) -> np.ndarray | None:
    """Codes of the items that may be recommended; `None` for all."""
    may = None if ruled is None else ruled.allowed
    if only is None and exclude is None:
        return None if ruled is None else ruled.codes
    allowed = np.full(state.n_items, only is None)
    if only is not None:
        allowed[_known_codes(state, "only", only)] = True
    if exclude is not None:
        allowed[_known_codes(state, "exclude", exclude)] = False
    if may is not None:
        allowed &= may
    return np.flatnonzero(allowed).astype(np.int32)


def check_left(
    state: State,
    ids: np.ndarray,
    codes: np.ndarray,
    k: int,
    candidates: np.ndarray | None,
    seen: Ragged | None,
) -> None:
    """Refuse lists longer than the number of items left for a user."""
    left = np.full(len(ids), state.n_items if candidates is None else len(candidates))
    if seen is not None:
        known = codes >= 0
        if candidates is None:
            left[known] -= seen.counts(codes[known])
        else:
            rows, index = seen.index(codes[known])
            hidden = _among(candidates, seen.items[index], state.n_items)
            left[known] -= np.bincount(rows[hidden], minlength=int(known.sum()))
    short = np.flatnonzero(left < k)
    if len(short):
        first = short[np.argmin(left[short])]
        raise ValueError(
            "`k` must be at most the number of items left for a user; use a smaller `k`, more items "
            "in `only`, fewer rules or `exclude_seen=False`, or take what is left with short='fewer'. "
            f"Received: k={k}, and {left[first]} items left for user {shown(ids[first])}."
        )


def _among(candidates: np.ndarray, items: np.ndarray, n_items: int) -> np.ndarray:
    """Which items are among ascending candidates."""
    if len(items) < n_items >> 5:  # of one user: cheaper than a mask of all items
        place = np.minimum(np.searchsorted(candidates, items), max(0, len(candidates) - 1))
        return np.asarray(candidates[place] == items) if len(candidates) else np.zeros(len(items), bool)
    may = np.zeros(n_items, bool)
    may[candidates] = True
    return np.asarray(may[items])


def ranked(
    ranker: Ranker | Nearest | Alike, codes: np.ndarray, k: int, seen: Ragged | None
) -> tuple[np.ndarray, np.ndarray]:
    """The best items of some users and the scores that ranked them, both `[B, k]`."""
    blocks = list(ranker.rank(codes, k, seen))
    if len(blocks) == 1:
        return blocks[0].items, blocks[0].scores
    return np.concatenate([x.items for x in blocks]), np.concatenate([x.scores for x in blocks])


def _request(
    state: State,
    users: Any,
    k: int = 10,
    exclude_seen: bool = True,
    only: Any = None,
    exclude: Any = None,
    with_scores: bool = True,
    unknown: str = "error",
    short: str | None = None,
    index: str = "auto",
    with_moves: bool = False,
    rules: Ruled | Mapping[str, Any] | None = None,
    hidden: Sequence[Collection[Any]] | None = None,
) -> Request:
    k = positive_integer("k", k)
    ruled = rules_of(state, rules)
    if ruled is not None:
        check_length(ruled, k)
    if unknown not in UNKNOWN:
        raise ValueError(unknown_name("unknown", unknown, UNKNOWN))
    if short is not None and short not in SHORT:
        raise ValueError(unknown_name("short", short, SHORT))
    if users is None:
        codes, ids = np.arange(state.n_users, dtype=np.int32), state.users.raw
    else:
        users = several(users)
        if not len(users):
            raise ValueError("`users` must name at least one user. Received: none.")
        codes, ids = state.users.find(users, unknown != "error")
    if short is None:
        short = "error" if users is not None and len(users) == 1 else "fewer"
    if unknown == "skip":
        ids, codes = ids[codes >= 0], codes[codes >= 0]
    candidates = candidates_of(state, only, exclude, ruled)
    seen: Ragged | None = state.history if exclude_seen else None
    if hidden is not None and any(hidden):
        seen = _with_hidden(state, seen, codes, hidden)
    if short == "error":
        check_left(state, ids, codes, k, candidates, seen)
    given, nothing = ids, candidates is not None and not len(candidates)
    if nothing:
        ids, codes, candidates = ids[:0], codes[:0], None  # nothing for anybody
    shortage = Shortage(ruled, k)
    if nothing:
        shortage.add(given, np.full((len(given), 1), -1), "fewer")
    if ruled is None or not ruled.chooses:
        k = min(k, state.n_items if candidates is None else len(candidates))
    draw = None if ruled is None or not ruled.rules.explore else np.random.default_rng(ruled.rules.seed)
    how = unknown, with_scores, index, ruled, with_moves, short, shortage, draw
    return Request(ids, codes, k, candidates, seen, *how)


def _with_hidden(
    state: State, seen: Ragged | None, codes: np.ndarray, hidden: Sequence[Collection[Any]]
) -> Ragged:
    """The items that users have, with further items of some users."""
    known = [(code, state.items.find(list(items))[0]) for code, items in zip(codes, hidden, strict=True)]
    pairs = [(code, items[items >= 0]) for code, items in known if code >= 0 and len(items)]
    users = np.repeat([code for code, _ in pairs], [len(items) for _, items in pairs]).astype(np.int64)
    items = np.concatenate([items for _, items in pairs]) if pairs else np.empty(0, np.int64)
    if seen is not None:
        # Only of these users, who are few; other rows are not needed.
        own = np.unique(codes[codes >= 0])
        rows, index = seen.index(own)
        users, items = np.concatenate([users, own[rows]]), np.concatenate([items, seen.items[index]])
    return Ragged(users, items, state.n_users)


def _known_codes(state: State, argument: str, ids: Any) -> np.ndarray:
    """Codes of the known items, with a warning about others."""
    ids = several(ids)
    if not len(ids):
        return np.empty(0, np.int32)
    codes, given = state.items.find(ids)
    unknown = np.flatnonzero(codes < 0)
    if len(unknown) == len(codes) and argument == "only":
        state.items.codes(ids)  # raises
    if len(unknown):
        first = given[unknown[0]]
        warnings.warn(
            f"{len(unknown)} of {len(codes)} items of `{argument}` are unknown to the recommender and "
            f"ignored, first {shown(first)}.{state.items.hint(first)}",
            stacklevel=6,
        )
    return codes[codes >= 0]


def _answers(state: State, request: Request) -> Iterator["pd.DataFrame"]:
    """Frames of some users at a time; one empty frame if there are no users."""
    # Rules that choose need all items, whatever finder other lists use.
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
        history = state.history
        counts = np.bincount(history.items[history.liked], minlength=state.n_items)
        everybody = np.zeros(len(codes), np.int32)
        ranker = of_counts(ranker, counts)
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
