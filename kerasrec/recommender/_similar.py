"""Similar items and users."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec._names import unknown_name
from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._ranker import CatalogueRanker, ranked
from kerasrec.evaluation._scorers import CatalogueScorer, FactorScorer, Scorer
from kerasrec.recommender import _index, _nearest, _vectors
from kerasrec.recommender._frames import frame_of
from kerasrec.recommender._state import SEED, State

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse

MEASURES = ("cosine", "dot")


def similar(state: State, side: str, ids: Any, k: int, measure: str, index: str = "auto") -> "pd.DataFrame":
    """The users or items most similar to each of some; an entity is never in its own list.

    Args:
        state: `State`.
        side: `"user"` or `"item"`.
        ids: raw id, or several.
        k: int, number of entities in a list.
        measure: `"cosine"` or `"dot"`.
        index: how items are found, one of `_index.INDEXES`; users are all compared. Defaults to `"auto"`.
    """
    k = positive_integer("k", k)
    if measure not in MEASURES:
        raise ValueError(unknown_name("measure", measure, MEASURES))
    known = state.ids(side)
    codes, n = known.codes(ids), len(known)
    if k >= n:
        raise ValueError(f"`k` must be below the number of {side}s. Received: k={k} of {n} {side}s.")

    def exact() -> CatalogueRanker:
        found: CatalogueRanker = state.once(
            f"similar_{side}_{measure}",
            lambda: CatalogueRanker(_similarity(state, side, measure), SEED, name=state.name),
        )
        return found

    ranker = _index.similar(state, index, measure, exact) if side == "item" else exact()
    found, scores = ranked(ranker, codes, k, state.once(f"{side}_itself", lambda: _itself(n)))
    found = found.ravel()
    columns = {
        side: known.column.take(np.repeat(codes, k)),
        "rank": np.arange(len(found)) % k + 1,
        "similar": known.column.take(found),
        "score": scores.ravel(),
    }
    if side == "item":
        columns |= state.metadata_of(found)
    return frame_of(columns, len(found))


def matrix(state: State, side: str) -> "scipy.sparse.csr_matrix":
    """The likes as a matrix with one row per user, or one row per item."""
    import scipy.sparse

    history = state.history
    liked = history.liked
    users = np.repeat(np.arange(state.n_users), np.diff(history.starts))[liked]
    ones = np.ones(len(users), np.float32)
    shape = (state.n_users, state.n_items)
    found = scipy.sparse.csr_matrix((ones, (users, history.items[liked])), shape)
    return found if side == "user" else found.T.tocsr()


def unit_rows(rows: Any) -> Any:
    """Rows, dense or sparse, divided by their lengths; rows of zeros stay zeros."""
    if isinstance(rows, np.ndarray):
        return _nearest.unit_rows(rows)
    import scipy.sparse

    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return scipy.sparse.diags(1 / np.where(lengths > 0, lengths, 1)) @ rows


def _itself(n: int) -> Ragged:
    """The entity itself, to leave out, for each entity."""
    codes = np.arange(n)
    return Ragged(codes, codes, n)


def _similarity(state: State, side: str, measure: str) -> Scorer:
    table = _vectors.table(state, side)
    if table is not None:
        vectors = unit_rows(table) if measure == "cosine" else table
        return FactorScorer(lambda codes: vectors[codes], vectors)
    liked = matrix(state, side)
    if measure == "cosine":
        liked = unit_rows(liked)
    transposed = liked.T.tocsr()
    return CatalogueScorer(lambda codes: (liked[codes] @ transposed).toarray(), len(state.ids(side)))
