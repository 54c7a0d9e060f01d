"""Layers that score an item by the items that the user has."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from kerasrec.layers._lookup import lookup

if TYPE_CHECKING:
    import scipy.sparse


class HistoryScore(keras.layers.Layer):
    """The base class of these layers: a sparse users-by-items matrix, held as frozen weights.

    A subclass defines `score(user, item)` in the graph and `catalogue_scorer()` for whole rows.

    Args:
        n_users: int.
        n_items: int.
        n_entries: int, number of entries of the matrix.
        longest: int, number of entries of its longest row.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        user: codes `[B, 1]`.
        item: codes `[B, L]`.

    Returns:
        Scores `[B, L]`.
    """

    def __init__(self, n_users: int, n_items: int, n_entries: int, longest: int, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "trainable": False, "dtype": "float32"})
        self.n_users, self.n_items = n_users, n_items
        self.n_entries, self.longest = n_entries, longest
        self.autocast = False

    def build(self, user_shape: Any, item_shape: Any = None) -> None:
        """Create the matrix, row by row."""
        self.starts = self._integers((self.n_users + 1,), "starts")
        self.items = self._integers((self.n_entries,), "items")
        self.values = self._floats((self.n_entries,), "values")
        self.built = True

    def fill(self, matrix: "scipy.sparse.csr_matrix") -> None:
        """Set the matrix, whose rows are sorted."""
        self.starts.assign(matrix.indptr.astype(np.int32))
        self.items.assign(matrix.indices.astype(np.int32))
        self.values.assign(matrix.data.astype(np.float32))

    def call(self, user: Any, item: Any) -> Any:
        """Score the items of each list for its user."""
        return self.score(ops.cast(user, "int32"), ops.cast(item, "int32"))

    def score(self, user: Any, item: Any) -> Any:
        """`[B, 1]` with `[B, L]` to `[B, L]`."""
        raise NotImplementedError(f"{type(self).__name__} must define `score`.")

    def catalogue_scorer(self) -> Callable[[np.ndarray], np.ndarray]:
        """A function of user codes `[B]` that gives their scores of the whole catalogue `[B, I]`."""
        raise NotImplementedError(f"{type(self).__name__} must define `catalogue_scorer`.")

    def score_catalogue(self, user_codes: Any) -> np.ndarray:
        """Scores `[B, I]` of the whole catalogue for some users."""
        return self.catalogue_scorer()(np.asarray(user_codes))

    def score_histories(self, histories: "scipy.sparse.csr_matrix") -> np.ndarray:
        """Scores `[B, I]` of the whole catalogue for users who were not in training.

        Args:
            histories: `[B, I]`, ones where a user has an item.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `score_histories`.")

    def valued(self, histories: "scipy.sparse.csr_matrix") -> "scipy.sparse.csr_matrix":
        """Histories in which each one is replaced by the mean entry of its item in the matrix."""
        matrix = self.matrix()
        counts = np.bincount(matrix.indices, minlength=self.n_items)
        means = np.bincount(matrix.indices, matrix.data, self.n_items) / np.maximum(counts, 1)
        means[counts == 0] = matrix.data.mean()
        valued = histories.copy()
        valued.data = means[valued.indices].astype(np.float32)
        return valued

    def item_links(self) -> "np.ndarray | scipy.sparse.csr_matrix | None":
        """The fixed weight of each item of a user in each item's score, `[I, I]`; `None` if it varies."""
        return None

    def contributions(self, user: int, item: int) -> tuple[str, np.ndarray, np.ndarray]:
        """The contributions to the score of a pair.

        Args:
            user: code.
            item: code.

        Returns:
            The kind of the contributing entities, `"item"` or `"user"`, their codes, and their contributions,
            which sum to the score.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `contributions`.")

    def matrix(self) -> "scipy.sparse.csr_matrix":
        """The matrix as a SciPy matrix."""
        import scipy.sparse

        parts = tuple(ops.convert_to_numpy(x) for x in (self.values, self.items, self.starts))
        return scipy.sparse.csr_matrix(parts, (self.n_users, self.n_items))

    def row(self, user: Any) -> tuple[Any, Any]:
        """Items and values of the rows of users `[B, 1]`, both `[B, longest]`; value 0 after the end."""
        places = lookup(self.starts, user) + ops.arange(self.longest, dtype="int32")
        there = places < lookup(self.starts, user + 1)
        places = ops.minimum(places, self.n_entries - 1)
        return lookup(self.items, places), ops.where(there, lookup(self.values, places), 0.0)

    def entry(self, user: Any, item: Any) -> Any:
        """Entries for users and items of one shape, found by binary search in the sorted rows."""
        low, end = lookup(self.starts, user), lookup(self.starts, user + 1)
        high = end
        for _ in range(self.longest.bit_length()):
            middle = (low + high) // 2
            before = lookup(self.items, ops.minimum(middle, self.n_entries - 1)) < item
            low, high = (
                ops.where((low < high) & before, middle + 1, low),
                ops.where((low < high) & ~before, middle, high),
            )
        place = ops.minimum(low, self.n_entries - 1)
        found = (low < end) & (lookup(self.items, place) == item)
        return ops.where(found, lookup(self.values, place), 0.0)

    def compute_output_shape(self, user_shape: Any, item_shape: Any) -> Any:
        """`[B, L]`."""
        return tuple(item_shape)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        sizes = {name: getattr(self, name) for name in ("n_users", "n_items", "n_entries", "longest")}
        return {**super().get_config(), **sizes}

    def _integers(self, shape: tuple[int, ...], name: str) -> Any:
        return self.add_weight(shape=shape, initializer="zeros", dtype="int32", trainable=False, name=name)

    def _floats(self, shape: tuple[int, ...], name: str) -> Any:
        return self.add_weight(shape=shape, initializer="zeros", trainable=False, name=name)


def _lengths(matrix: "scipy.sparse.csr_matrix") -> np.ndarray:
    return np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())


def sizes(matrix: "scipy.sparse.csr_matrix") -> tuple[int, int, int, int]:
    """`n_users`, `n_items`, `n_entries` and `longest` of a matrix."""
    return *matrix.shape, matrix.nnz, int(np.diff(matrix.indptr).max())


@keras.saving.register_keras_serializable("kerasrec")
class ItemWeightsScore(HistoryScore):
    """`score[u, i] = sum_j x[u, j] weights[j, i]`, with a weight for every pair of items.

    Args:
        n_users: int.
        n_items: int.
        n_entries: int, number of entries of the users-by-items matrix x.
        longest: int, number of entries of its longest row.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        user: codes `[B, 1]`.
        item: codes `[B, L]`.

    Returns:
        Scores `[B, L]`.
    """

    _given: np.ndarray | None = None

    def give(self, item_weights: np.ndarray) -> None:
        """Set the initial weights, `[I, I]`; creating zeros first would double the memory."""
        self._given = item_weights

    def build(self, user_shape: Any, item_shape: Any = None) -> None:
        """Create the matrix and the weights."""
        super().build(user_shape, item_shape)
        given, self._given = self._given, None
        self.item_weights = self.add_weight(
            shape=(self.n_items, self.n_items),
            initializer="zeros" if given is None else lambda shape, dtype: given,
            trainable=False,
            name="item_weights",
        )

    def score(self, user: Any, item: Any) -> Any:
        """`[B, 1]` with `[B, L]` to `[B, L]`."""
        own, values = self.row(user)
        weights = lookup(
            ops.reshape(self.item_weights, (-1,)), own[:, None, :] * self.n_items + item[:, :, None]
        )
        return ops.sum(values[:, None, :] * weights, axis=-1)

    def catalogue_scorer(self) -> Callable[[np.ndarray], np.ndarray]:
        """A function of user codes `[B]` that gives their scores of the whole catalogue `[B, I]`."""
        matrix, weights = self.matrix(), self.item_links()
        return lambda users: matrix[users] @ weights

    def item_links(self) -> np.ndarray:
        """The weights `[I, I]`."""
        return ops.convert_to_numpy(self.item_weights)

    def score_histories(self, histories: "scipy.sparse.csr_matrix") -> np.ndarray:
        """Scores `[B, I]` of the whole catalogue for users who were not in training.

        Args:
            histories: `[B, I]`, ones where a user has an item.
        """
        return self.valued(histories) @ ops.convert_to_numpy(self.item_weights)

    def contributions(self, user: int, item: int) -> tuple[str, np.ndarray, np.ndarray]:
        """The contributions to the score of a pair: each item of the user, times its weight for the item.

        Args:
            user: code.
            item: code.

        Returns:
            `"item"`, codes of items, and their contributions.
        """
        own = self.matrix()[user]
        return "item", own.indices, own.data * ops.convert_to_numpy(self.item_weights[:, item])[own.indices]


@keras.saving.register_keras_serializable("kerasrec")
class NeighborScore(HistoryScore):
    """`score[u, i] = sum_n w[e, n] x[...]` over the nearest neighbours n of the item, or of the user.

    Args:
        n_users: int.
        n_items: int.
        n_entries: int, number of entries of the users-by-items matrix x.
        longest: int, number of entries of its longest row.
        of: `"item"`: `sum_n w[i, n] x[u, n]`; `"user"`: `sum_n w[u, n] x[n, i]`.
        n_neighbors: int, number of neighbours of each entity.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        user: codes `[B, 1]`.
        item: codes `[B, L]`.

    Returns:
        Scores `[B, L]`.
    """

    def __init__(
        self,
        n_users: int,
        n_items: int,
        n_entries: int,
        longest: int,
        of: str,
        n_neighbors: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(n_users, n_items, n_entries, longest, **kwargs)
        self.of = of
        self.n_neighbors = n_neighbors

    def build(self, user_shape: Any, item_shape: Any = None) -> None:
        """Create the matrix and the neighbours."""
        super().build(user_shape, item_shape)
        shape = self.n_items if self.of == "item" else self.n_users, self.n_neighbors
        self.neighbors = self._integers(shape, "neighbors")
        self.similarities = self._floats(shape, "similarities")

    def score(self, user: Any, item: Any) -> Any:
        """`[B, 1]` with `[B, L]` to `[B, L]`."""
        user, item = ops.broadcast_to(user, ops.shape(item)), item
        of = item if self.of == "item" else user
        near, weights = lookup(self.neighbors, of), lookup(self.similarities, of)
        pair = (user[:, :, None], near) if self.of == "item" else (near, item[:, :, None])
        first, second = (ops.broadcast_to(x, ops.shape(near)) for x in pair)
        return ops.sum(weights * self.entry(first, second), axis=-1)

    def catalogue_scorer(self) -> Callable[[np.ndarray], np.ndarray]:
        """A function of user codes `[B]` that gives their scores of the whole catalogue `[B, I]`."""
        matrix, by_neighbor = self.matrix(), self.item_links()
        if by_neighbor is not None:
            return lambda users: (matrix[users] @ by_neighbor).toarray()
        table = self._table()
        return lambda users: (table[users] @ matrix).toarray()

    def item_links(self) -> "scipy.sparse.csr_matrix | None":
        """Similarities of neighbours to the items that they are near, `[I, I]`; `None` for users."""
        return self._table().T.tocsr() if self.of == "item" else None

    def score_histories(self, histories: "scipy.sparse.csr_matrix") -> np.ndarray:
        """Scores `[B, I]` of the whole catalogue for users who were not in training.

        Neighbours of users are found by the cosine of their histories.

        Args:
            histories: `[B, I]`, ones where a user has an item.
        """
        valued = self.valued(histories)
        if self.of == "item":
            return (valued @ self._table().T).toarray()
        matrix = self.matrix()
        near = (valued @ matrix.T).toarray()
        near /= np.maximum(_lengths(valued)[:, None] * _lengths(matrix), 1e-30)
        k = min(self.n_neighbors, near.shape[1])
        last = np.partition(near, near.shape[1] - k, axis=1)[:, -k, None]
        return np.where(near >= last, near, 0).astype(np.float32) @ matrix

    def contributions(self, user: int, item: int) -> tuple[str, np.ndarray, np.ndarray]:
        """The contributions to the score of a pair.

        These are neighbours of the item that the user has, or neighbours of the user who have the item.

        Args:
            user: code.
            item: code.

        Returns:
            `"item"` or `"user"`, codes of neighbours, and their contributions.
        """
        matrix, table = self.matrix(), self._table()
        near = table[item if self.of == "item" else user]
        there = matrix[user, near.indices] if self.of == "item" else matrix[near.indices, item].T
        values = np.asarray(there.todense()).ravel() * near.data
        kept = values != 0
        return self.of, near.indices[kept], values[kept]

    def _table(self) -> "scipy.sparse.csr_matrix":
        """Similarities of each entity to its neighbours, `[n, n]`."""
        import scipy.sparse

        near, weights = (ops.convert_to_numpy(x) for x in (self.neighbors, self.similarities))
        ends = np.arange(len(near) + 1) * self.n_neighbors
        return scipy.sparse.csr_matrix((weights.ravel(), near.ravel(), ends), (len(near), len(near)))

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {**super().get_config(), "of": self.of, "n_neighbors": self.n_neighbors}
