"""Training rows of a second stage: candidates of the first stage, labelled by whether the user took them."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data import Interactions
from kerasrec.evaluation._ragged import Ragged
from kerasrec.recommender import _vectors
from kerasrec.recommender._state import State

if TYPE_CHECKING:
    import pandas as pd

LABEL = "taken"
# Number of users whose candidates are found at once.
_USERS = 1024


def shown_rows(
    state: State, later: Interactions, n_candidates: int, n_negatives: int, n_requests: int, seed: int
) -> "pd.DataFrame":
    """Candidates that the first stage would have shown to users with later events, by request.

    A request is a user in the context of one of the later events. Candidates that the user took in this
    context are positives, those taken in another context are left out, and negatives are drawn from the rest.

    Args:
        state: `State`, trained on the earlier events.
        later: `Interactions` with the same ids.
        n_candidates: int.
        n_negatives: number of negatives per request.
        n_requests: number of contexts per user.
        seed: seed of the draws.

    Returns:
        Frame of `user`, `item`, the context, the columns of two stages, `request` (the user's code) and
        `taken`, the label.
    """
    import pandas as pd

    draw = np.random.default_rng(seed)
    likes = later.take(later.liked)
    had = state.history.counts(np.arange(state.n_users)) > 0
    likes = likes.take(had[likes.users])
    users, requests = _requests(likes, n_requests, draw)
    if not len(users):
        return pd.DataFrame()
    taken = Ragged(likes.users, likes.items, state.n_users)
    of_kept = requests >= 0
    events = Ragged(requests[of_kept], likes.items[of_kept], len(users))
    parts = []
    order = np.argsort(users, kind="stable")
    ranker = _vectors.ranker(state)
    for start in range(0, len(order), _USERS):
        rows = order[start : start + _USERS]
        unique, place = np.unique(users[rows], return_inverse=True)
        blocks = list(ranker.rank(unique, n_candidates, state.history))
        items = np.concatenate([block.items for block in blocks])[place]
        scores = np.concatenate([block.scores for block in blocks])[place]
        there = items >= 0
        own = there & (events.find(rows[:, None], items) >= 0)
        other = there & ~own & (taken.find(users[rows][:, None], items) < 0)
        chance = np.where(other, draw.random(items.shape), 2.0)
        kept = np.argsort(chance, axis=1, kind="stable")[:, :n_negatives]
        negative = np.zeros(items.shape, bool)
        np.put_along_axis(negative, kept, True, 1)
        which, at = np.nonzero((own | (negative & other)) & own.any(axis=1, keepdims=True))
        parts.append((rows[which], items[which, at], scores[which, at], own[which, at]))
    request, item, score, label = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return _frame(state, likes, users, requests, request, item, score, label)


def _requests(
    likes: Interactions, n_requests: int, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The user of each request, and the request of each like; -1 if its context is not kept."""
    keys = [likes.users, *likes.context.values()]
    codes = np.stack([np.unique(key, return_inverse=True)[1] for key in keys], axis=1)
    _, first, request = np.unique(codes, axis=0, return_index=True, return_inverse=True)
    users = likes.users[first]
    order = np.lexsort((draw.random(len(users)), users))
    starts = np.searchsorted(users[order], users[order])
    kept = np.zeros(len(users), bool)
    kept[order] = np.arange(len(order)) - starts < n_requests
    new = np.where(kept, np.cumsum(kept) - 1, -1)
    return users[kept], new[request.reshape(-1)]


def _frame(
    state: State,
    likes: Interactions,
    users: np.ndarray,
    requests: np.ndarray,
    request: np.ndarray,
    item: np.ndarray,
    score: np.ndarray,
    label: np.ndarray,
) -> "pd.DataFrame":
    import pandas as pd

    counts = np.bincount(state.history.items, minlength=state.n_items)
    columns: dict[str, Any] = {
        "user": state.users.raw[users[request]],
        "item": state.items.raw[item],
        "candidate_score": score,
        "item_count": counts[item],
        "user_count": state.history.counts(users[request]),
        "request": users[request],
        LABEL: label.astype(np.int8),
    }
    event = np.zeros(len(users), np.int64)
    event[requests[requests >= 0]] = np.flatnonzero(requests >= 0)
    for name, entries in likes.context.items():
        values = entries[event[request]]
        columns[name] = likes.context_ids[name][values] if name in likes.context_ids else values
    return pd.DataFrame(columns)
