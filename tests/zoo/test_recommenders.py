"""RecommenderV1, V2 and Net: what is their own; what every model owes is in `contracts`."""

import keras
import numpy as np
import pytest
from references.scores import dot, rating_scale

from kerasrec.zoo import RecommenderNet, RecommenderV1, RecommenderV2

FACTORIES = [RecommenderV1, RecommenderV2, RecommenderNet]


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def weights(model):
    """Weights in float64 by their path, e.g. `user_bias/embeddings`."""
    return {weight.path: numbers(weight).astype("float64") for weight in model.weights}


def every_list(n_users, n_items):
    return {"user": np.arange(n_users)[:, None], "item": np.tile(np.arange(n_items), (n_users, 1))}


@pytest.mark.parametrize(
    ("factory", "parameters"),
    [(RecommenderV1, 486_850), (RecommenderV2, 496_587), (RecommenderNet, 487_871)],
)
def test_parameters_are_those_published(factory, parameters):
    assert factory(n_users=671, n_items=9066, n_components=50).count_params() == parameters


@pytest.mark.parametrize("factory", FACTORIES)
def test_compiled_as_published(factory):
    model = factory(3, 4)
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    np.testing.assert_allclose(float(model.optimizer.learning_rate), 0.001)
    assert model.loss == "mean_squared_error"
    penalised = [layer for layer in model.layers if getattr(layer, "embeddings_regularizer", None)]
    assert len(penalised) == {RecommenderV2: 4}.get(factory, 2)
    for layer in penalised:
        np.testing.assert_allclose(float(layer.embeddings_regularizer.l2), 1e-6)
        assert isinstance(layer.embeddings_initializer, keras.initializers.HeNormal)


def test_v1_is_the_dot_product():
    model = RecommenderV1(3, 4, 5)
    w = weights(model)
    expected = dot(w["user_embedding/embeddings"], w["item_embedding/embeddings"])
    np.testing.assert_allclose(numbers(model(every_list(3, 4))), expected, rtol=1e-5)


def test_v2_adds_biases_and_scales():
    model = RecommenderV2(3, 4, 5, min_rating=1.0, max_rating=5.0)
    w = weights(model)
    scores = dot(
        w["user_embedding/embeddings"],
        w["item_embedding/embeddings"],
        w["user_bias/embeddings"][:, 0],
        w["item_bias/embeddings"][:, 0],
    )
    np.testing.assert_allclose(numbers(model(every_list(3, 4))), rating_scale(scores, 1.0, 5.0), rtol=1e-5)


def test_net_is_a_network_on_both_vectors():
    model = RecommenderNet(3, 4, 5, hidden=(6,))
    user, item, first, first_bias, last, last_bias = (
        numbers(w).astype("float64") for w in model.trainable_weights
    )
    first_bias += 0.1  # zero at first, so that a forgotten one would not show
    model.trainable_weights[3].assign(first_bias)
    model.trainable_weights[5].assign(last_bias - 0.2)
    for u in range(3):
        for i in range(4):
            hidden = np.maximum(np.concatenate([user[u], item[i]]) @ first + first_bias, 0)
            score = (hidden @ last + last_bias - 0.2).item()
            predicted = numbers(model({"user": np.array([[u]]), "item": np.array([[i]])}, training=False))
            np.testing.assert_allclose(predicted, [[rating_scale(score, 0.5, 5.0)]], rtol=1e-5)


def test_net_drops_out_as_published():
    dropouts = [x.rate for x in RecommenderNet(3, 4).layers if isinstance(x, keras.layers.Dropout)]
    assert dropouts == [0.05, 0.5]
    with pytest.raises(
        ValueError, match=r"`dropouts` must have one rate .*dropouts=\(0\.1,\), hidden=\(10,\)"
    ):
        RecommenderNet(3, 4, dropouts=(0.1,))


@pytest.mark.parametrize("factory", FACTORIES)
def test_no_two_tables_begin_alike(factory):
    """One seed for all would draw the same numbers for the same user and item code."""
    tables = [w.flatten()[:3] for path, w in weights(factory(500, 500, seed=1)).items() if "embed" in path]
    for one, other in zip(tables, tables[1:], strict=False):
        assert not np.allclose(one / other, (one / other)[0])


@pytest.mark.parametrize("factory", FACTORIES)
class TestFit:
    """Weights of samples, classes and metrics, as Keras defines them."""

    x = {"user": np.array([0, 1, 2, 2]), "item": np.array([0, 1, 2, 3])}
    y = np.array([1.0, 4.0, 3.0, 5.0], "float32")

    def model(self, factory):
        # Without dropout and L2 the loss is the error.
        still = {"dropouts": (0.0, 0.0)} if factory is RecommenderNet else {}
        still |= {"bias_l2": 0.0} if factory is RecommenderV2 else {}
        return factory(3, 4, 2, l2=0.0, seed=5, learning_rate=0.05, **still)

    def errors(self, model):
        return (numbers(model({name: codes[:, None] for name, codes in self.x.items()}))[:, 0] - self.y) ** 2

    @pytest.mark.parametrize("shape", [(4,), (4, 1)])
    def test_sample_weight_is_a_factor(self, factory, shape):
        model = self.model(factory)
        weight = np.array([2.0, 0.0, 1.0, 0.5])
        logs = model.evaluate(
            self.x, self.y.reshape(shape), sample_weight=weight.reshape(shape), verbose=0, return_dict=True
        )
        # Keras divides by the number of samples, not by the sum of their weights.
        np.testing.assert_allclose(logs["loss"], (weight * self.errors(model)).mean(), rtol=1e-5)
        np.testing.assert_allclose(
            logs["root_mean_squared_error"], self.errors(model).mean() ** 0.5, rtol=1e-5
        )

    def test_weighted_metrics_see_the_weights(self, factory):
        model = self.model(factory)
        model.compile(
            "sgd", "mean_squared_error", weighted_metrics=[keras.metrics.MeanSquaredError(name="mse")]
        )
        weight = np.array([2.0, 0.0, 1.0, 0.5])
        logs = model.evaluate(self.x, self.y, sample_weight=weight, verbose=0, return_dict=True)
        expected = (weight * self.errors(model)).sum() / weight.sum()
        np.testing.assert_allclose(logs["mse"], expected, rtol=1e-5)

    def test_class_weight_is_a_weight_by_rating(self, factory):
        model = self.model(factory)
        by_rating = {1: 2.0, 3: 0.5, 4: 0.0, 5: 1.0}
        weight = np.array([by_rating[rating] for rating in self.y])
        expected = (weight * self.errors(model)).mean()
        # The loss of an epoch of one batch is that before its step.
        history = model.fit(self.x, self.y, class_weight=by_rating, batch_size=4, verbose=0).history
        np.testing.assert_allclose(history["loss"][0], expected, rtol=1e-5)

    def test_ratings_are_float32_under_mixed_precision(self, factory):
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_bfloat16")
        try:
            model = self.model(factory)
        finally:
            keras.config.set_dtype_policy(policy)
        output = model({name: codes[:, None] for name, codes in self.x.items()})
        assert keras.backend.standardize_dtype(output.dtype) == "float32"
        assert all(weight.dtype == "float32" for weight in model.trainable_weights)
        before = self.errors(model).mean()
        model.fit(self.x, self.y, batch_size=4, epochs=5, verbose=0)
        assert self.errors(model).mean() < before
