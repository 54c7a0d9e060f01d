"""Rankings of a few given items per user instead of the catalogue, for sampled metrics."""

from typing import Any

import numpy as np

from kerasrec.data import Interactions
from kerasrec.data._columns import shown
from kerasrec.evaluation._layout import tie_order
from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._ranker import CatalogueRanker
from kerasrec.evaluation._scorers import Scorer


class Candidates:
    """The items to rank for each user: the relevant ones and the given ones.

    Args:
        given: `Interactions` whose pairs are the given items.
        users: codes of the evaluated users `[U]`.
        relevant: their relevant items, by row.
        seen: items to leave out, by user code, or `None`.

    Attributes:
        items: `Ragged`, the items to rank, by row.

    Raises:
        ValueError: if a user has no given items.
    """

    def __init__(self, given: Interactions, users: np.ndarray, relevant: Ragged, seen: Ragged | None) -> None:
        row_of = np.full(given.n_users, -1)
        row_of[users] = np.arange(len(users))
        rows = row_of[given.users]
        there = rows >= 0
        without = np.flatnonzero(np.bincount(rows[there], minlength=len(users)) == 0)
        if len(without):
            raise ValueError(
                "`candidates` must have items for every evaluated user; restrict `users`, or leave out "
                f"`candidates` to rank the whole catalogue. Received: none for {len(without)} of "
                f"{len(users)} users, first {shown(given.user_ids[users[without[0]]])}."
            )
        rows, items = rows[there], given.items[there]
        if seen is not None:
            left = seen.find(users[rows], items) < 0
            rows, items = rows[left], items[left]
        owner = np.repeat(np.arange(len(users)), np.diff(relevant.starts))
        self.users = users
        self.n_items = given.n_items
        self.items = Ragged(
            np.concatenate([rows, owner]), np.concatenate([items, relevant.items]), len(users)
        )

    @property
    def said(self) -> str:
        """The number of candidates in words, for the protocol."""
        counts = np.diff(self.items.starts)
        return f"{counts.mean():.4g} fixed items per user"

    def ranked(self, scores: np.ndarray, k: int, seed: int) -> np.ndarray:
        """The best candidates of each user, `[U, k]`; -1 after the last one.

        Args:
            scores: `[n]`, scores of `items.items`.
            k: int.
            seed: seed of the order of ties.
        """
        place = np.empty(self.n_items, np.int64)
        place[tie_order(self.n_items, seed)] = np.arange(self.n_items)
        rows = self.rows
        best = np.lexsort((place[self.items.items], -(scores + np.float32(0)), rows))
        ranks = np.arange(len(rows)) - self.items.starts[rows]
        lists = np.full((len(self.users), k), -1, np.int32)
        top = ranks < k
        lists[rows[top], ranks[top]] = self.items.items[best][top]
        return lists

    @property
    def rows(self) -> np.ndarray:
        """The row of each entry of `items`."""
        return np.repeat(np.arange(len(self.users)), np.diff(self.items.starts))

    def scores(self, scorer: Scorer, seed: int, name: str, batch_size: int | None) -> np.ndarray:
        """The scores of the candidates, `[n]`, from a scorer of the whole catalogue.

        Args:
            scorer: `Scorer`.
            seed: seed of the layout.
            name: name of the model, for messages.
            batch_size: number of users in a block, or `None`.
        """
        ranker = CatalogueRanker(scorer, seed, name=name, batch_size=batch_size)
        found = np.empty(len(self.items), np.float32)
        columns = ranker.layout.columns[self.items.items]

        def visit(where: np.ndarray, scores: np.ndarray) -> None:
            at, index = self.items.index(where)
            found[index] = scores[at, columns[index]]

        for _ in ranker.rank(self.users, 1, None, visit):
            pass
        return found


def check_scores(scores: np.ndarray, name: Any) -> None:
    """Refuse scores that cannot be ranked."""
    if not np.isfinite(scores).all():
        what = "NaN" if np.isnan(scores).any() else "infinity"
        raise ValueError(f"Scores must be finite. Received: {what} from {name!r}.")
