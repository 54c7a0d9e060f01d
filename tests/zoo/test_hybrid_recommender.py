"""The hybrid recommender and its assemblies: what is their own; what every model owes is in `contracts`."""

import random

import keras
import numpy as np
import pytest
import scipy.sparse
from references import representations, scores
from zoo_models import of_counts
from zoo_models import scores as all_scores

import kerasrec
from kerasrec import zoo
from kerasrec.data import CatalogueBatches, Features, RankingBatches
from kerasrec.layers import DotScore, SparseLinearRepr

N_USERS, N_ITEMS = 4, 6
GENERATOR = np.random.default_rng(0)
# The first columns are the identity; the last two are shared.
USERS = np.hstack([np.eye(N_USERS), GENERATOR.normal(size=(N_USERS, 2))])
ITEMS = np.hstack([np.eye(N_ITEMS), [[1.0, 0.0], [0.0, 2.0]] * 3])


def weights(model):
    """Weights in float64 by their path, e.g. `user_bias/bias`, biases moved away from zero."""
    generator = np.random.default_rng(1)
    for weight in model.trainable_weights:
        if "bias" in weight.path:
            weight.assign(generator.normal(size=weight.shape))
    return {w.path: keras.ops.convert_to_numpy(w).astype("float64") for w in model.trainable_weights}


def check(model, representation_scores, w):
    """The model's scores are these plus the biases of `w`."""
    biases = (USERS @ w["user_bias/bias"]) + (ITEMS @ w["item_bias/bias"]).T
    np.testing.assert_allclose(
        all_scores(model, N_USERS, N_ITEMS), representation_scores + biases, rtol=1e-4, atol=1e-5
    )


def represented(w, name, features, how):
    """A representation by its name, in NumPy."""
    if how == "pass_through":
        return features
    if how == "weighted_pass_through":
        return representations.weighted(features, w[f"{name}/feature_weights"][:, 0])
    if how == "relu":
        parts = (w[f"{name}/{part}"] for part in ("relu_kernel", "relu_bias", "kernel"))
        return representations.relu(features, *parts)
    if how == "deep":
        layers = ("", "hidden_2/", "hidden_3/", "output/")
        kernels, biases = ([w[f"{name}/{layer}{part}"] for layer in layers] for part in ("kernel", "bias"))
        return representations.deep(features, kernels, biases)
    vectors = representations.linear(features, w[f"{name}/kernel"])
    return representations.normalized(vectors) if how == "normalized_linear" else vectors


@pytest.mark.parametrize("item_repr", ["linear", "deep", "weighted_pass_through"])
@pytest.mark.parametrize("user_repr", ["linear", "normalized_linear", "relu", "deep"])
def test_representations_by_name(user_repr, item_repr):
    model = zoo.HybridRecommender(USERS, ITEMS, 8, user_repr=user_repr, item_repr=item_repr)
    w = weights(model)
    user = represented(w, "user_repr", USERS, user_repr)
    item = represented(w, "item_repr", ITEMS, item_repr)
    check(model, scores.dot(user, item), w)


@pytest.mark.parametrize("score", ["dot", "cosine", "euclidean"])
def test_scores_by_name(score):
    model = zoo.HybridRecommender(USERS, ITEMS, score=score)
    w = weights(model)
    user, item = represented(w, "user_repr", USERS, "linear"), represented(w, "item_repr", ITEMS, "linear")
    check(model, getattr(scores, score)(user, item), w)


