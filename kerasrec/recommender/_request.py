"""A request for lists: for whom, of which items, under which rules."""

import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec._names import unknown_name
from kerasrec.data._columns import several, shown
from kerasrec.evaluation._ragged import Ragged
from kerasrec.recommender._compiled_rules import CompiledRules, check_length, of_state
from kerasrec.recommender._rule_effects import Shortage
from kerasrec.recommender._state import State
from kerasrec.recommender.rules import Rules

UNKNOWN = ("error", "skip", "popular")
SHORT = ("error", "fewer")


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
    ruled: CompiledRules | None
    with_moves: bool
    short: str
    shortage: Shortage
    draw: np.random.Generator | None


def request_of(
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
    rules: CompiledRules | Mapping[str, Any] | None = None,
    hidden: Sequence[Collection[Any]] | None = None,
) -> Request:
    """The request of a call of `Recommender.recommend`, checked; arguments are those of that call."""
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
        ids, codes, candidates = ids[:0], codes[:0], None  # all lists are empty
    shortage = Shortage(ruled, k)
    if nothing:
        shortage.add(given, np.full((len(given), 1), -1), "fewer")
    if ruled is None or not ruled.chooses:
        k = min(k, state.n_items if candidates is None else len(candidates))
    draw = None if ruled is None or not ruled.rules.explore else np.random.default_rng(ruled.rules.seed)
    how = unknown, with_scores, index, ruled, with_moves, short, shortage, draw
    return Request(ids, codes, k, candidates, seen, *how)


def rules_of(state: State, rules: CompiledRules | Mapping[str, Any] | None) -> CompiledRules | None:
    """The recommender's rules, overridden by those of a call; `None` without rules.

    Args:
        state: `State`.
        rules: arguments of `Rules`, or rules that have been looked up.
    """
    if isinstance(rules, CompiledRules):
        return rules
    own = state.rules
    if rules:
        own = (own or Rules()).but(**rules)
    return of_state(state, own) if own is not None and own.names else None


def candidates_of(
    state: State, only: Any, exclude: Any, ruled: CompiledRules | None = None
) -> np.ndarray | None:
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
    n_candidates = state.n_items if candidates is None else len(candidates)
    # A bound on what a user has is found without looking for these users.
    if k <= n_candidates and (
        seen is None or k + len(seen) <= n_candidates or k + seen.longest <= n_candidates
    ):
        return
    left = np.full(len(ids), n_candidates)
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
    """Which items are among the candidates, which are in ascending order."""
    if len(items) < n_items >> 5:  # for one user, this is cheaper than a mask of all items
        place = np.minimum(np.searchsorted(candidates, items), max(0, len(candidates) - 1))
        return np.asarray(candidates[place] == items) if len(candidates) else np.zeros(len(items), bool)
    may = np.zeros(n_items, bool)
    may[candidates] = True
    return np.asarray(may[items])


def _with_hidden(
    state: State, seen: Ragged | None, codes: np.ndarray, hidden: Sequence[Collection[Any]]
) -> Ragged:
    """The items that users have, with further items of some users."""
    known = [(code, state.items.find(list(items))[0]) for code, items in zip(codes, hidden, strict=True)]
    pairs = [(code, items[items >= 0]) for code, items in known if code >= 0 and len(items)]
    users = np.repeat([code for code, _ in pairs], [len(items) for _, items in pairs]).astype(np.int64)
    items = np.concatenate([items for _, items in pairs]) if pairs else np.empty(0, np.int64)
    if seen is not None:
        # Only rows of these users are needed.
        own = np.unique(codes[codes >= 0])
        rows, index = seen.index(own)
        users, items = np.concatenate([users, own[rows]]), np.concatenate([items, seen.items[index]])
    return Ragged(users, items, state.n_users)


def _known_codes(state: State, argument: str, ids: Any) -> np.ndarray:
    """Codes of the known items; others cause a warning."""
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
