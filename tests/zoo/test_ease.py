import keras
import numpy as np
import pytest
import scipy.sparse
from references import baselines
from zoo_models import scores

import kerasrec
from kerasrec.data import Interactions
from kerasrec.zoo import _inverse, ease


@pytest.mark.parametrize("ridge", [0.5, 50.0])
@pytest.mark.parametrize("values", ["binary", "raw", "log", "bm25"])
def test_equals_the_reference(counts, interactions, ridge, values):
    x = {
        "binary": (counts > 0).astype(float),
        "raw": counts,
        "log": np.log1p(counts),
        "bm25": baselines.bm25(counts),
    }[values]
    found = scores(kerasrec.zoo.EASE(interactions, ridge, values), 30, 20)
    np.testing.assert_allclose(found, baselines.ease(x, ridge), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("by", ["_by_items", "_by_users"])
def test_strips_and_blocks_make_one_matrix(by, counts, interactions, monkeypatch):
    monkeypatch.setattr(ease, "_BLOCK", 3)
    monkeypatch.setattr(_inverse, "_STRIP", 4)
    monkeypatch.setattr(ease, "_item_weights", lambda *given: _without_diagonal(getattr(ease, by)(*given)))
    found = scores(kerasrec.zoo.EASE(interactions, 2.0), 30, 20)
    np.testing.assert_allclose(found, baselines.ease((counts > 0).astype(float), 2.0), rtol=1e-4, atol=1e-5)


def test_far_fewer_users_than_items_are_solved_by_users(monkeypatch):
    seen = []
    by_users = ease._by_users
    monkeypatch.setattr(ease, "_by_users", lambda *given: seen.append(given) or by_users(*given))
    x = (np.random.default_rng(3).random((6, 60)) < 0.1).astype(float)
    model = kerasrec.zoo.EASE(_interactions(x), 0.5)
    np.testing.assert_allclose(scores(model, 6, 60), baselines.ease(x, 0.5), rtol=1e-4, atol=1e-5)
    assert len(seen) == 1


@pytest.mark.slow  # 12 s
def test_24_000_items():
    """More than 2**29 pairs, which bytes counted in 32 bits do not hold."""
    n_users, n_items, ridge = 2000, 24_000, 10.0
    rng = np.random.default_rng(0)
    matrix = scipy.sparse.coo_matrix(
        (np.ones(60_000), (rng.integers(n_users, size=60_000), rng.integers(n_items, size=60_000))),
        (n_users, n_items),
    ).tocsr()
    matrix.data[:] = 1
    model = kerasrec.zoo.EASE(_interactions(matrix), ridge)
    # Column i minimises |x_i - X b|^2 + ridge |b|^2 with b_i = 0: the gradient is 0 but at i.
    weights = model.get_layer("item_weights").item_weights[:, n_items - 1]
    del model
    b = keras.ops.convert_to_numpy(weights).astype(float)
    assert b[-1] == 0 and np.abs(b).max() > 0.01
    gradient = matrix.T @ (matrix @ b - matrix[:, -1].toarray()[:, 0]) + ridge * b
    assert np.abs(gradient[:-1]).max() < 1e-5


def _without_diagonal(weights):
    np.fill_diagonal(weights, 0)
    return weights


def _interactions(x):
    users, items = x.nonzero()
    return Interactions(users, items, user_ids=range(x.shape[0]), item_ids=range(x.shape[1]))


def test_a_catalogue_too_large_says_the_bytes(interactions):
    with pytest.raises(ValueError, match="EASE must hold .* Received: 20 items, which need 4,800 bytes"):
        kerasrec.zoo.EASE(interactions, max_bytes=4799)
    assert "which need 30,000,000,000 bytes" in ease.too_large(50_000)
    assert "46,340 items at most" in ease.too_large(46_341, max_bytes=1e15)
    assert not ease.too_large(20_000)


def test_bad_ridge(interactions):
    with pytest.raises(ValueError, match="`ridge` must be a finite number above 0. Received: ridge=0"):
        kerasrec.zoo.EASE(interactions, ridge=0)
