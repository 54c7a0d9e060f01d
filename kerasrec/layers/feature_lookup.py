from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrec._arguments import positive_integer
from kerasrec.layers._features import Whole, note_whole


@keras.saving.register_keras_serializable("kerasrec")
class FeatureLookup(keras.layers.Layer):
    """Maps codes of users or items to the padded bags of their features, from a table inside the model.

    Batches then contain only codes. The table is stored as a sparse matrix with one entry per feature of an
    entity, in weights that are not trained. A `.keras` file stores them as weights, never in the config.
    Padding repeats a feature of the entity with weight 0, so no other rows are read.

    All bags of a batch are as wide as the entity with the most features, so a step costs `width` times the
    number of codes in the batch. For layers that multiply features with a table, the cost is at most
    `n_values`: if that is cheaper, the whole product is computed once and the codes are looked up in it. If
    the catalogue is too large for this and a few entities have far more features than the others,
    `from_matrix(..., max_width=...)` keeps only the largest features of these.

    Without `n_values` the table is the identity: an entity's only feature is itself, nothing is stored, and a
    bag is the code with weight 1.

    Args:
        n: int, number of entities; codes are `0..n-1`.
        n_values: int, number of entries of the table, or `None` for the identity. Defaults to `None`.
        width: int, maximum number of features of an entity. Defaults to `1`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        codes: integers of shape `[B]`, `[B, 1]` or, for lists, `[B, L]`.

    Returns:
        `{"indices": [B, W] int32, "weights": [B, W]}`; for lists `[B, L, W]`. An input of shape `[B, None]`
        when the layer is built (a list of unknown length) stays a list, even if a later batch has one entry
        per row.

    Raises:
        ValueError: if a size is not a positive integer, or the codes have more than two axes.

    Example:
        >>> import numpy as np, kerasrec
        >>> layer = kerasrec.layers.FeatureLookup.from_matrix(np.array([[0.0, 2.0, 1.0], [3.0, 0.0, 0.0]]))
        >>> bag = layer(np.array([0]))
        >>> np.asarray(bag["indices"]).tolist(), np.asarray(bag["weights"]).tolist()
        ([[1, 2]], [[2.0, 1.0]])
    """

    def __init__(self, n: int, n_values: int | None = None, width: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = positive_integer("n", n)
        self.n_values = None if n_values is None else positive_integer("n_values", n_values)
        self.width = positive_integer("width", width)
        # Integers above 2**24 are lost in a float, so Keras must not cast the codes.
        self.autocast = False
        self._list_of_unknown_length = False
        self._given: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    @classmethod
    def from_matrix(cls, matrix: Any, max_width: int | None = None, **kwargs: Any) -> "FeatureLookup":
        """The layer that holds a feature matrix.

        Args:
            matrix: `[n, F]`, one row per entity: a SciPy sparse matrix (`Features.matrix`) or an array.
            max_width: int, maximum number of features kept per entity: those with the largest absolute
                weights. Defaults to `None`: all.
            **kwargs: arguments of `keras.layers.Layer`.

        Returns:
            `FeatureLookup`.

        Raises:
            ValueError: if `matrix` does not have two axes, is empty, has only zeros or weights that are not
                finite, or `max_width` is not a positive integer.
        """
        indptr, indices, weights = _rows(matrix)
        if max_width is not None:
            indptr, indices, weights = _largest(
                indptr, indices, weights, positive_integer("max_width", max_width)
            )
        n = len(indptr) - 1
        # A matrix with more columns than rows is not an identity: some columns have no entity yet.
        alone = tuple(matrix.shape) == (n, n) and np.array_equal(indptr, np.arange(n + 1))
        if alone and np.array_equal(indices, np.arange(n)) and (weights == 1).all():
            return cls(n, **kwargs)
        layer = cls(n, len(indices), max(1, int(np.diff(indptr).max())), **kwargs)
        layer._given = indptr, indices, weights
        return layer

    @property
    def id_limit(self) -> int:
        """Codes are below this number; data are checked against it before a compiled call."""
        return self.n

    def build(self, input_shape: Any) -> None:
        """Create the table and fill it with the matrix that the layer was made from."""
        self._list_of_unknown_length = len(input_shape) == 2 and input_shape[1] is None
        if self.n_values is None:
            return
        self.starts = self._table("starts", (self.n + 1,), "int32")
        self.indices = self._table("indices", (self.n_values,), "int32")
        self.values = self._table("values", (self.n_values,), "float32")
        if self._given is not None:
            for table, values in zip((self.starts, self.indices, self.values), self._given, strict=True):
                table.assign(values)
            self._given = None

    def call(self, codes: Any) -> dict[str, Any]:
        """Look up the codes."""
        if len(codes.shape) > 2:
            raise ValueError(
                "`codes` must have shape [batch], [batch, 1] or [batch, list]. "
                f"Received: shape={tuple(codes.shape)}."
            )
        codes = ops.cast(codes, "int32")
        if len(codes.shape) == 2 and codes.shape[1] == 1 and not self._list_of_unknown_length:
            codes = ops.squeeze(codes, axis=1)
        single, codes = codes, codes[..., None]
        if self.n_values is None:
            return {"indices": codes, "weights": ops.ones_like(codes, dtype=self.compute_dtype)}
        starts, ends = ops.take(self.starts, codes, axis=0), ops.take(self.starts, codes + 1, axis=0)
        places = starts + ops.arange(self.width, dtype="int32")  # [..., W]
        there = places < ends
        places = ops.clip(ops.minimum(places, ends - 1), 0, self.n_values - 1)
        weights = ops.cast(ops.take(self.values, places, axis=0), self.compute_dtype)
        weights = ops.where(there, weights, ops.zeros_like(weights))
        if note_whole(weights, Whole(single, self.n, self._entries), self.n_values):
            self.supports_jit &= keras.backend.backend() != "tensorflow"  # XLA has no sparse product there
        return {"indices": ops.take(self.indices, places, axis=0), "weights": weights}

    def _entries(self) -> tuple[Any, Any, Any]:
        """The start of each entity's entries, and all features and weights `[n_values]`, as tensors."""
        return self.starts + 0, self.indices + 0, self.values + 0

    def compute_output_shape(self, input_shape: Any) -> dict[str, tuple[int | None, ...]]:
        """`[B, W]`, or `[B, L, W]` for lists."""
        unknown = self._list_of_unknown_length or (len(input_shape) == 2 and input_shape[1] is None)
        single = len(input_shape) == 1 or (input_shape[1] == 1 and not unknown)
        shape = (*input_shape[: 1 if single else 2], self.width)
        return {"indices": shape, "weights": shape}

    def compute_output_spec(self, codes: Any) -> dict[str, Any]:
        """Symbolic outputs, which are integers and weights."""
        shapes = self.compute_output_shape(codes.shape)
        return {
            "indices": keras.KerasTensor(shapes["indices"], dtype="int32"),
            "weights": keras.KerasTensor(shapes["weights"], dtype=self.compute_dtype),
        }

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving; the table is a weight."""
        return {**super().get_config(), "n": self.n, "n_values": self.n_values, "width": self.width}

    def _table(self, name: str, shape: tuple[int, ...], dtype: str) -> keras.Variable:
        return self.add_weight(
            shape=shape, initializer="zeros", dtype=dtype, trainable=False, autocast=False, name=name
        )


def _rows(matrix: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The matrix by rows: the start of each row, and columns and weights of the nonzero entries."""
    if len(matrix.shape) != 2 or not all(matrix.shape):
        raise ValueError(
            "`matrix` must have one row per entity and at least one column. "
            f"Received: shape={tuple(matrix.shape)}."
        )
    if hasattr(matrix, "tocsr"):
        matrix = matrix.tocsr(copy=True)
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        indptr, indices, weights = matrix.indptr, matrix.indices, matrix.data
    else:
        matrix = np.asarray(matrix)
        rows, indices = np.nonzero(matrix)
        indptr, weights = np.searchsorted(rows, np.arange(len(matrix) + 1)), matrix[rows, indices]
    if not len(weights):
        raise ValueError("`matrix` must have an entry that is not 0. Received: zeros alone.")
    if not np.isfinite(weights).all():
        raise ValueError(
            "Weights of features must be finite. "
            f"Received: {np.count_nonzero(~np.isfinite(weights))} that are not."
        )
    return indptr.astype("int32"), indices.astype("int32"), weights.astype("float32")


def _largest(
    indptr: np.ndarray, indices: np.ndarray, weights: np.ndarray, max_width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The `max_width` entries of each row with the largest weights, in their order."""
    counts = np.diff(indptr)
    rows = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((-np.abs(weights), rows))
    kept = np.sort(order[np.arange(len(rows)) - indptr[rows] < max_width])
    starts = np.concatenate([[0], np.cumsum(np.minimum(counts, max_width))])
    return starts.astype("int32"), indices[kept], weights[kept]
