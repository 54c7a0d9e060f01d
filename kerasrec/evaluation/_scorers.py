"""Scorers: scores of some users for the whole catalogue."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from kerasrec.evaluation._layout import LONG, Layout

# A row with more candidates than this times k gets exact scores instead.
_MAX_CANDIDATES = 8
# Number of double-precision values in memory at once when whole rows are scored.
_NUMBERS = 1 << 21
# Up to this times k columns, exact scores of all items take less time than those of many candidates.
_WHOLE = 64
_LOWEST = np.finfo(np.float32).min


class Scorer:
    """Scores in the columns of a layout; a subclass implements `arrange` and a `Rows` with the arithmetic.

    Attributes:
        n_items: int, size of the catalogue.
        parallel: whether several threads may score blocks at once.
    """

    n_items: int
    parallel = False

    def arrange(self, layout: Layout) -> "Rows":
        """The `Rows` that score in the columns of `layout`."""
        raise NotImplementedError(f"{type(self).__name__} must define `arrange`.")

    def finish(self, users: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Scores of the model, from the scores that ranked the items (`[B, k]`, same order)."""
        return scores


class Rows(Protocol):
    """Rows of scores in the columns of one layout."""

    def prepare(self, users: np.ndarray) -> np.ndarray:
        """Inputs of `fill`, one row per user; they must not be computed in several threads at once."""

    def fill(self, prepared: np.ndarray, out: np.ndarray) -> None:
        """Write the scores `[B, W]`; those of empty columns are hidden later."""


class CatalogueScorer(Scorer):
    """A model that scores the whole catalogue for a block of users.

    Args:
        score: function of user codes `[B]` that returns scores `[B, I]`.
        n_items: int.
        parallel: whether `score` may run in several threads at once. Defaults to `False`.
    """

    def __init__(self, score: Callable[[np.ndarray], Any], n_items: int, parallel: bool = False) -> None:
        self.score = score
        self.n_items = n_items
        self.parallel = parallel

    def arrange(self, layout: Layout) -> "Rows":
        """Whole rows, sorted into the columns."""
        return _CatalogueRows(self, layout)

    def whole(self, users: np.ndarray) -> np.ndarray:
        """Scores `[B, I]`; another shape is an error."""
        scores = np.asarray(self.score(users), np.float32)
        if scores.shape != (len(users), self.n_items):
            raise ValueError(
                "There must be one score per user and item, here "
                f"{len(users)} x {self.n_items}. Received: shape {scores.shape}."
            )
        return scores


class _CatalogueRows:
    def __init__(self, scorer: CatalogueScorer, layout: Layout) -> None:
        self.scorer = scorer
        self.items = np.maximum(layout.items, 0)

    def prepare(self, users: np.ndarray) -> np.ndarray:
        return users

    def fill(self, prepared: np.ndarray, out: np.ndarray) -> None:
        np.take(self.scorer.whole(prepared), self.items, axis=1, out=out, mode="clip")


