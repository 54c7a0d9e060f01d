import numpy as np
import pytest
import scipy.sparse

from kerasrec.zoo import _inverse


@pytest.mark.parametrize("n", [1, 4, 5, 12, 14])
@pytest.mark.parametrize("strip", [1, 4, 100])
def test_equals_numpy(n, strip, monkeypatch):
    monkeypatch.setattr(_inverse, "_STRIP", strip)
    monkeypatch.setattr(_inverse, "_BLOCK", 3)
    rows = np.random.default_rng(n).normal(size=(n, 7)).astype(np.float32)
    expected = np.linalg.inv(rows.astype(float) @ rows.T.astype(float) + 0.3 * np.eye(n))
    strips = _inverse.gram(scipy.sparse.csr_matrix(rows), 0.3)
    assert len(strips) == -(-n // strip)
    _inverse.invert(strips)
    np.testing.assert_allclose(_inverse.diagonal(strips), -np.diag(expected), rtol=1e-9)
    np.testing.assert_allclose(_inverse.mirrored(strips, np.float64), -expected, rtol=1e-9, atol=1e-12)


def test_products_are_made_in_double_precision():
    # 2**24 + 1 is no float32.
    rows = scipy.sparse.csr_matrix(np.array([[4096.0, 1.0]], np.float32))
    assert _inverse.gram(rows, 0.0)[0][0, 0] == 2**24 + 1
