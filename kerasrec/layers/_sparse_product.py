"""The product of a sparse and a dense matrix, by the backend's own operation if it has one."""

import warnings
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

Product = Callable[[Any], Any]


def sparse_product(starts: Any, columns: Any, values: Any, dense: Any) -> Any:
    """`out[r] = sum of values[e] * dense[columns[e]]` over the entries e of row r; 0 for a row without any.

    TensorFlow, JAX on a CPU and PyTorch have an operation for this, which needs no memory per entry and takes
    a fifth of the time of a gather and a segment sum. It has no gradient here; callers that need one define
    it by the product with the transposed matrix (see `products`).

    Args:
        starts: int32 `[n + 1]`; the entries of row r are `starts[r]:starts[r + 1]`.
        columns: int32 `[E]`.
        values: float32 `[E]`.
        dense: float32 `[m, C]`.

    Returns:
        float32 `[n, C]`.
    """
    starts, columns, values = (ops.convert_to_tensor(x) for x in (starts, columns, values))
    n = starts.shape[0] - 1
    if not columns.shape[0]:
        return ops.zeros((n, dense.shape[1]), "float32")
    return _PRODUCTS.get(keras.backend.backend(), _by_segments)(n, starts, columns, values, dense)


def products(
    starts: Any, columns: Any, values: Any, n_columns: int, matrices: dict[Any, Any] | None = None
) -> tuple[Product, Product]:
    """Functions that multiply by a matrix, as `sparse_product` does, and by the transposed matrix.

    The latter gives `out[c] = sum of values[e] * dense[row of e]` over the entries e of column c. TensorFlow
    transposes a matrix that both share. Elsewhere the entries are sorted by column.

    Args:
        starts: int32 `[n + 1]`, as in `sparse_product`.
        columns: int32 `[E]`.
        values: float32 `[E]`.
        n_columns: int, columns of the matrix.
        matrices: dict in which the matrix is kept for other products with it, e.g. of vectors and biases.
            Defaults to `None`.

    Returns:
        A function of `[n_columns, C]` to `[n, C]`, and one of `[n, C]` to `[n_columns, C]`; all float32.
    """
    starts, columns, values = (ops.convert_to_tensor(x) for x in (starts, columns, values))
    if keras.backend.backend() == "tensorflow" and columns.shape[0]:
        return _tensorflow_products(starts, columns, values, n_columns, {} if matrices is None else matrices)

    def transposed(dense: Any) -> Any:
        order = ops.argsort(columns)
        rows = ops.take(rows_of(starts, columns.shape[0]), order)
        bounds = ops.arange(n_columns + 1, dtype="int32")
        of_columns = ops.cast(ops.searchsorted(ops.take(columns, order), bounds, side="left"), "int32")
        return sparse_product(of_columns, rows, ops.take(values, order), dense)

    return lambda dense: sparse_product(starts, columns, values, dense), transposed


def transposes_fast() -> bool:
    """Whether the product with the transposed matrix needs no sorting."""
    return keras.backend.backend() == "tensorflow"


def _by_segments(n: int, starts: Any, columns: Any, values: Any, dense: Any) -> Any:
    """The product entry by entry, with memory `[E, C]`."""
    parts = ops.take(dense, columns, axis=0) * values[:, None]
    return ops.segment_sum(parts, rows_of(starts, columns.shape[0]), num_segments=n)


def _jax(n: int, starts: Any, columns: Any, values: Any, dense: Any) -> Any:
    from jax.experimental import sparse

    return sparse.BCSR((values, columns, starts), shape=(n, dense.shape[0])) @ dense


def _tensorflow(n: int, starts: Any, columns: Any, values: Any, dense: Any) -> Any:
    import tensorflow as tf

    return _tensorflow_times(_tensorflow_matrix(starts, columns, values, tf.shape(dense)[0]), dense, n)


def _tensorflow_products(
    starts: Any, columns: Any, values: Any, n_columns: int, matrices: dict[Any, Any]
) -> tuple[Product, Product]:
    import tensorflow as tf

    # A tensor of a graph is of no use in another one.
    key = n_columns, None if tf.executing_eagerly() else id(tf.compat.v1.get_default_graph())
    if key not in matrices:
        matrices[key] = _tensorflow_matrix(starts, columns, values, n_columns)
    matrix = matrices[key]

    def transposed(dense: Any) -> Any:
        # The product's own `transpose_a` takes longer than transposing first.
        other = tf.raw_ops.SparseMatrixTranspose(input=matrix, type=tf.float32)
        return _tensorflow_times(other, dense, n_columns)

    return lambda dense: _tensorflow_times(matrix, dense, starts.shape[0] - 1), transposed


def _tensorflow_matrix(starts: Any, columns: Any, values: Any, n_columns: Any) -> Any:
    import tensorflow as tf

    n, n_entries = starts.shape[0] - 1, columns.shape[0]
    # Of each entry, how many rows begin at it or before; a binary search takes twice as long.
    begins = tf.math.unsorted_segment_sum(tf.ones(n - 1, tf.int32), starts[1:-1], n_entries + 1)
    rows = tf.cumsum(begins)[:-1]
    places = tf.stack([tf.cast(rows, tf.int64), tf.cast(columns, tf.int64)], axis=1)
    shape = tf.stack([tf.constant(n, tf.int64), tf.cast(n_columns, tf.int64)])
    return tf.raw_ops.SparseTensorToCSRSparseMatrix(indices=places, values=values, dense_shape=shape)


def _tensorflow_times(matrix: Any, dense: Any, n: int) -> Any:
    import tensorflow as tf

    product = tf.raw_ops.SparseMatrixMatMul(a=matrix, b=dense)
    return tf.ensure_shape(product, (n, dense.shape[1]))


def _torch(n: int, starts: Any, columns: Any, values: Any, dense: Any) -> Any:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about beta state and missing checks of sparse matrices
        matrix = torch.sparse_csr_tensor(starts, columns, values, (n, dense.shape[0]))
    return matrix @ dense


_PRODUCTS = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}


def rows_of(starts: Any, n_entries: int) -> Any:
    """The row of each entry `[E]`."""
    entries = ops.arange(n_entries, dtype="int32")
    return ops.cast(ops.searchsorted(starts, entries, side="right"), "int32") - 1
