import numpy as np
import pytest
from references import baselines
from zoo_models import scores

import kerasrec
from kerasrec.zoo import implicit_als


def vectors(model):
    return [model.get_layer(name).get_weights()[0] for name in ("user_embedding", "item_embedding")]


@pytest.mark.slow
@pytest.mark.parametrize(("values", "alpha"), [("binary", 5.0), ("raw", 1.0)])
def test_each_side_solves_its_equations(counts, interactions, values, alpha):
    x = counts if values == "raw" else (counts > 0).astype(float)
    model = kerasrec.zoo.ImplicitALS(interactions, 3, alpha, l2=2.0, iterations=300, values=values)
    users, items = vectors(model)
    np.testing.assert_allclose(users, baselines.als_side(x, items, alpha, 2.0), atol=2e-3)
    np.testing.assert_allclose(items, baselines.als_side(x.T, users, alpha, 2.0), atol=2e-3)


def test_blocks_of_any_size_give_the_same(counts, interactions, monkeypatch):
    users, items = vectors(kerasrec.zoo.ImplicitALS(interactions, 3))
    monkeypatch.setattr(implicit_als, "_ENTRIES", 1)
    again = vectors(kerasrec.zoo.ImplicitALS(interactions, 3))
    np.testing.assert_allclose(again[0], users, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(again[1], items, rtol=1e-3, atol=1e-4)


def test_every_iteration_lowers_the_loss(counts, interactions):
    x = (counts > 0).astype(float)
    losses = [
        baselines.als_loss(x, *vectors(kerasrec.zoo.ImplicitALS(interactions, 3, 5.0, 2.0, n)), 5.0, 2.0)
        for n in (1, 2, 4, 8)
    ]
    assert losses == sorted(losses, reverse=True)


def test_users_and_items_without_interactions_are_zero(interactions):
    found = scores(kerasrec.zoo.ImplicitALS(interactions, 3), 30, 20)
    assert (found[[4, 9]] == 0).all() and (found[:, 7] == 0).all()


@pytest.mark.parametrize("name", ["alpha", "l2", "n_components", "iterations"])
def test_bad_settings(interactions, name):
    with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {name}=0"):
        kerasrec.zoo.ImplicitALS(interactions, **{name: 0})