class FactorScorer(Scorer):
    """A model whose score is a dot product plus a bias per item.

    The score of a pair is the dot product in double precision, rounded to float32. With a matrix product in
    float32 the last bits of a score would depend on the block, and equal items would not tie.

    Args:
        users: function of user codes `[B]` that returns user vectors `[B, C]`.
        item_vectors: `[I, C]`.
        item_bias: `[I]`. Defaults to `None`.
    """

    parallel = True

    def __init__(
        self,
        users: Callable[[np.ndarray], np.ndarray],
        item_vectors: np.ndarray,
        item_bias: np.ndarray | None = None,
    ) -> None:
        self.users = users
        self.n_items = len(item_vectors)
        self._items = item_vectors, item_bias

    def items(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Vectors `[n, C]` of items, and their biases `[n]` or `None`."""
        vectors, bias = self._items
        return vectors[codes], None if bias is None else bias[codes]

    def arrange(self, layout: Layout) -> "FactorRows":
        """Item vectors in the order of the columns."""
        return FactorRows(self, layout)


class FactorRows:
    """Dot products in the columns of one layout."""

    def __init__(self, scorer: FactorScorer, layout: Layout) -> None:
        self.users = scorer.users
        self.layout = layout
        vectors, bias = scorer.items(np.maximum(layout.items, 0))
        self.n_components = vectors.shape[1]
        self.items = np.asarray(vectors, np.float32)
        if bias is not None:
            self.items = np.column_stack([self.items, bias.astype(np.float32)])
        self.longest = _longest(self.items[:, : self.n_components])
        self.largest_bias = _longest(self.items[:, self.n_components :])
        self._unit = (self.items.shape[1] + 2) * np.float32(2.0**-23)  # with twice the unit roundoff

    def prepare(self, users: np.ndarray) -> np.ndarray:
        """User vectors `[B, C]`, with a 1 appended for the bias."""
        vectors = np.asarray(self.users(users), np.float32)
        if self.items.shape[1] > self.n_components:
            vectors = np.column_stack([vectors, np.ones(len(vectors), np.float32)])
        return vectors

    def fill(self, prepared: np.ndarray, out: np.ndarray) -> None:
        """Exact scores: products in double precision, for a few columns at a time."""
        vectors = prepared.astype(np.float64)
        # Neither the products nor the items in double precision take more than 16 MB.
        step = max(1, _NUMBERS // max(1, len(prepared), self.items.shape[1]))
        for start in range(0, len(self.items), step):
            columns = slice(start, start + step)
            with np.errstate(over="ignore"):  # infinite scores rank first
                out[:, columns] = vectors @ self.items[columns].astype(np.float64).T

    def top_k(
        self, prepared: np.ndarray, hidden: tuple[np.ndarray, np.ndarray], k: int, buffer: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The result of `Layout.top_k` for exact scores, from a product in float32.

        Candidates are the items whose float32 score reaches the maximum of the k-th best group minus twice
        the rounding error. Their exact scores decide. For long lists, all scores are computed exactly.
        """
        if len(prepared) == 1 and (one := self._top_k_of_one(prepared, hidden[1], k, buffer)):
            return one
        layout, n_groups = self.layout, self.layout.n_groups
        if k >= LONG and layout.width <= _WHOLE * k:
            self.fill(prepared, buffer)
            hide(layout, buffer, hidden)
            largest = layout.best_of_groups(buffer).max(axis=1)
            if not (largest < np.inf).all():  # also NaN; the caller, which knows the users, raises the error
                return np.zeros((len(buffer), 1), np.int64), largest[:, None]
            return layout.top_k(buffer, k)
        # With one row per item, BLAS reads the items in place and copies only the few users.
        product = buffer.reshape(layout.width, len(buffer))
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(self.items, self._vectors(prepared).T, out=product)
            self._add(product, prepared)
            error = self._error(prepared)
        product[hidden[::-1]] = -np.inf
        product[layout.empty] = -np.inf
        by_group = product.reshape(layout.depth, n_groups, len(buffer))
        best = np.ascontiguousarray(by_group.max(axis=0).T)
        if not (best < np.inf).all():  # also NaN; the caller, which knows the users, raises the error
            return np.zeros((len(buffer), 1), np.int64), best.max(axis=1, keepdims=True)
        # Hidden items are below any threshold; all others reach it if the bound overflows or k is too large.
        threshold = np.full(len(buffer), _LOWEST)
        if k <= n_groups:
            found = np.partition(best, n_groups - k, axis=1)[:, n_groups - k]
            threshold = np.fmax(found - 2 * error, threshold)
        rows, groups = np.nonzero(best >= threshold[:, None])
        members = by_group[:, groups, rows].T
        found, ranks = np.nonzero(members >= threshold[rows, None])
        rows, columns = rows[found], groups[found] + n_groups * ranks

        counts = np.bincount(rows, minlength=len(buffer))
        heavy = np.flatnonzero(counts > _MAX_CANDIDATES * k)
        if len(heavy):
            light = counts[rows] <= _MAX_CANDIDATES * k
            rows, columns = rows[light], columns[light]
            counts[heavy] = 0
        exact = self.exact(prepared[rows], columns)
        # One padded row per user, in tie order, which a stable sort keeps.
        place = rows, np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]
        shape = len(buffer), max(k, int(counts.max()))
        scores, where = np.full(shape, -np.inf, np.float32), np.zeros(shape, np.int64)
        scores[place], where[place] = exact, columns
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        scores, where = np.take_along_axis(scores, order, 1), np.take_along_axis(where, order, 1)
        if len(heavy):
            own = np.isin(hidden[0], heavy)
            hidden_of_heavy = np.searchsorted(heavy, hidden[0][own]), hidden[1][own]
            rows = buffer[: len(heavy)]
            self.fill(prepared[heavy], rows)
            hide(layout, rows, hidden_of_heavy)
            columns, exact = layout.top_k(rows, k)
            where[heavy, : columns.shape[1]], scores[heavy, : columns.shape[1]] = columns, exact
        return where, scores

    def _top_k_of_one(
        self, prepared: np.ndarray, hidden: np.ndarray, k: int, buffer: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """`top_k` for one user in few steps; `None` if scores are not finite, or too many are close."""
        layout, n_groups = self.layout, self.layout.n_groups
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(self._vectors(prepared), self.items.T, out=buffer)
            self._add(buffer.T, prepared)
            error = self._error(prepared)[0]
        row = buffer[0]
        row[hidden] = -np.inf
        row[layout.empty] = -np.inf
        best = layout.best_of_groups(buffer)[0]
        if not np.isfinite(best.max()) or not np.isfinite(error) or k > n_groups:
            return None
        cut = n_groups - k
        best.partition(cut)
        columns = np.flatnonzero(row >= max(best[cut] - 2 * error, _LOWEST))
        if not k <= len(columns) <= _MAX_CANDIDATES * k:
            return None
        # In tie order, which a stable sort keeps.
        columns = columns[np.argsort(columns % n_groups * layout.depth + columns // n_groups)]
        exact = self.exact(prepared, columns)
        order = np.argsort(-exact, kind="stable")[:k]
        return columns[None, order], exact[None, order]

    def exact(self, prepared: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Scores of pairs, float32 `[q]`: products in double precision.

        Args:
            prepared: rows of the result of `prepare` `[q, C]`, or one row for all pairs.
            columns: `[q]`.
        """
        items, users = self.items[columns].astype(np.float64), self._vectors(prepared).astype(np.float64)
        with np.errstate(over="ignore"):
            found: np.ndarray = np.vecdot(users, items).astype(np.float32)
        return found

    def boosted(self, boost: np.ndarray, units: Callable[[np.ndarray], np.ndarray]) -> "FactorRows":
        """A copy with boosts added to the scores.

        Args:
            boost: boost of each column `[W]`.
            units: function of user codes that returns the factor of each user, `[B]`.
        """
        return _BoostedRows(self, boost, units)

    def _vectors(self, prepared: np.ndarray) -> np.ndarray:
        """The user vectors in the result of `prepare`."""
        return prepared

    def _add(self, product: np.ndarray, prepared: np.ndarray) -> None:
        """Add the parts of the scores that are not in the product `[W, B]`."""

    def _error(self, prepared: np.ndarray) -> np.ndarray:
        """A bound `[B]` on the rounding error of a float32 product: n u |x| |y|, and one u for the result."""
        vectors = prepared[:, : self.n_components]
        lengths = np.sqrt(np.vecdot(vectors, vectors))
        return self._unit * (lengths * self.longest + self.largest_bias)


class _BoostedRows(FactorRows):
    """Dot products plus boosts in float32; boosts are multiplied by the last number of the user's row."""

    def __init__(
        self, rows: FactorRows, boost: np.ndarray, units: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        self.__dict__.update(rows.__dict__)
        self._boost, self._units = boost, units
        self._boosted = np.flatnonzero(boost)
        self._largest = np.abs(boost).max(initial=0.0)

    def prepare(self, users: np.ndarray) -> np.ndarray:
        """User vectors, and the factors of the boosts in double precision."""
        return np.column_stack([super().prepare(users).astype(np.float64), self._units(users)])

    def fill(self, prepared: np.ndarray, out: np.ndarray) -> None:
        """Exact scores with boosts."""
        super().fill(self._vectors(prepared), out)
        self._add(out.T, prepared)

    def exact(self, prepared: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Exact scores of pairs with boosts."""
        added = (prepared[:, -1] * self._boost[columns]).astype(np.float32)
        return np.asarray(super().exact(prepared, columns) + added)

    def _vectors(self, prepared: np.ndarray) -> np.ndarray:
        return prepared[:, :-1].astype(np.float32)

    def _add(self, product: np.ndarray, prepared: np.ndarray) -> None:
        of_columns = self._boost[self._boosted][:, None]
        product[self._boosted] += (of_columns * prepared[:, -1]).astype(np.float32)

    def _error(self, prepared: np.ndarray) -> np.ndarray:
        # The errors of the product, of the largest addend, and of each sum.
        added = np.abs(prepared[:, -1]) * self._largest
        return np.asarray(
            super()._error(self._vectors(prepared)) * 2 + 4 * np.float32(2.0**-23) * added, np.float32
        )


def hide(layout: Layout, scores: np.ndarray, hidden: tuple[np.ndarray, np.ndarray]) -> None:
    """Put minus infinity at hidden places (rows, columns) and in empty columns."""
    scores[hidden] = -np.inf
    if len(layout.empty):
        scores[:, layout.empty] = -np.inf


def _longest(vectors: np.ndarray) -> np.float32:
    """The largest length of a finite vector."""
    lengths = np.sqrt(np.einsum("ic,ic->i", vectors, vectors))
    return lengths[np.isfinite(lengths)].max(initial=np.float32(0.0))
