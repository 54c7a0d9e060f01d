"""Exact top-k of a whole catalogue for many users, in bounded memory."""

import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from kerasrec._threads import map_blocks, n_threads
from kerasrec.evaluation._layout import Layout
from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._scorers import FactorRows, Scorer, hide

# Bytes of all blocks of scores in memory at once.
_BYTES = 512 << 20
_ROWS = 256
# Number of users whose vectors are computed at once.
_PREPARED = 4096


class Ranked(NamedTuple):
    """The best items of some users.

    Attributes:
        users: user codes `[B]`.
        items: item codes `[B, k]`, best first; -1 after the last one of a shorter list.
        scores: float32 `[B, k]`; minus infinity after the last item.
    """

    users: np.ndarray
    items: np.ndarray
    scores: np.ndarray


class CatalogueRanker:
    """Ranks the catalogue for blocks of users: it computes scores, hides seen items, and finds the k best.

    Ties are broken by a pseudo-random order of the catalogue. Items with a score of minus infinity are never
    listed.

    Args:
        scorer: `Scorer`.
        seed: seed of the order of ties. Defaults to `0`.
        candidates: item codes that may be ranked. Defaults to `None`: all.
        name: name of the model, for messages. Defaults to `"model"`.
        batch_size: number of users in a block. Defaults to `None`: as many as fit.
    """

    def __init__(
        self,
        scorer: Scorer,
        seed: int = 0,
        candidates: Any = None,
        name: str = "model",
        batch_size: int | None = None,
    ) -> None:
        self.scorer = scorer
        self.name = name
        self.layout = Layout.of(scorer.n_items, seed, candidates)
        self.rows = scorer.arrange(self.layout)
        row_bytes = 4 * self.layout.width
        # Fewer workers with more cores each are faster than blocks with too few rows for a matrix product.
        self.n_workers = max(1, min(n_threads(), _BYTES // (64 * row_bytes))) if scorer.parallel else 1
        fitting = max(1, min(_ROWS, _BYTES // (self.n_workers * row_bytes)))
        self.batch_size = fitting if batch_size is None else batch_size
        self._local = threading.local()

    def of_users(self, vectors: Callable[[np.ndarray], np.ndarray]) -> "CatalogueRanker":
        """A ranker for other users of a `FactorScorer`, with the same arranged items.

        Args:
            vectors: function of user codes `[B]` that returns vectors `[B, C]`.
        """
        ranker, rows = _copy(self), _copy(self.rows)
        ranker.rows, rows.users = rows, vectors
        return ranker

    def only(self, allowed: np.ndarray) -> "CatalogueRanker":
        """A ranker of some of the items, which is cheap to make and suits a few users.

        Args:
            allowed: bool `[I]`.
        """
        ranker = _copy(self)
        ranker.layout = self.layout.only(allowed)
        if isinstance(self.rows, FactorRows):
            ranker.rows = _copy(self.rows)
            ranker.rows.layout = ranker.layout
        return ranker

    def rank(
        self,
        users: Any,
        k: int,
        seen: Ragged | None = None,
        visit: Callable[[np.ndarray, np.ndarray], None] | None = None,
    ) -> Iterator[Ranked]:
        """The k best items of each user, block by block.

        Args:
            users: user codes `[U]`.
            k: length of the lists, which are shorter if fewer items are left.
            seen: items to leave out, by user. Defaults to `None`: none.
            visit: called for each block with its positions in `users` and its scores `[B, W]` in the columns
                of `layout`, in which hidden items are minus infinity. Defaults to `None`.

        Raises:
            ValueError: if a score is NaN.
        """
        users = np.asarray(users)

        def blocks() -> Iterator[tuple[np.ndarray, Any]]:
            step = self.batch_size * max(1, _PREPARED // self.batch_size)
            for start in range(0, len(users), step):
                prepared = self.rows.prepare(users[start : start + step])
                for first in range(0, len(prepared), self.batch_size):
                    block = prepared[first : first + self.batch_size]
                    yield start + first + np.arange(len(block)), block

        def work(block: tuple[np.ndarray, Any]) -> Ranked:
            where, prepared = block
            chosen = users[where]
            hidden = (np.empty(0, np.int64), np.empty(0, np.int64))
            if seen is not None:
                at, index = seen.index(chosen)
                columns = self.layout.columns[seen.items[index]]
                there = columns >= 0  # other items are not candidates and have no column
                hidden = at[there], columns[there]
            found, scores = self._top_k(where, prepared, hidden, min(k, self.layout.width), visit)
            bad = ~(scores < np.inf)  # also NaN; hidden items have minus infinity
            if bad.any():
                row = int(np.argmax(bad.any(axis=1)))
                what = "NaN" if np.isnan(scores[row]).any() else "infinity"
                raise ValueError(
                    f"Scores must be finite. Received: {what} from {self.name!r}, first for user code "
                    f"{chosen[row]}; the model diverged in training or its inputs are not finite."
                )
            items = self.layout.items[found]
            items[scores == -np.inf] = -1
            return Ranked(chosen, items, scores)

        if len(users) == 1:  # in few steps
            yield work((np.zeros(1, np.int64), self.rows.prepare(users)))
            return
        n_workers = min(self.n_workers, -(-len(users) // self.batch_size))
        yield from map_blocks(work, blocks(), n_workers)

    def _top_k(
        self,
        where: np.ndarray,
        prepared: np.ndarray,
        hidden: tuple[np.ndarray, np.ndarray],
        k: int,
        visit: Callable[[np.ndarray, np.ndarray], None] | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        buffer = self._buffer(len(where))
        if visit is None and isinstance(self.rows, FactorRows):
            return self.rows.top_k(prepared, hidden, k, buffer)
        self.rows.fill(prepared, buffer)
        hide(self.layout, buffer, hidden)
        best = self.layout.best_of_groups(buffer).max(axis=1)
        if not (best < np.inf).all():  # the caller, which knows the users, raises the error
            return np.zeros((len(where), 1), np.int64), best[:, None]
        if visit is not None:
            visit(where, buffer)
        return self.layout.top_k(buffer, k)

    def _buffer(self, n_rows: int) -> np.ndarray:
        if not hasattr(self._local, "buffer") or len(self._local.buffer) < n_rows:
            self._local.buffer = np.empty((max(n_rows, 1), self.layout.width), np.float32)
        buffer: np.ndarray = self._local.buffer[:n_rows]
        return buffer


def _copy(made: Any) -> Any:
    """`copy.copy`, in a fraction of the time."""
    found = object.__new__(type(made))
    found.__dict__.update(made.__dict__)
    return found


def ranked(ranker: Any, codes: np.ndarray, k: int, seen: Ragged | None) -> tuple[np.ndarray, np.ndarray]:
    """The best items of some users and the scores that ranked them, both `[B, k]`.

    Args:
        ranker: `CatalogueRanker`, or another one with its method `rank`.
        codes: users `[B]` as the ranker takes them.
        k: int.
        seen: items to leave out, or `None`.
    """
    blocks = list(ranker.rank(codes, k, seen))
    if len(blocks) == 1:
        return blocks[0].items, blocks[0].scores
    return np.concatenate([x.items for x in blocks]), np.concatenate([x.scores for x in blocks])
