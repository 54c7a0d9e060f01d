"""Directions of items, whose cosines measure their similarity."""

from functools import cached_property
from typing import Any

import numpy as np

from kerasrec.recommender import _vectors
from kerasrec.recommender._state import State

# Catalogues up to this size keep all cosines if many lists need them: 64 MB.
_SMALL = 4096
_MANY = 256


class Directions:
    """Unit vectors of all items.

    In a small catalogue, a cosine is a rounded product in double precision, so that it is the same for one
    list and for many lists, which look it up.

    Args:
        vectors: an array or a sparse matrix `[I, C]`; zeros for an item without any.
    """

    def __init__(self, vectors: Any) -> None:
        self.vectors = vectors
        self._dense = isinstance(vectors, np.ndarray)
        self._small = self._dense and len(vectors) <= _SMALL

    @property
    def depth(self) -> int:
        """Approximate memory of a pool, in numbers per item."""
        return self.vectors.shape[1] if self._dense and "_table" not in self.__dict__ else 1

    def prepare(self, n_lists: int) -> None:
        """Compute all cosines if many lists will need them; must not run in several threads at once.

        Args:
            n_lists: number of lists that will need them.
        """
        if self._small and n_lists >= _MANY:
            _ = self._table

    @cached_property
    def _table(self) -> np.ndarray:
        exact = self.vectors.astype(np.float64)
        return np.asarray(exact @ exact.T, self.vectors.dtype)

    def among(self, items: np.ndarray) -> "Pool":
        """Cosines within pools of items.

        Args:
            items: item codes `[B, P]`.
        """
        if not self._dense:
            return _SparsePool(self.vectors, items)
        if "_table" in self.__dict__:
            return _TablePool(self._table, items)
        own = self.vectors[items]
        return _DensePool(own.astype(np.float64) if self._small else own, self.vectors.dtype)


class Pool:
    """Cosines within pools of items."""

    def with_chosen(self, chosen: np.ndarray) -> np.ndarray:
        """Cosines of all items with one item of each pool, `[B, P]`, from its place `[B]`."""
        raise NotImplementedError(f"{type(self).__name__} must define `with_chosen`.")


class _TablePool(Pool):
    def __init__(self, table: np.ndarray, items: np.ndarray) -> None:
        self.table, self.n_items = table.ravel(), len(table)
        self.items, self.rows = items.astype(np.int64), np.arange(len(items))

    def with_chosen(self, chosen: np.ndarray) -> np.ndarray:
        start = self.items[self.rows, chosen] * self.n_items
        return self.table.take(self.items + start[:, None])


class _DensePool(Pool):
    def __init__(self, own: np.ndarray, dtype: Any) -> None:
        self.own, self.dtype, self.rows = own, dtype, np.arange(len(own))

    def with_chosen(self, chosen: np.ndarray) -> np.ndarray:
        found = np.matmul(self.own, self.own[self.rows, chosen][:, :, None])[:, :, 0]
        return found.astype(self.dtype, copy=False)


class _SparsePool(Pool):
    def __init__(self, vectors: Any, items: np.ndarray) -> None:
        self.vectors, self.items, self.rows = vectors, items, np.arange(len(items))

    def with_chosen(self, chosen: np.ndarray) -> np.ndarray:
        picked = np.repeat(self.items[self.rows, chosen], self.items.shape[1])
        product = self.vectors[self.items.ravel()].multiply(self.vectors[picked])
        return np.asarray(product.sum(axis=1)).reshape(self.items.shape)


def directions(state: State) -> Directions:
    """The directions of the model's representations of items, or of their features.

    Args:
        state: `State`.

    Raises:
        ValueError: if there are neither.
    """

    def make() -> Directions:
        import scipy.sparse

        table = _vectors.table(state, "item")
        if table is not None:
            lengths = np.linalg.norm(table.astype(np.float64), axis=1, keepdims=True)
            return Directions((table / np.where(lengths > 0, lengths, 1.0)).astype(np.float32))
        if state.item_features is None:
            raise ValueError(
                "`diversity` needs a model that represents items, or `item_features`. "
                f"Received: {state.name!r} without features."
            )
        rows = scipy.sparse.csr_matrix(state.item_features.matrix, dtype=np.float64)
        lengths = np.sqrt(rows.multiply(rows).sum(axis=1)).A1
        return Directions((scipy.sparse.diags(1 / np.where(lengths > 0, lengths, 1.0)) @ rows).tocsr())

    found: Directions = state.once("directions", make)
    return found
