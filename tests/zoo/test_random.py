import numpy as np
import pytest
from references import baselines
from zoo_models import scores

import kerasrec


@pytest.mark.parametrize("seed", [0, 7, -3, 2**40])
def test_equals_the_reference_hash_on_every_backend(seed):
    found = scores(kerasrec.zoo.Random(50, seed), 20, 50)
    expected = [[baselines.random_score(u, i, seed % 2**31) for i in range(50)] for u in range(20)]
    assert np.array_equal(found, np.array(expected, np.float32))


def test_every_user_has_another_order():
    ranks = np.argsort(np.argsort(scores(kerasrec.zoo.Random(200), 100, 200), axis=1), axis=1)
    correlations = np.corrcoef(ranks)[np.triu_indices(100, 1)]
    assert abs(correlations.mean()) < 0.01
    assert np.abs(correlations).max() < 0.35  # five standard errors of 200 ranks
    assert np.abs(ranks.mean(axis=0) / 199 - 0.5).max() < 0.15  # no item is preferred
