"""Reads everything that TensorRec accepts as a matrix into SciPy matrices."""

import os
import sys
from typing import Any

import numpy as np


def read_matrices(name: str, raw: Any) -> list[Any]:
    """Matrices, one per batch.

    Args:
        name: str, name of the argument.
        raw: a SciPy sparse matrix, a `tf.data.Dataset`, the path of a TFRecord file, or a list of one of
            these. A data set or a file has one matrix per entry.

    Returns:
        SciPy CSR matrices, float32.
    """
    parts = raw if isinstance(raw, list) else [raw]
    kinds = {_kind(part) for part in parts}
    if len(kinds) != 1 or None in kinds:
        received = ", ".join(sorted({type(part).__name__ for part in parts})) or "an empty list"
        raise ValueError(
            f"`{name}` must be a SciPy sparse matrix, a tf.data.Dataset, the path of a TFRecord file, or a "
            f"list of one of these. Received: {received}."
        )
    matrices = [_csr(matrix) for part in parts for matrix in _matrices_of(part)]
    if not matrices:
        raise ValueError(f"`{name}` must have at least one matrix. Received: data without an entry.")
    for matrix in matrices:
        if not all(matrix.shape):
            raise ValueError(f"`{name}` must have rows and columns. Received: shape={matrix.shape}.")
        bad = np.count_nonzero(~np.isfinite(matrix.data))
        if bad:
            raise ValueError(f"Entries of `{name}` must be finite. Received: {bad} that are not.")
    return matrices


def is_matrix(raw: Any) -> bool:
    """Whether an object is a SciPy sparse matrix."""
    return _kind(raw) == "matrix"


def _kind(part: Any) -> str | None:
    import scipy.sparse

    if scipy.sparse.issparse(part):
        return "matrix"
    if isinstance(part, str | os.PathLike):
        return "path"
    # If TensorFlow is not loaded, there can be no data set.
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None and isinstance(part, tensorflow.data.Dataset):
        return "dataset"
    return None


def _matrices_of(part: Any) -> list[Any]:
    from kerasrec.compat import input_utils

    kind = _kind(part)
    if kind == "matrix":
        return [part]
    if kind == "path":
        if not os.path.isfile(part):
            raise FileNotFoundError(f"A path must be a TFRecord file; there is none at {part}.")
        part = input_utils.create_tensorrec_dataset_from_tfrecord(part)
    return [_matrix_of(entry) for entry in part.as_numpy_iterator()]


def _matrix_of(entry: Any) -> Any:
    import scipy.sparse

    if not isinstance(entry, tuple) or len(entry) != 5:
        raise ValueError(
            "An entry of a data set must be (row_index, col_index, values, n_rows, n_columns). "
            f"Received: {type(entry).__name__} of {len(entry)}."
        )
    rows, columns, values, n_rows, n_columns = entry
    return scipy.sparse.coo_matrix((values, (rows, columns)), shape=(int(n_rows), int(n_columns)))


def _csr(matrix: Any) -> Any:
    import scipy.sparse

    return scipy.sparse.csr_matrix(matrix, dtype=np.float32)
