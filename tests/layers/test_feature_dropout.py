"""Features that are dropped in training, and those that are not."""

import keras
import numpy as np
import pytest

import kerasrec
from kerasrec.layers import FeatureDropout

N, COLUMNS = 4000, [1, 2, 5]
DENSE = np.arange(1.0, 7.0, dtype="float32") * np.ones((N, 1), "float32")
BAG = {
    "indices": np.tile(np.array([0, 2, 5], "int32"), (N, 1)),
    "weights": np.tile(np.array([1.0, 2.0, 3.0], "float32"), (N, 1)),
}


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def test_a_row_loses_all_of_the_columns_or_none():
    out = numbers(FeatureDropout(0.3, COLUMNS, seed=0)(DENSE, training=True))
    dropped = out[:, 1] == 0
    np.testing.assert_array_equal(out[~dropped], DENSE[~dropped])
    np.testing.assert_array_equal(out[dropped], DENSE[dropped] * [1, 0, 0, 1, 1, 0])
    # Three standard deviations of a binomial share.
    assert dropped.mean() == pytest.approx(0.3, abs=3 * np.sqrt(0.3 * 0.7 / N))


def test_bags_keep_their_indices():
    out = FeatureDropout(0.5, COLUMNS, seed=0)(BAG, training=True)
    np.testing.assert_array_equal(numbers(out["indices"]), BAG["indices"])
    weights = numbers(out["weights"])
    dropped = weights[:, 1] == 0
    np.testing.assert_array_equal(weights[dropped], np.tile([1.0, 0.0, 0.0], (dropped.sum(), 1)))
    np.testing.assert_array_equal(weights[~dropped], BAG["weights"][~dropped])
    assert dropped.mean() == pytest.approx(0.5, abs=3 * np.sqrt(0.25 / N))


def test_items_of_a_list_are_drawn_each_on_their_own():
    bag = {name: values.reshape(N // 4, 4, 3) for name, values in BAG.items()}
    dropped = numbers(FeatureDropout(0.5, COLUMNS, seed=0)(bag, training=True)["weights"])[..., 1] == 0
    assert dropped.shape == (N // 4, 4)
    assert 0 < dropped[0].sum() < 4 or 0 < dropped[1].sum() < 4


@pytest.mark.parametrize("features", [DENSE, BAG])
def test_nothing_is_dropped_outside_of_training(features):
    layer = FeatureDropout(1.0, COLUMNS)
    for out in (layer(features), layer(features, training=False)):
        for mine, given in zip(keras.tree.flatten(out), keras.tree.flatten(features), strict=True):
            np.testing.assert_array_equal(numbers(mine), given)


def test_each_batch_is_drawn_anew():
    layer = FeatureDropout(0.5, COLUMNS, seed=0)
    first, second = (numbers(layer(DENSE, training=True)) for _ in range(2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("columns", [[5, 1, 2], [[1, 3], [5, 6]], np.array([1, 2, 5]), [1, 1, 2, 5]])
def test_columns_are_numbers_or_ranges(columns):
    assert FeatureDropout(0.5, columns).columns == [[1, 3], [5, 6]]


@pytest.mark.parametrize("columns", [[], [-1], [0.5], "id", [[1, 2, 3]], None])
def test_columns_must_be_columns(columns):
    with pytest.raises(
        ValueError, match=r"`columns` must be numbers of columns, from 0, or pairs .*Received: "
    ):
        FeatureDropout(0.5, columns)


@pytest.mark.parametrize("rate", [-0.1, 1.5, "half", float("nan")])
def test_the_rate_is_a_share(rate):
    with pytest.raises(ValueError, match=r"`rate` must be a share, from 0 to 1\. Received: rate="):
        FeatureDropout(rate, [0])


@pytest.mark.parametrize("name", ["hybrid", "deep_repr"])
def test_a_hybrid_learns_about_newcomers(name):
    # Items that are dropped to their group in every batch: rows of the identity stay as they were.
    data = kerasrec.datasets.synthetic(n_users=20, n_items=10, n_interactions=60, seed=0).interactions
    groups = np.eye(2)[np.arange(data.n_items) % 2]
    model = kerasrec.zoo.create(
        name,
        data,
        user_features=data.n_users,
        item_features=np.hstack([np.eye(data.n_items), groups]),
        user_repr="linear",
        item_repr="linear",
        item_feature_dropout=FeatureDropout(1.0, range(data.n_items)),
        seed=0,
    )
    before = numbers(model.get_layer("item_repr").kernel)
    batches = kerasrec.data.RankingBatches(data, 20, n_sampled_items=3, seed=0)
    model.fit(batches, epochs=1, verbose=0)
    after = numbers(model.get_layer("item_repr").kernel)
    np.testing.assert_array_equal(after[: data.n_items], before[: data.n_items])
    assert not np.isclose(after[data.n_items :], before[data.n_items :]).any()
    assert not numbers(model.get_layer("item_bias").bias)[: data.n_items].any()


@pytest.mark.parametrize("side", ["user", "item"])
def test_a_hybrid_takes_the_layer_alone(side):
    with pytest.raises(
        ValueError, match=rf"`{side}_feature_dropout` must be a `FeatureDropout`. Received: .*=0.5"
    ):
        kerasrec.zoo.HybridRecommender(3, 4, **{f"{side}_feature_dropout": 0.5})
