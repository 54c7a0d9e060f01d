import numpy as np
import pytest
from references import baselines
from zoo_models import scores

import kerasrec


@pytest.mark.parametrize("n_neighbors", [1, 4, 100])
@pytest.mark.parametrize("shrinkage", [0.0, 3.0])
@pytest.mark.parametrize("values", ["binary", "raw"])
def test_equals_the_reference(counts, interactions, n_neighbors, shrinkage, values):
    x = counts if values == "raw" else (counts > 0).astype(float)
    model = kerasrec.zoo.ItemKNN(interactions, n_neighbors, shrinkage=shrinkage, values=values)
    expected = baselines.item_knn(x, n_neighbors, shrinkage)
    np.testing.assert_allclose(scores(model, 30, 20), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shrinkage", [0.0, 3.0])
@pytest.mark.parametrize("n_neighbors", [1, 4])
def test_of_few_pairs_that_are_alike_equals_the_reference(n_neighbors, shrinkage):
    rng = np.random.default_rng(0)
    pairs = np.unique(rng.integers(0, 40 * 300, 250))
    users, items = pairs // 300, (pairs % 300) ** 2 // 300
    x = np.zeros((40, 300))
    np.add.at(x, (users, items), 1)
    x = np.minimum(x, 1)
    assert 0 < np.count_nonzero(x.T @ x) < 0.05 * 300**2
    known = kerasrec.data.Interactions(*np.nonzero(x), user_ids=range(40), item_ids=range(300))
    model = kerasrec.zoo.ItemKNN(known, n_neighbors, shrinkage=shrinkage)
    expected = baselines.item_knn(x, n_neighbors, shrinkage)
    np.testing.assert_allclose(scores(model, 40, 300), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weighting", ["tfidf", "bm25"])
def test_weightings_equal_the_reference(counts, interactions, weighting):
    model = kerasrec.zoo.ItemKNN(interactions, 6, weighting=weighting, values="raw")
    expected = baselines.item_knn(counts, 6, weigh=getattr(baselines, weighting))
    np.testing.assert_allclose(scores(model, 30, 20), expected, rtol=1e-4, atol=1e-5)


def test_a_single_item_has_no_neighbors():
    x = kerasrec.data.Interactions([0], [0], user_ids=["ann"], item_ids=["x"])
    assert scores(kerasrec.zoo.ItemKNN(x), 1, 1).tolist() == [[0.0]]


def test_bad_input(interactions):
    with pytest.raises(
        ValueError, match="`weighting` must be one of cosine, tfidf, bm25. Received: weighting='x'"
    ):
        kerasrec.zoo.ItemKNN(interactions, weighting="x")
    with pytest.raises(
        ValueError, match="`shrinkage` must be a finite number of at least 0. Received: shrinkage=-1"
    ):
        kerasrec.zoo.ItemKNN(interactions, shrinkage=-1)
    with pytest.raises(ValueError, match="`n_neighbors` must be a positive integer. Received: n_neighbors=0"):
        kerasrec.zoo.ItemKNN(interactions, n_neighbors=0)
