import numpy as np
import pytest
import scipy.sparse
from references import baselines
from zoo_models import scores

import kerasrec
from kerasrec.data import Interactions
from kerasrec.evaluation._models import scorer_of
from kerasrec.evaluation._ranker import CatalogueRanker


@pytest.mark.parametrize("alpha", [0.0, 0.3, 5.0])
@pytest.mark.parametrize("values", ["binary", "raw"])
def test_equals_the_reference(counts, interactions, alpha, values):
    x = counts if values == "raw" else (counts > 0).astype(float)
    model = kerasrec.zoo.GFCF(interactions, 3, alpha, values)
    expected = baselines.gf_cf(x, 3, alpha)
    np.testing.assert_allclose(scores(model, 30, 20), expected, rtol=1e-4, atol=1e-4)
    layer = model.get_layer("graph_filters")
    np.testing.assert_allclose(layer.score_catalogue(np.arange(30)), expected, rtol=1e-4, atol=1e-4)


def test_computed_by_hand():
    """Ann has x, bob has x and y: sums of users 1 and 2, of items 2 and 1."""
    data = Interactions([0, 1, 1], [0, 0, 1], user_ids=["ann", "bob"], item_ids=["x", "y"])
    # N = [[1/sqrt(2), 0], [1/2, 1/sqrt(2)]], so that ann's scores are the first row of N^T N.
    found = scores(kerasrec.zoo.GFCF(data, alpha=0.0), 2, 2)
    np.testing.assert_allclose(found[0], [3 / 4, 1 / 8**0.5], rtol=1e-6)
    # With both singular vectors V V^T = I, which gives a row back.
    smooth = scores(kerasrec.zoo.GFCF(data, alpha=1.0), 2, 2) - found
    np.testing.assert_allclose(smooth, [[1, 0], [1, 1]], atol=1e-6)


def test_all_of_few_components(counts, interactions):
    found = scores(kerasrec.zoo.GFCF(interactions, 256, 0.3), 30, 20)
    np.testing.assert_allclose(
        found, baselines.gf_cf((counts > 0).astype(float), 20, 0.3), rtol=1e-4, atol=1e-4
    )


def test_users_and_items_without_any_score_nothing(interactions):
    found = scores(kerasrec.zoo.GFCF(interactions, 3), 30, 20)
    assert np.isfinite(found).all()
    assert not found[[4, 9]].any() and not found[:, 7].any()


def test_what_each_item_gives_sums_to_the_score(counts, interactions):
    model = kerasrec.zoo.GFCF(interactions, 3, values="raw")
    found = scores(model, 30, 20)
    layer = model.get_layer("graph_filters")
    for user, item in [(0, 1), (5, 12), (29, 19)]:
        of, codes, gives = layer.contributions(user, item)
        assert of == "item" and set(codes) == set(np.flatnonzero(counts[user]))
        assert gives.sum() == pytest.approx(found[user, item], rel=1e-4)


def test_a_history_scores_as_the_same_row_does_in_training(counts, interactions):
    model = kerasrec.zoo.GFCF(interactions, 3)
    rows = scipy.sparse.csr_matrix((counts > 0).astype(np.float32))
    found = model.get_layer("graph_filters").score_histories(rows)
    np.testing.assert_allclose(found, scores(model, 30, 20), rtol=1e-4, atol=1e-5)


def test_seeds(interactions):
    one, same = (scores(kerasrec.zoo.GFCF(interactions, 3, seed=1), 30, 20) for _ in range(2))
    np.testing.assert_array_equal(one, same)


def test_no_matrix_of_items_by_items():
    """60,000 items, whose pairs would take 14 GB."""
    rng = np.random.default_rng(0)
    users, items = rng.integers(300, size=6000), rng.integers(60_000, size=6000)
    keys = np.unique(users * 60_000 + items)
    data = Interactions(keys // 60_000, keys % 60_000, user_ids=range(300), item_ids=range(60_000))
    model = kerasrec.zoo.GFCF(data, 4)
    assert sum(np.prod(weight.shape) for weight in model.weights) < 12 * len(keys) + 10 * 60_000
    best = next(CatalogueRanker(scorer_of(model, 60_000)).rank(np.arange(3), 5))
    assert best.items.shape == (3, 5) and (best.scores > 0).all()


def test_bad_input(interactions):
    with pytest.raises(ValueError, match="`alpha` must be a finite number of at least 0. Received: alpha=-1"):
        kerasrec.zoo.GFCF(interactions, alpha=-1)
    with pytest.raises(
        ValueError, match="`n_components` must be a positive integer. Received: n_components=0"
    ):
        kerasrec.zoo.GFCF(interactions, n_components=0)
    with pytest.raises(ValueError, match="`values` must be one of .* Received: values='x'"):
        kerasrec.zoo.GFCF(interactions, values="x")