def test_without_biases():
    model = zoo.HybridRecommender(USERS, ITEMS, biased=False)
    w = weights(model)
    assert set(w) == {"user_repr/kernel", "item_repr/kernel"}
    expected = scores.dot(USERS @ w["user_repr/kernel"], ITEMS @ w["item_repr/kernel"])
    np.testing.assert_allclose(all_scores(model, N_USERS, N_ITEMS), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("attention", [None, "linear", "relu"])
@pytest.mark.parametrize("score", ["dot", "euclidean"])
def test_tastes(attention, score):
    model = zoo.MixtureOfTastes(USERS, ITEMS, n_tastes=3, attention=attention, score=score)
    w = weights(model)
    compare = getattr(scores, score)
    item = represented(w, "item_repr", ITEMS, "linear")

    def of_tastes(name, how):
        names = (name, f"{name}_1", f"{name}_2")
        return np.stack([compare(represented(w, taste, USERS, how), item) for taste in names])

    attentions = None if attention is None else of_tastes("user_attention", attention)
    check(model, scores.tastes(of_tastes("user_repr", "linear"), attentions), w)


def test_matrix_factorization_is_the_hybrid_of_identities():
    model = zoo.MatrixFactorization(N_USERS, N_ITEMS, 3)
    w = weights(model)
    vectors = w["user_repr/kernel"], w["item_repr/kernel"]
    expected = scores.dot(*vectors, w["user_bias/bias"][:, 0], w["item_bias/bias"][:, 0])
    np.testing.assert_allclose(all_scores(model, N_USERS, N_ITEMS), expected, rtol=1e-4, atol=1e-5)
    assert not model.non_trainable_weights, "an identity is stored nowhere"


def test_content_takes_the_items_as_they_stand():
    model = zoo.ContentRecommender(USERS, ITEMS)
    w = weights(model)
    check(model, scores.dot(USERS @ w["user_repr/kernel"], ITEMS), w)


def test_two_tower_is_two_networks():
    model = zoo.TwoTower(USERS, ITEMS, 3, hidden=(5, 4), temperature=0.5)
    w = weights(model)

    def tower(name, x):
        for layer in ("", "hidden_2/", "output/"):
            x = x @ w[f"{name}/{layer}kernel"] + w[f"{name}/{layer}bias"]
            x = x if layer == "output/" else np.maximum(x, 0)
        return x

    expected = scores.dot(tower("user_repr", USERS), tower("item_repr", ITEMS))
    np.testing.assert_allclose(all_scores(model, N_USERS, N_ITEMS), expected, rtol=1e-4, atol=1e-5)
    assert isinstance(model.loss, kerasrec.losses.SampledSoftmax) and model.loss.temperature == 0.5


def test_factorization_machine_sums_over_all_pairs_of_features():
    model = zoo.FactorizationMachine(USERS, ITEMS, 3)
    w = weights(model)
    vectors = np.vstack([w["user_repr/kernel"], w["item_repr/kernel"]])
    linear = np.concatenate([w["user_bias/bias"], w["item_bias/bias"]])[:, 0]
    expected = np.empty((N_USERS, N_ITEMS))
    for u in range(N_USERS):
        for i in range(N_ITEMS):
            x = np.concatenate([USERS[u], ITEMS[i]])
            pairs = [
                vectors[f] @ vectors[g] * x[f] * x[g] for f in range(len(x)) for g in range(f + 1, len(x))
            ]
            expected[u, i] = linear @ x + sum(pairs)
    np.testing.assert_allclose(all_scores(model, N_USERS, N_ITEMS), expected, rtol=1e-4, atol=1e-5)
    assert model.towers is not None


def test_pairs_of_features_are_those_of_bags():
    layer = zoo.FactorizationMachine(USERS, ITEMS, 3).get_layer("user_repr")
    with pytest.raises(
        TypeError, match=r"`inputs` must be a bag of features, indices and weights\. Received"
    ):
        layer(USERS.astype("float32"))


@pytest.mark.parametrize("name", ["hybrid", "mixture_of_tastes", "factorization_machine", "two_tower"])
def test_a_list_shared_by_the_batch_scores_the_same(name):
    model = zoo.card(name).factory(USERS, ITEMS)
    codes = {"user": np.arange(N_USERS)[:, None], "item": np.arange(N_ITEMS)[None]}
    shared = keras.ops.convert_to_numpy(model(codes))
    np.testing.assert_allclose(shared, all_scores(model, N_USERS, N_ITEMS), rtol=1e-4, atol=1e-5)


class TestLosses:
    @pytest.mark.parametrize("name", ["wmrb", "balanced_wmrb", "warp", "koswarp"])
    def test_the_size_of_the_catalogue_is_filled_in(self, name):
        loss = zoo.HybridRecommender(4, 6, loss=name).loss
        assert loss.get_config().get("n_items", 6) == 6
        assert type(loss).__module__ == f"kerasrec.losses.{name}"

    def test_names_of_keras_and_objects(self):
        assert zoo.HybridRecommender(4, 6, loss="mse").loss is keras.losses.get("mse")
        own = kerasrec.losses.BPR()
        assert zoo.HybridRecommender(4, 6, loss=own).loss is own

    def test_the_card_compiles_again_with_the_loss_of_the_model(self):
        model = zoo.HybridRecommender(4, 6, loss="bpr")
        zoo.card("hybrid").compile(model, 0.5)
        assert isinstance(model.loss, kerasrec.losses.BPR)
        assert float(model.optimizer.learning_rate) == 0.5

    def test_unknown(self):
        with pytest.raises(ValueError, match=r"`loss` must be .* one of .*wmrb.* Received: loss='wmbr'"):
            zoo.HybridRecommender(4, 6, loss="wmbr")


@keras.saving.register_keras_serializable("tests")
class Doubled(keras.layers.Layer):
    """A layer as a user writes one: it has never heard of bags."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")

    def call(self, x):
        return 2 * keras.ops.matmul(x, self.kernel)

    def compute_output_shape(self, shape):
        return (*shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("tests")
def positives_over_negatives(y_true, y_pred):
    """A loss as a user writes one."""
    positive = keras.ops.sum(keras.ops.where(y_true > 0, y_pred, 0.0), axis=-1, keepdims=True)
    return keras.ops.mean(keras.ops.where(y_true == 0, keras.ops.softplus(y_pred - positive), 0.0), axis=-1)


@keras.saving.register_keras_serializable("tests")
class Gated(keras.layers.Layer):
    """Layers inside and no `build`, as Keras allows."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.vectors, self.gates = keras.layers.Dense(3), keras.layers.Dense(3, "sigmoid")

    def call(self, x):
        return self.vectors(x) * self.gates(x)


class TestOwnParts:
    def test_a_layer_without_build_is_saved(self, tmp_path):
        model = zoo.HybridRecommender(USERS, ITEMS, 3, item_repr=Gated())
        model.save(tmp_path / "gated.keras")
        loaded = keras.models.load_model(tmp_path / "gated.keras", compile=False)
        ours = all_scores(model, N_USERS, N_ITEMS)
        np.testing.assert_array_equal(all_scores(loaded, N_USERS, N_ITEMS), ours)
        assert len(loaded.trainable_weights) == 1 + 4 + 2

    @pytest.mark.slow
    def test_layers_score_and_loss(self, interactions, tmp_path):
        n_users, n_items = interactions.n_users, interactions.n_items
        model = zoo.create(
            "hybrid",
            interactions,
            user_repr=Doubled(3, name="doubled"),
            item_repr=SparseLinearRepr(3, name="mine"),
            score=DotScore(name="compare"),
            loss=positives_over_negatives,
            learning_rate=0.05,
        )
        batches = RankingBatches(interactions, 64, 5, seed=0)
        losses = model.fit(batches, epochs=3, verbose=0).history["loss"]
        assert losses[-1] < losses[0]
        w = {x.path: keras.ops.convert_to_numpy(x) for x in model.trainable_weights}
        kernel = next(x for path, x in w.items() if path.endswith("doubled/kernel"))
        expected = scores.dot(
            2 * kernel, w["mine/kernel"], w["user_bias/bias"][:, 0], w["item_bias/bias"][:, 0]
        )
        ours = all_scores(model, n_users, n_items)
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)
        kerasrec.recommender.save_model(model, tmp_path / "own.keras", interactions)
        loaded = kerasrec.recommender.load_model(tmp_path / "own.keras")
        np.testing.assert_array_equal(all_scores(loaded, n_users, n_items), ours)
        assert loaded.towers is not None
        assert loaded.fit(batches, verbose=0).history["loss"][0] < losses[0]

    def test_a_layer_is_copied_for_every_taste(self):
        model = zoo.MixtureOfTastes(4, 6, user_repr=SparseLinearRepr(5, name="mine"), attention=None)
        kernels = [keras.ops.convert_to_numpy(model.get_layer(f"mine{t}").kernel) for t in ("", "_1", "_2")]
        assert not np.allclose(kernels[0], kernels[1]) and not np.allclose(kernels[1], kernels[2])

    def test_or_there_is_one_for_each(self):
        layers = [SparseLinearRepr(5, name=f"taste_{taste}") for taste in range(2)]
        model = zoo.MixtureOfTastes(4, 6, n_tastes=2, user_repr=layers)
        assert [layer in model.layers for layer in layers] == [True, True]


