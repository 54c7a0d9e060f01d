"""Lists of items for users: whole catalogues ranked by the code that evaluation uses."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.data._columns import several, shown
from kerasrec.evaluation._layout import tie_order
from kerasrec.evaluation._names import unknown_name
from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._ranker import Ranker
from kerasrec.recommender import _index, _vectors
from kerasrec.recommender._frames import list_frame
from kerasrec.recommender._state import SEED, State
from kerasrec.recommender._written import ParquetLists

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = ("error", "skip", "popular")
SHORT = ("error", "fewer")
_USERS_AT_ONCE = 4096


class Request(NamedTuple):
    """Whom to recommend what.

    Attributes:
        ids: raw user ids.
        codes: their codes; -1 where one is unknown.
        k: int.
        candidates: item codes, or `None`: all.
        seen: items to leave out, or `None`.
        unknown: what is done with unknown users.
        with_scores: bool.
        finder: what finds the items, one of `_index.INDEXES`.
    """

    ids: np.ndarray
    codes: np.ndarray
    k: int
    candidates: np.ndarray | None
    seen: Ragged | None
    unknown: str
    with_scores: bool
    finder: str


def recommend(state: State, users: Any = None, **how: Any) -> "pd.DataFrame":
    """The best items for some users, or for all.

    Args:
        state: `State`.
        users: raw user id, or several. Defaults to `None`: all.
        **how: as `Recommender.recommend` takes it.
    """
    import pandas as pd

    request = _request(state, users, **how)
    parts = list(_answers(state, request))
    return pd.concat(parts, ignore_index=True) if len(parts) != 1 else parts[0]


def recommend_to_parquet(
    state: State, path: str | os.PathLike[str], users: Any = None, verbose: bool = True, **how: Any
) -> Path:
    """The same into a file, some users at a time."""
    request = _request(state, users, **how)
    with ParquetLists(path, len(request.ids), verbose) as lists:
        for first, part in enumerate(_answers(state, request)):
            lists.write(part, min((first + 1) * _USERS_AT_ONCE, len(request.ids)))
    return lists.path


def rank(state: State, user: Any, items: Any) -> "pd.DataFrame":
    """Some items in the order in which they suit a user."""
    codes = np.unique(state.items.codes(items))
    return recommend(state, user, k=len(codes), exclude_seen=False, only=state.items.raw[codes])


def score(state: State, pairs: Any) -> np.ndarray:
    """What the model gives for pairs of raw ids."""
    from kerasrec.evaluation._models import pair_scores

    users, items = _columns(pairs)
    return pair_scores(
        state.model, state.users.codes(users), state.items.codes(items), _vectors.inputs(state)
    )


def popular(state: State, k: int, candidates: np.ndarray | None) -> np.ndarray:
    """The items that most users have, in the tie order."""
    history = state.history
    counts = np.bincount(history.items[history.liked], minlength=state.n_items)
    order = tie_order(state.n_items, SEED)
    if candidates is not None:
        order = order[np.isin(order, candidates)]
    return order[np.argsort(-counts[order], kind="stable")[:k]]


def candidates_of(state: State, only: Any, exclude: Any) -> np.ndarray | None:
    """Codes of the items that may be recommended; `None` for all."""
    if only is None and exclude is None:
        return None
    allowed = np.full(state.n_items, only is None)
    if only is not None:
        allowed[_known_codes(state, "only", only)] = True
    if exclude is not None:
        allowed[_known_codes(state, "exclude", exclude)] = False
    return np.flatnonzero(allowed).astype(np.int32)


def check_left(
    state: State,
    ids: np.ndarray,
    codes: np.ndarray,
    k: int,
    candidates: np.ndarray | None,
    seen: Ragged | None,
) -> None:
    """Refuse lists that are longer than what is left for a user."""
    left = np.full(len(ids), state.n_items if candidates is None else len(candidates))
    if seen is not None:
        known = codes >= 0
        if candidates is None:
            left[known] -= seen.counts(codes[known])
        else:
            rows, index = seen.index(codes[known])
            hidden = np.isin(seen.items[index], candidates)
            left[known] -= np.bincount(rows[hidden], minlength=int(known.sum()))
    short = np.flatnonzero(left < k)
    if len(short):
        first = short[np.argmin(left[short])]
        raise ValueError(
            "`k` must be at most the number of items left for a user; a smaller `k`, more of `only` or "
            "`exclude_seen=False` leaves enough, and short='fewer' gives what is left. "
            f"Received: k={k}, and {left[first]} items left for user {shown(ids[first])}."
        )


def ranked(
    ranker: "Ranker | _index.Nearest", codes: np.ndarray, k: int, seen: Ragged | None
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
) -> Request:
    k = positive_integer("k", k)
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
    candidates = candidates_of(state, only, exclude)
    seen = state.history if exclude_seen else None
    if short == "error":
        check_left(state, ids, codes, k, candidates, seen)
    if candidates is not None and not len(candidates):
        ids, codes, candidates = ids[:0], codes[:0], None  # nothing for anybody
    k = min(k, state.n_items if candidates is None else len(candidates))
    return Request(ids, codes, k, candidates, seen, unknown, with_scores, index)


def _known_codes(state: State, argument: str, ids: Any) -> np.ndarray:
    """Codes of the items that are known; a shop's lists always name others."""
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
    """Frames of some users at a time; one empty frame where there are none."""
    ranker = _index.ranker(state, request.finder, request.candidates)
    for start in range(0, max(1, len(request.ids)), _USERS_AT_ONCE):
        part = slice(start, start + _USERS_AT_ONCE)
        ids, codes = request.ids[part], request.codes[part]
        known = codes >= 0
        if len(codes) and known.all():
            items, scores = _of_known(state, ranker, codes, request)
        else:
            items = np.full((len(ids), request.k), -1, np.int32)
            scores = np.full((len(ids), request.k), np.nan, np.float32)
            if known.any():
                items[known], scores[known] = _of_known(state, ranker, codes[known], request)
            if not known.all():
                items[~known] = popular(state, request.k, request.candidates)
        if known.all():
            names = state.users.column.take(np.repeat(codes, request.k))
        else:
            names = np.repeat(ids, request.k)
        frame = list_frame(state, names, items, scores if request.with_scores else None)
        if request.unknown == "popular":
            frame["fallback"] = np.repeat(~known, request.k)[(items >= 0).ravel()]
        yield frame


def _of_known(
    state: State, ranker: "Ranker | _index.Nearest", codes: np.ndarray, request: Request
) -> tuple[np.ndarray, np.ndarray]:
    items, scores = ranked(ranker, codes, request.k, request.seen)
    return items, _vectors.scorer(state).finish(codes, scores) if request.with_scores else scores


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
