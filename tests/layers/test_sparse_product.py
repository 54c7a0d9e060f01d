import keras
import numpy as np
import pytest
import scipy.sparse

from kerasrec.layers import _sparse_product
from kerasrec.layers._sparse_product import products, sparse_product


@pytest.fixture
def matrix():
    """Rows of several lengths, among them empty ones at the beginning, in the middle and at the end."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, 6)) * (rng.random((9, 6)) < 0.4)
    x[[0, 4, 8]] = 0
    return scipy.sparse.csr_matrix(x.astype(np.float32))


def product(matrix, dense):
    starts = matrix.indptr.astype(np.int32)
    return sparse_product(starts, matrix.indices.astype(np.int32), matrix.data, dense)


@pytest.mark.parametrize("own", [True, False])
def test_equals_scipy(matrix, own, monkeypatch):
    if not own:
        monkeypatch.setattr(_sparse_product, "_PRODUCTS", {})
    dense = np.random.default_rng(1).normal(size=(6, 5)).astype(np.float32)
    found = keras.ops.convert_to_numpy(product(matrix, keras.ops.convert_to_tensor(dense)))
    np.testing.assert_allclose(found, matrix @ dense, rtol=1e-5, atol=1e-6)
    assert not found[[0, 4, 8]].any()


def test_no_entries():
    empty = scipy.sparse.csr_matrix((3, 4), dtype=np.float32)
    found = keras.ops.convert_to_numpy(product(empty, keras.ops.ones((4, 2))))
    np.testing.assert_array_equal(found, np.zeros((3, 2)))


def both(matrix):
    starts, columns = matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32)
    return products(starts, columns, matrix.data, matrix.shape[1])


def test_products_equal_scipy(matrix):
    matrix = scipy.sparse.csr_matrix(matrix.multiply(np.arange(6) != 2), dtype=np.float32)  # an empty column
    rng = np.random.default_rng(1)
    of_columns, of_rows = (rng.normal(size=(n, 5)).astype(np.float32) for n in (6, 9))
    times, times_transposed = both(matrix)
    found = keras.ops.convert_to_numpy(times(keras.ops.convert_to_tensor(of_columns)))
    np.testing.assert_allclose(found, matrix @ of_columns, rtol=1e-5, atol=1e-6)
    found = keras.ops.convert_to_numpy(times_transposed(keras.ops.convert_to_tensor(of_rows)))
    np.testing.assert_allclose(found, matrix.T @ of_rows, rtol=1e-5, atol=1e-6)
    assert not found[2].any()


def test_products_of_one_row():
    times, times_transposed = both(scipy.sparse.csr_matrix(np.float32([[0, 2, 0, 3]])))
    found = times(keras.ops.ones((4, 2))), times_transposed(keras.ops.ones((1, 2)))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(found[0]), [[5, 5]])
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(found[1]), [[0, 0], [2, 2], [0, 0], [3, 3]])


def test_products_without_entries():
    times, times_transposed = both(scipy.sparse.csr_matrix((3, 4), dtype=np.float32))
    found = times(keras.ops.ones((4, 2))), times_transposed(keras.ops.ones((3, 2)))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(found[0]), np.zeros((3, 2)))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(found[1]), np.zeros((4, 2)))
