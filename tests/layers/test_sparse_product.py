import keras
import numpy as np
import pytest
import scipy.sparse

from kerasrec.layers import _sparse_product
from kerasrec.layers._sparse_product import sparse_product


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
