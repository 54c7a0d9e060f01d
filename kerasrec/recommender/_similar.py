"""What is near an item or a user."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.data._columns import several
from kerasrec.evaluation._names import unknown_name
from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._ranker import Ranker
from kerasrec.evaluation._scorers import CatalogueScorer, FactorScorer, Scorer
from kerasrec.recommender._held import SEED
from kerasrec.recommender._lists import Lists
from kerasrec.recommender._sides import Sides, find_sides

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse

MEASURES = ("cosine", "dot")


class Similar(Lists):
    """Neighbours of items and of users."""

    def similar_items(self, items: Any, k: int = 10, measure: str = "cosine") -> "pd.DataFrame":
        """The items most like an item, itself left out.

        Compared are the model's representations of items; where it has none (EASE, neighbours, popularity),
        the users that items share.

        Args:
            items: raw item id, or several.
            k: int, how many. Defaults to `10`.
            measure: `"cosine"` or `"dot"`, the dot product. Defaults to `"cosine"`.

        Returns:
            Frame with `item`, `rank`, `similar` (a raw item id), `score` and the metadata of `similar`.

        Raises:
            ValueError: if an item is unknown, there are fewer than `k` others, or `measure` is none of these.
        """
        frame = self._similar("item", items, k, measure)
        if self.item_metadata is not None:
            codes = self._item_codes(frame["similar"].to_numpy())
            for name in self.item_metadata.columns:
                frame[name] = self.item_metadata[name].to_numpy()[codes]
        return frame

    def similar_users(self, users: Any, k: int = 10, measure: str = "cosine") -> "pd.DataFrame":
        """The users most like a user, that one left out.

        Args:
            users: raw user id, or several.
            k: int, how many. Defaults to `10`.
            measure: as in `similar_items`. Defaults to `"cosine"`.

        Returns:
            Frame with `user`, `rank`, `similar` (a raw user id) and `score`.

        Raises:
            ValueError: if a user is unknown, there are fewer than `k` others, or `measure` is none of these.
        """
        return self._similar("user", users, k, measure)

    def _sides(self) -> Sides | None:
        sides: Sides | None = self._once("sides", lambda: find_sides(self.model))
        return sides

    def _table(self, side: str) -> np.ndarray | None:
        """Representations `[n, C]` of all users or items; `None` where the model tells none apart."""

        def make() -> np.ndarray | None:
            sides = self._sides()
            if sides is None:
                return None
            n = self.n_users if side == "user" else self.n_items
            table = sides.table(side, np.arange(n, dtype=np.int32))
            # Popularity has one number an item, of which every cosine is 1.
            return table if table.shape[1] > 1 and table.any() else None

        found: np.ndarray | None = self._once(f"{side}_table", make)
        return found

    def _similar(self, side: str, ids: Any, k: int, measure: str) -> "pd.DataFrame":
        import pandas as pd

        k = positive_integer("k", k)
        if measure not in MEASURES:
            raise ValueError(unknown_name("measure", measure, MEASURES))
        all_ids = self.item_ids if side == "item" else self.user_ids
        codes = self._item_codes(several(ids)) if side == "item" else self._user_codes(several(ids))[0]
        if k >= len(all_ids):
            raise ValueError(
                f"`k` must be below the number of {side}s. Received: k={k} of {len(all_ids)} {side}s."
            )
        ranker = self._once(
            f"similar_{side}_{measure}",
            lambda: Ranker(self._similarity(side, measure, len(all_ids)), SEED, name=self.model.name),
        )
        chosen = np.unique(codes)
        blocks = list(ranker.rank(codes, k, Ragged(chosen, chosen, len(all_ids))))
        found = np.concatenate([block.items for block in blocks])
        scores = np.concatenate([block.scores for block in blocks])
        return pd.DataFrame(
            {
                side: np.repeat(all_ids[codes], k),
                "rank": np.tile(np.arange(1, k + 1), len(codes)),
                "similar": all_ids[found.ravel()],
                "score": scores.ravel(),
            }
        )

    def _similarity(self, side: str, measure: str, n: int) -> Scorer:
        table = self._table(side)
        if table is not None:
            vectors = unit_rows(table) if measure == "cosine" else table
            return FactorScorer(lambda codes: vectors[codes], vectors)
        matrix = self._matrix(side)
        if measure == "cosine":
            matrix = unit_rows(matrix)
        transposed = matrix.T.tocsr()
        return CatalogueScorer(lambda codes: (matrix[codes] @ transposed).toarray(), n)

    def _matrix(self, side: str) -> "scipy.sparse.csr_matrix":
        """Who likes what: a row a user, or a row an item."""
        import scipy.sparse

        liked = self._history.liked
        users = np.repeat(np.arange(self.n_users), np.diff(self._history.starts))[liked]
        ones = np.ones(len(users), np.float32)
        shape = (self.n_users, self.n_items)
        matrix = scipy.sparse.csr_matrix((ones, (users, self._history.items[liked])), shape)
        return matrix if side == "user" else matrix.T.tocsr()


def unit_rows(rows: Any) -> Any:
    """Rows divided by their lengths; rows of zeros stay."""
    import scipy.sparse

    if scipy.sparse.issparse(rows):
        lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
        return scipy.sparse.diags(1 / np.where(lengths > 0, lengths, 1)) @ rows
    lengths = np.sqrt(np.einsum("nc,nc->n", rows, rows))
    return rows / np.where(lengths > 0, lengths, 1)[:, None]
