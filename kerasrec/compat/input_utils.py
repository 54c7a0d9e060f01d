"""TensorRec's format of a matrix in data sets and files: `(rows, columns, values, n_rows, n_columns)`.

These functions need TensorFlow, whatever the backend. They import it when they are called.
"""

import os
from typing import Any

import numpy as np

from kerasrec._partial import replacing


def create_tensorrec_dataset_from_sparse_matrix(sparse_matrix: Any) -> Any:
    """A data set with a single entry, the matrix.

    Args:
        sparse_matrix: SciPy sparse matrix.

    Returns:
        `tf.data.Dataset`.

    Example:
        >>> import scipy.sparse
        >>> from kerasrec.compat import input_utils
        >>> dataset = input_utils.create_tensorrec_dataset_from_sparse_matrix(scipy.sparse.eye(3))
        >>> input_utils.get_dimensions_from_tensorrec_dataset(dataset)
        (3, 3)
    """
    import tensorflow as tf

    matrix = sparse_matrix.tocoo()
    entry = (
        np.asarray(matrix.row, np.int64),
        np.asarray(matrix.col, np.int64),
        np.asarray(matrix.data, np.float32),
        np.int64(matrix.shape[0]),
        np.int64(matrix.shape[1]),
    )
    return tf.data.Dataset.from_tensors(entry)


def create_tensorrec_dataset_from_tfrecord(tfrecord_path: str | os.PathLike[str]) -> Any:
    """A data set that reads a file written by `write_tfrecord_from_sparse_matrix` or by the original.

    Args:
        tfrecord_path: the file.

    Returns:
        `tf.data.Dataset` with one entry per record.
    """
    import tensorflow as tf

    def column(dtype: Any) -> Any:
        return tf.io.FixedLenSequenceFeature((), dtype, allow_missing=True)

    features = {
        "row_index": column(tf.int64),
        "col_index": column(tf.int64),
        "values": column(tf.float32),
        "d0": tf.io.FixedLenFeature((), tf.int64),
        "d1": tf.io.FixedLenFeature((), tf.int64),
    }

    def parse(record: Any) -> Any:
        parsed = tf.io.parse_single_example(record, features)
        return tuple(parsed[name] for name in features)

    return tf.data.TFRecordDataset(os.fspath(tfrecord_path)).map(parse)


def write_tfrecord_from_sparse_matrix(tfrecord_path: str | os.PathLike[str], sparse_matrix: Any) -> str:
    """Write a matrix to a TFRecord file.

    Args:
        tfrecord_path: the file.
        sparse_matrix: SciPy sparse matrix.

    Returns:
        The path.
    """
    dataset = create_tensorrec_dataset_from_sparse_matrix(sparse_matrix)
    return write_tfrecord_from_tensorrec_dataset(tfrecord_path, dataset)


def write_tfrecord_from_tensorrec_dataset(tfrecord_path: str | os.PathLike[str], dataset: Any) -> str:
    """Write the matrices of a data set to a TFRecord file, one record each.

    Args:
        tfrecord_path: the file.
        dataset: `tf.data.Dataset`.

    Returns:
        The path.
    """
    import tensorflow as tf

    def integers(values: Any) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=np.ravel(values)))

    with replacing(tfrecord_path) as partial, tf.io.TFRecordWriter(os.fspath(partial)) as writer:
        for rows, columns, values, n_rows, n_columns in dataset.as_numpy_iterator():
            feature = {
                "row_index": integers(rows),
                "col_index": integers(columns),
                "values": tf.train.Feature(float_list=tf.train.FloatList(value=values)),
                "d0": integers(n_rows),
                "d1": integers(n_columns),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    return os.fspath(tfrecord_path)


def get_dimensions_from_tensorrec_dataset(dataset: Any) -> tuple[int, int]:
    """The shape of the first matrix of a data set.

    Args:
        dataset: `tf.data.Dataset`.

    Returns:
        Numbers of rows and columns.
    """
    *_, n_rows, n_columns = next(dataset.as_numpy_iterator())
    return int(n_rows), int(n_columns)