def test_every_card_names_its_model():
    for name in ("content", "deep_repr", "factorization_machine", "hybrid", "mixture_of_tastes", "two_tower"):
        assert zoo.card(name).factory(USERS, ITEMS).name == name


class TestDecay:
    @pytest.mark.slow
    def test_follows_the_counts(self, interactions):
        n_users, n_items = interactions.n_users, interactions.n_items
        settings = {"n_components": 3, "loss": "full_softmax", "seed": 3}
        with_decay, without = (
            zoo.create("matrix_factorization", interactions, decay=decay, **settings) for decay in (0.3, 0.0)
        )
        batches = CatalogueBatches(interactions, n_users, seed=0)
        penalty = with_decay.evaluate(batches, verbose=0) - without.evaluate(batches, verbose=0)
        counts = interactions.to_csr() > 0
        by_user, by_item = np.asarray(counts.sum(axis=1)).ravel(), np.asarray(counts.sum(axis=0)).ravel()
        user, item = (
            np.square(keras.ops.convert_to_numpy(with_decay.get_layer(f"{side}_repr").kernel)).sum(axis=1)
            for side in ("user", "item")
        )
        rows = np.count_nonzero(by_user)
        item_decay = np.sqrt(by_item / by_item.mean()) * by_user.mean() / n_users
        assert n_items == len(item)
        # A mean over the batch's users; the items are in every batch.
        expected = 0.3 * (by_user @ user / rows + item_decay @ item)
        np.testing.assert_allclose(penalty, expected, rtol=1e-3)

    def test_needs_interactions(self):
        with pytest.raises(ValueError, match=r"`interactions` must be given for `decay`.*decay=0.1"):
            zoo.HybridRecommender(4, 6, decay=0.1)


