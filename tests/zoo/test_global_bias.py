import numpy as np
import pytest
from zoo_models import scores

import kerasrec
from kerasrec.data import Interactions

IDS = {"user_ids": ["ann", "bob", "cyd"], "item_ids": ["x", "y", "z"]}


def test_offsets_by_hand():
    x = Interactions([0, 0, 1], [0, 1, 0], [5.0, 2.0, -1.0], **IDS)
    model = kerasrec.zoo.GlobalBias(x, item_shrinkage=2.0, user_shrinkage=1.0)
    mean = 2.0
    item = np.array([(3 - 3) / 4, 0 / 3, 0.0])
    user = np.array([(3 + 0) / 3, -3 / 2, 0.0])
    np.testing.assert_allclose(scores(model, 3, 3), mean + user[:, None] + item, rtol=1e-6)


def test_without_shrinkage_a_lone_rating_is_met():
    x = Interactions([0, 1], [0, 1], [4.0, 1.0], **IDS)
    found = scores(kerasrec.zoo.GlobalBias(x, item_shrinkage=0, user_shrinkage=0), 3, 3)
    np.testing.assert_allclose(np.diag(found), [4.0, 1.0, 2.5])


def test_it_beats_the_mean_on_ratings_with_offsets():
    data = kerasrec.datasets.synthetic(n_users=200, n_items=100, n_interactions=5000, seed=1).interactions
    train, test = kerasrec.data.splits.random_split(data, seed=0)
    model = kerasrec.zoo.create("global_bias", train)
    report = kerasrec.evaluation.evaluate(model, test, train, metrics=["rmse"])
    assert report["rmse"] < 0.97 * np.sqrt(np.mean((test.values - train.values.mean()) ** 2))


@pytest.mark.parametrize("name", ["item_shrinkage", "user_shrinkage"])
@pytest.mark.parametrize("value", [-1.0, float("nan")])
def test_bad_shrinkage(name, value):
    x = Interactions([0], [0], **IDS)
    with pytest.raises(
        ValueError, match=f"`{name}` must be a finite number of at least 0. Received: {name}="
    ):
        kerasrec.zoo.GlobalBias(x, **{name: value})


def test_no_interactions():
    with pytest.raises(ValueError, match="`interactions` must not be empty"):
        kerasrec.zoo.GlobalBias(Interactions([], [], **IDS))
