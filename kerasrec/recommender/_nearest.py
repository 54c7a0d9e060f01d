"""Items that an index finds, ranked exactly."""

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._ranker import CatalogueRanker, Ranked

if TYPE_CHECKING:
    from kerasrec.recommender._index import Index

# Candidates in addition to the requested and the hidden ones.
_MORE = 50
_ROWS = 256


class Nearest:
    """Ranks items that an index finds, exactly as `CatalogueRanker` ranks the whole catalogue.

    Args:
        users: user codes `[B]` to user vectors `[B, C]`.
        index: `Index` of the items.
        places: place of each item in the tie order `[I]`.
        vectors: item vectors of the index `[I, C]`.
        candidates: item codes that may be ranked, or `None` for all.
        exact: makes the `CatalogueRanker` for users for whom the index found too few items.
    """

    def __init__(
        self,
        users: Callable[[np.ndarray], np.ndarray],
        index: "Index",
        places: np.ndarray,
        vectors: np.ndarray,
        candidates: np.ndarray | None,
        exact: Callable[[], CatalogueRanker],
    ) -> None:
        self.users, self.index, self.places, self.vectors = users, index, places, vectors
        self.n_left = index.n_items if candidates is None else len(candidates)
        self.allowed = None if candidates is None else np.isin(np.arange(index.n_items), candidates)
        self.exact = exact

    def of_users(self, vectors: Callable[[np.ndarray], np.ndarray]) -> "Nearest":
        """A ranker of the same items for other users.

        Args:
            vectors: user codes `[B]` to vectors `[B, C]`.
        """
        found = copy.copy(self)
        found.users = vectors
        found.exact = lambda: self.exact().of_users(vectors)
        return found

    def rank(self, users: Any, k: int, seen: Ragged | None = None) -> Iterator[Ranked]:
        """The k best items of each user.

        Args:
            users: user codes `[U]`.
            k: int, length of the lists.
            seen: items to leave out, by user. Defaults to `None`: none.
        """
        users = np.asarray(users)
        n_seen = np.zeros(len(users), np.int64) if seen is None else seen.counts(users)
        items = np.full((len(users), k), -1, np.int32)
        scores = np.full((len(users), k), -np.inf, np.float32)
        # Users with many items need many candidates, so they are searched together.
        order = np.argsort(n_seen, kind="stable")
        for first in range(0, len(users), _ROWS):
            rows = order[first : first + _ROWS]
            items[rows], scores[rows] = self._block(users[rows], n_seen[rows], k, seen)
        yield Ranked(users, items, scores)

    def _block(
        self, users: np.ndarray, n_seen: np.ndarray, k: int, seen: Ragged | None
    ) -> tuple[np.ndarray, np.ndarray]:
        vectors = _widened(self.users(users), self.vectors.shape[1], 1)
        hidden = len(self.places) - self.n_left + int(n_seen.max())
        found = self.index.search(vectors, k + hidden + _MORE)
        there = found >= 0
        if self.allowed is not None:
            there &= self.allowed[found]
        if seen is not None:
            there &= seen.find(users[:, None], found) < 0
        exact = np.einsum("bkc,bc->bk", self.vectors[found].astype(np.float64), vectors.astype(np.float64))
        scores = np.where(there, exact, -np.inf).astype(np.float32)
        items, scores = _best(found, scores, self.places, k)
        items = np.where(scores > -np.inf, items, -1)
        if items.shape[1] < k:
            none = (len(users), k - items.shape[1])
            items = np.concatenate([items, np.full(none, -1)], axis=1)
            scores = np.concatenate([scores, np.full(none, -np.inf, np.float32)], axis=1)
        short = np.flatnonzero((items >= 0).sum(axis=1) < np.minimum(k, self.n_left - n_seen))
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))  # the ranker raises the error
        again = np.union1d(short, bad)
        if len(again):
            for ranked in self.exact().rank(users[again], k, seen):
                rows = again[: len(ranked.items)]
                again = again[len(ranked.items) :]
                items[rows, : ranked.items.shape[1]] = ranked.items
                scores[rows, : ranked.items.shape[1]] = ranked.scores
        return items.astype(np.int32), scores


class NearestToItems:
    """Ranks the items most similar to an item, among those in the nearest lists, by exact similarity.

    Candidates depend only on the direction of an item, so cosines and dot products have the same ones.

    Args:
        index: `Index` of the items.
        places: place of each item in the tie order `[I]`.
        table: item vectors to compare `[I, C]`.
        width: number of components of the index, including the bias.
        directions: whether only the directions of items are compared.
        exact: `CatalogueRanker` for items with too few others near them.
    """

    def __init__(
        self,
        index: "Index",
        places: np.ndarray,
        table: np.ndarray,
        width: int,
        directions: bool,
        exact: Callable[[], CatalogueRanker],
    ) -> None:
        self.index, self.places, self.table, self.width = index, places, table, width
        self.directions, self.exact = directions, exact

    def rank(self, items: Any, k: int, seen: Ragged | None = None) -> Iterator[Ranked]:
        """The k items most similar to each item.

        Args:
            items: item codes `[U]`.
            k: int, number of items.
            seen: items to leave out, by item. Defaults to `None`: none.
        """
        for code in np.asarray(items):
            own = np.array([code])
            found = self.index.around(_widened(self.table[own], self.width, 0))
            if seen is not None:
                found = found[seen.find(own, found) < 0]
            if len(found) < k:
                yield from self.exact().rank(own, k, seen)
                continue
            vector, rows = self.table[own], self.table[found]
            if self.directions:
                vector, rows = unit_rows(vector), unit_rows(rows)
            scores = (rows.astype(np.float64) @ vector[0].astype(np.float64)).astype(np.float32)
            near = scores >= np.partition(scores, len(scores) - k)[len(scores) - k]
            yield Ranked(own, *_best(found[None, near], scores[None, near], self.places, k))


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows divided by their lengths; rows of zeros stay zeros."""
    lengths = np.sqrt(np.einsum("nc,nc->n", rows, rows))
    return rows / np.where(lengths > 0, lengths, 1)[:, None]


def _best(items: np.ndarray, scores: np.ndarray, places: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k best of some items `[B, W]` and their scores; ties in the tie order."""
    order = np.lexsort((places[items], -scores))[:, :k]
    return np.take_along_axis(items, order, 1).astype(np.int32), np.take_along_axis(scores, order, 1)


def _widened(vectors: np.ndarray, width: int, bias: int) -> np.ndarray:
    """Vectors, float32, with a component for the bias if items have one."""
    vectors = np.asarray(vectors, np.float32)
    if vectors.shape[1] < width:
        vectors = np.column_stack([vectors, np.full(len(vectors), bias, np.float32)])
    return np.ascontiguousarray(vectors)