def test_l2_is_of_named_parts_and_biases():
    model = zoo.HybridRecommender(USERS, ITEMS, l2=0.5)
    squares = sum((w**2).sum() for w in weights(model).values())
    total = sum(float(keras.ops.convert_to_numpy(loss)) for loss in model.losses)
    np.testing.assert_allclose(total, 0.5 * squares, rtol=1e-5)


def test_a_seed_draws_the_same_weights_and_leaves_the_global_state():
    state = random.getstate()
    one, other = (zoo.DeepReprRecommender(USERS, ITEMS, 3, seed=5) for _ in range(2))
    assert random.getstate() == state
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    third = zoo.DeepReprRecommender(USERS, ITEMS, 3, seed=6)
    assert not np.allclose(one.get_layer("user_repr").kernel, third.get_layer("user_repr").kernel)


class TestIdentity:
    shared = USERS[:, N_USERS:]

    def test_a_hybrid_without_it_says_so_once(self):
        message = r"hybrid has no indicator columns of users and items, .*Features.indicator\(data.user_ids\)"
        with pytest.warns(UserWarning, match=message) as caught:
            zoo.HybridRecommender(np.ones((4, 1)), np.ones((6, 2)))
        assert len(caught) == 1

    def test_features_say_it_themselves(self):
        with pytest.warns(UserWarning, match="no indicator columns of items, "):
            zoo.HybridRecommender(4, Features.from_csr(np.ones((6, 2))))
        zoo.HybridRecommender(
            4, Features.indicator(range(6)) + Features.from_csr(np.ones((6, 2)), ids=range(6))
        )

    def test_a_matrix_with_a_column_for_each_has_it(self):
        zoo.HybridRecommender(USERS, scipy.sparse.csr_matrix(ITEMS))

    def test_content_asks_for_none_of_items(self):
        zoo.ContentRecommender(USERS, np.ones((6, 2)))


