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
    model = kerasrec.zoo.UserKNN(interactions, n_neighbors, shrinkage=shrinkage, values=values)
    expected = baselines.user_knn(x, n_neighbors, shrinkage)
    np.testing.assert_allclose(scores(model, 30, 20), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weighting", ["tfidf", "bm25"])
def test_weightings_equal_the_reference(counts, interactions, weighting):
    model = kerasrec.zoo.UserKNN(interactions, 6, weighting=weighting, values="raw")
    expected = baselines.user_knn(counts, 6, weigh=getattr(baselines, weighting))
    np.testing.assert_allclose(scores(model, 30, 20), expected, rtol=1e-4, atol=1e-5)
