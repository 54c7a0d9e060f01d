import keras
import numpy as np
import pytest

from kerasrec.layers import Catalogue, DotScore, FeatureEmbedding, RatingScale, find_towers


@pytest.fixture
def inputs():
    return {
        "user": keras.Input((1,), name="user", dtype="int32"),
        "item": keras.Input((None,), name="item", dtype="int32"),
    }


def factorised(inputs, bias=True):
    biases = {}
    if bias:
        biases["user_bias"] = FeatureEmbedding(5, 1)(inputs["user"])
        biases["item_bias"] = FeatureEmbedding(7, 1)(inputs["item"])
    user = FeatureEmbedding(5, 3)(inputs["user"])
    item = FeatureEmbedding(7, 3)(inputs["item"])
    return DotScore(name="score")(user, item, **biases)


def all_scores(towers):
    """Scores `[U, I]` by the towers."""
    user = towers.user(np.arange(5)[:, None])
    item = {name: x[:, 0] for name, x in towers.item(np.arange(7)[:, None]).items()}
    scores = towers.score.all_pairs(**user, **item)
    for transform in towers.transforms:
        scores = transform(scores)
    return keras.ops.convert_to_numpy(scores)


def predicted(model):
    lists = {"user": np.arange(5)[:, None], "item": np.tile(np.arange(7), (5, 1))}
    return keras.ops.convert_to_numpy(model(lists))


@pytest.mark.parametrize("bias", [True, False])
def test_towers_give_the_scores_of_the_model(inputs, bias):
    model = keras.Model(inputs, factorised(inputs, bias))
    towers = find_towers(model)
    assert towers.score is model.get_layer("score")
    assert towers.transforms == ()
    np.testing.assert_allclose(all_scores(towers), predicted(model), rtol=1e-5, atol=1e-7)


def test_layers_that_keep_the_order_are_transforms(inputs):
    scale, catalogue = RatingScale(1.0, 5.0), Catalogue()
    model = keras.Model(inputs, catalogue(scale(factorised(inputs))))
    towers = find_towers(model)
    assert towers.transforms == (scale, catalogue)
    np.testing.assert_allclose(all_scores(towers), predicted(model), rtol=1e-5)


def test_a_tower_may_be_a_network(inputs):
    user = keras.layers.Dense(3, "relu")(FeatureEmbedding(5, 4)(inputs["user"]))
    item = keras.layers.Dense(3)(FeatureEmbedding(7, 4)(inputs["item"]))
    model = keras.Model(inputs, DotScore()(user, item))
    np.testing.assert_allclose(all_scores(find_towers(model)), predicted(model), rtol=1e-5, atol=1e-7)


def test_towers_share_the_weights(inputs):
    model = keras.Model(inputs, factorised(inputs))
    towers = find_towers(model)
    model.set_weights([weights + 1 for weights in model.get_weights()])
    np.testing.assert_allclose(all_scores(towers), predicted(model), rtol=1e-5)


def test_one_call_of_a_layer_called_twice(inputs):
    """A score layer in use elsewhere is read where this model calls it."""
    model = keras.Model(inputs, factorised(inputs))
    elsewhere = (keras.Input((2,)), keras.Input((2,)))
    model.get_layer("score")(*elsewhere)
    np.testing.assert_allclose(all_scores(find_towers(model)), predicted(model), rtol=1e-5)


class TestNone:
    def test_a_layer_behind_the_score_may_change_the_order(self, inputs):
        output = keras.layers.Activation("relu")(factorised(inputs))
        assert find_towers(keras.Model(inputs, output)) is None

    def test_a_side_that_sees_both_inputs(self, inputs):
        item = FeatureEmbedding(7, 3)(inputs["item"])
        user = FeatureEmbedding(5, 3)(inputs["user"]) + keras.ops.mean(item, axis=1)
        assert find_towers(keras.Model(inputs, DotScore()(user, item))) is None

    def test_two_scores(self, inputs):
        both = factorised(inputs) + DotScore()(
            FeatureEmbedding(5, 3)(inputs["user"]), FeatureEmbedding(7, 3)(inputs["item"])
        )
        assert find_towers(keras.Model(inputs, both)) is None

    def test_no_score(self, inputs):
        user = keras.ops.expand_dims(FeatureEmbedding(5, 3)(inputs["user"]), 1)
        output = keras.layers.Dense(1)(FeatureEmbedding(7, 3)(inputs["item"]) + user)
        assert find_towers(keras.Model(inputs, output)) is None

    def test_a_side_that_sees_the_item_and_a_column(self, inputs):
        hour = keras.Input((1,), name="hour")
        item = FeatureEmbedding(7, 3)(inputs["item"]) + keras.layers.Dense(3)(hour)[:, None]
        output = DotScore()(FeatureEmbedding(5, 3)(inputs["user"]), item)
        assert find_towers(keras.Model({**inputs, "hour": hour}, output)) is None

    def test_the_item_alone(self, inputs):
        item = FeatureEmbedding(7, 3)(inputs["item"])
        output = DotScore()(keras.ops.mean(item, axis=1), item)
        assert find_towers(keras.Model({"item": inputs["item"]}, output)) is None

    def test_a_model_without_a_graph(self):
        class Subclassed(keras.Model):
            pass

        assert find_towers(Subclassed()) is None


class TestFurtherInputs:
    """A user's side of anything but the item."""

    def test_a_column_beside_the_user(self, inputs):
        hour = keras.Input((1,), name="hour")
        user = FeatureEmbedding(5, 3)(inputs["user"]) + keras.layers.Dense(3)(hour)
        output = DotScore()(user, FeatureEmbedding(7, 3)(inputs["item"]))
        model = keras.Model({**inputs, "hour": hour}, output)
        towers = find_towers(model)
        assert towers.user_inputs == ("hour", "user")
        given = {"user": np.array([[1], [4]]), "hour": np.array([[0.5], [2.0]])}
        user = towers.represent_user(given | {"item": None})
        item = {name: x[:, 0] for name, x in towers.item(np.arange(7)[:, None]).items()}
        expected = model(given | {"item": np.tile(np.arange(7), (2, 1))})
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(towers.score.all_pairs(**user, **item)),
            keras.ops.convert_to_numpy(expected),
            rtol=1e-5,
        )

    def test_a_history_instead_of_the_user(self, inputs):
        history = keras.Input((None,), name="history", dtype="int32")
        user = keras.ops.mean(FeatureEmbedding(8, 3)(history + 1), axis=1)
        output = DotScore()(user, FeatureEmbedding(7, 3)(inputs["item"]))
        towers = find_towers(keras.Model({"history": history, "item": inputs["item"]}, output))
        assert towers.user_inputs == ("history",)
        assert towers.represent_user({"history": np.array([[-1, 3]])})["user"].shape == (1, 3)