class TestRegistry:
    def test_features_left_out_are_the_identity(self, interactions):
        model = zoo.create("hybrid", interactions)
        assert model.get_layer("item_repr").n_features == interactions.n_items
        assert model.loss.n_items == interactions.n_items

    def test_features_with_ids_are_put_in_order(self):
        data = of_counts(np.eye(3))
        ids = data.item_ids[::-1]
        weights = Features.from_csr(np.array([[1.0], [2.0], [3.0]]), ["weight"], ids)
        model = zoo.create("content", data, item_features=weights)
        bag = model.get_layer("item_features")(np.arange(3))
        assert keras.ops.convert_to_numpy(bag["weights"])[:, 0].tolist() == [3.0, 2.0, 1.0]

    @pytest.mark.parametrize("side", ["user", "item"])
    def test_rows_must_match(self, interactions, side):
        n = getattr(interactions, f"n_{side}s")
        message = rf"one row per {side}, of which there are {n}\. Received: shape=\(7, 2\)"
        with pytest.raises(ValueError, match=message):
            zoo.create("hybrid", interactions, **{f"{side}_features": np.ones((7, 2))})
        with pytest.raises(ValueError, match=r"It looks transposed\. Received: shape=\(2, "):
            zoo.create("hybrid", interactions, **{f"{side}_features": np.ones((2, n))})
        features = Features.from_csr(np.ones((2, n)))
        with pytest.raises(ValueError, match=rf"one row per {side}\. Received: 2 rows .* looks transposed"):
            zoo.create("hybrid", interactions, **{f"{side}_features": features})
        strangers = Features.indicator(["x", "y"])
        with pytest.raises(ValueError, match=rf"Features must have rows of the {side} ids given"):
            zoo.create("hybrid", interactions, **{f"{side}_features": strangers})

    def test_content_needs_item_features(self, interactions):
        with pytest.raises(ValueError, match=r"`item_features` must be given: .*item_features=20"):
            zoo.create("content", interactions)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_components": 0}, r"`n_components` must be a positive integer\. Received: n_components=0"),
        ({"n_tastes": 0}, r"`n_tastes` must be a positive integer\. Received: n_tastes=0"),
        ({"attention": "linear"}, r"`attention` weighs tastes .* at least two\. Received: n_tastes=1"),
        ({"score": "dott"}, r"`score` must be a score layer or one of dot, cosine, euclidean\. .*'dott'"),
        ({"user_repr": "deap"}, r"`user_repr` must be a Keras layer or one of linear, .*user_repr='deap'"),
        ({"item_repr": len}, r"`item_repr` must be a Keras layer or one of .*Received: item_repr=<built-in"),
        ({"n_tastes": 2, "attention": 3}, r"`attention` must be a Keras layer or one of .*attention=3"),
        ({"user_repr": [SparseLinearRepr(5)] * 2}, r"one layer per taste .*Received: 2 layers, n_tastes=1"),
        ({"item_repr": "pass_through"}, r"must be the number of features.*n_components=5, n_features=8"),
        (
            {"user_features": np.full((4, 1), np.nan)},
            r"Weights of features must be finite\. .*4 that are not",
        ),
        ({"item_features": np.zeros((6, 0))}, r"at least one column\. Received: shape=\(6, 0\)"),
        ({"item_features": np.zeros((6, 2))}, r"an entry that is not 0\. Received: zeros alone"),
        ({"user_features": 0}, r"`user_features` must be a positive integer\. Received: user_features=0"),
        (
            {"user_features": "x"},
            r"`user_features` must be `Features`, .* number of users; .*user_features='x'",
        ),
        (
            {"user_repr": SparseLinearRepr(3)},
            r"must have the same size, `n_components` .*user_repr of 3 and item_repr of 5 components",
        ),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else "",
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        zoo.HybridRecommender(**{"user_features": USERS, "item_features": ITEMS, **settings})
