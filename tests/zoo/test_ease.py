import numpy as np
import pytest
from references import baselines
from zoo_models import scores

import kerasrec
from kerasrec.zoo import ease


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


def test_blocks_of_items_make_one_matrix(counts, interactions, monkeypatch):
    monkeypatch.setattr(ease, "_BLOCK", 3)
    found = scores(kerasrec.zoo.EASE(interactions, 2.0), 30, 20)
    np.testing.assert_allclose(found, baselines.ease((counts > 0).astype(float), 2.0), rtol=1e-4, atol=1e-5)


def test_a_catalogue_too_large_says_the_bytes(interactions):
    with pytest.raises(ValueError, match="EASE must hold .* Received: 20 items, which need 4,800 bytes"):
        kerasrec.zoo.EASE(interactions, max_bytes=4799)
    assert "which need 30,000,000,000 bytes" in ease.too_large(50_000)
    assert "46,340 items at most" in ease.too_large(46_341, max_bytes=1e15)
    assert not ease.too_large(20_000)


def test_bad_ridge(interactions):
    with pytest.raises(ValueError, match="`ridge` must be a finite number above 0. Received: ridge=0"):
        kerasrec.zoo.EASE(interactions, ridge=0)
