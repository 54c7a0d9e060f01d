import numpy as np
import pytest
from references import baselines
from zoo_models import scores

import kerasrec


@pytest.mark.parametrize("n_components", [1, 3, 12])
def test_equals_the_reference(counts, interactions, n_components):
    found = scores(kerasrec.zoo.PureSVD(interactions, n_components, values="raw"), 30, 20)
    np.testing.assert_allclose(found, baselines.pure_svd(counts, n_components), atol=1e-3)


def test_it_factorises(interactions):
    assert kerasrec.zoo.PureSVD(interactions, 3).towers is not None


def test_bad_rank(interactions):
    with pytest.raises(
        ValueError, match="below the number of users and of items. Received: n_components=20, 30"
    ):
        kerasrec.zoo.PureSVD(interactions, 20)
    with pytest.raises(ValueError, match="`n_components` must be a positive integer"):
        kerasrec.zoo.PureSVD(interactions, 0)
