import json

import numpy as np
import pytest
import scipy.sparse


@pytest.fixture
def cases(shared_data):
    """Inputs and outputs of the original."""
    path = shared_data.parent / "reference" / "tensorrec_cases.json"
    if not path.is_file():
        pytest.skip(f"no recorded cases at {path}")
    return json.loads(path.read_text())


@pytest.fixture
def data():
    """Interactions of both signs, user features and item features; one user has none of either."""
    rng = np.random.default_rng(7)

    def matrix(n, m, share):
        return scipy.sparse.random(n, m, share, random_state=int(rng.integers(2**31)), format="csr")

    interactions = matrix(9, 12, 0.4)
    interactions.data = rng.choice([-2.0, -1.0, 1.0, 3.0, 5.0], interactions.nnz)
    users, items = matrix(9, 6, 0.5), matrix(12, 8, 0.4)
    for empty in (interactions, users):
        empty.data[empty.indptr[4] : empty.indptr[5]] = 0
        empty.eliminate_zeros()
    return interactions, users, items
