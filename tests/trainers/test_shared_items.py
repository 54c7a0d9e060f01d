"""Items that a batch shares, beside the same lists written out for every row."""

import keras
import numpy as np
import pandas as pd
import pytest
from trainers.problem import backend, fused, one_program

import kerasrec
from kerasrec import layers, losses
from kerasrec.data import Features, Interactions, RankingBatches, samplers

N_USERS, N_ITEMS, B, P, S = 12, 40, 6, 2, 5


GENRES = Features.categorical(pd.Series(["a", "b"] * (N_ITEMS // 2), range(N_ITEMS), name="genre"))


def batch(n_own=P, seed=0, n_rows=B):
    """Inputs with shared items, the same written out, and labels; the first item of a row is a positive."""
    rng = np.random.default_rng(seed)
    user, own = rng.integers(0, N_USERS, (n_rows, 1)), rng.integers(0, N_ITEMS, (n_rows, n_own))
    shared = rng.choice(N_ITEMS, (1, S), replace=False)
    labels = rng.choice([0.0, -1.0], (n_rows, n_own + S), p=[0.7, 0.3])
    labels[:, :1] = 1.0
    inputs = {"user": user, "item": own, "shared_item": shared}
    written = {"user": user, "item": np.concatenate([own, np.repeat(shared, n_rows, 0)], 1)}
    return ({k: v.astype("int32") for k, v in x.items()} for x in (inputs, written)), labels.astype("float32")


def inputs():
    return {
        "user": keras.Input((1,), name="user", dtype="int32"),
        "item": keras.Input((None,), name="item", dtype="int32"),
    }


def table(n, width=3, l2=0.0):
    regularizer = keras.regularizers.L2(l2) if l2 else None
    return layers.FeatureEmbedding(n, width, "normal", regularizer)


def with_score(score, scaled=False, cls=kerasrec.Model):
    x = inputs()
    arguments = {"user": table(N_USERS)(x["user"]), "item": table(N_ITEMS)(x["item"])}
    arguments |= {"user_bias": table(N_USERS, 1)(x["user"]), "item_bias": table(N_ITEMS, 1)(x["item"])}
    scores = score(**arguments)
    return cls(x, layers.Catalogue()(layers.RatingScale(1.0, 5.0)(scores) if scaled else scores))


def with_tastes(attention, score=None):
    x = inputs()
    lookup = layers.FeatureLookup(N_USERS)(x["user"])
    tastes = keras.ops.stack([layers.SparseLinearRepr(3, N_USERS)(lookup) for _ in range(4)], axis=1)
    user = {"user": tastes}
    if attention:
        user["attention"] = keras.ops.stack(
            [layers.SparseLinearRepr(3, N_USERS)(lookup) for _ in range(4)], axis=1
        )
    return kerasrec.Model(x, layers.TasteMixture(score)(**user, item=table(N_ITEMS)(x["item"])))


def that_does_not_factorise():
    x = inputs()
    user = keras.ops.expand_dims(table(N_USERS)(x["user"]), 1)
    return kerasrec.Model(x, keras.ops.sum(keras.ops.tanh(user + table(N_ITEMS)(x["item"])), axis=-1))


@keras.saving.register_keras_serializable("test_shared_items")
class Manhattan(layers.Score):
    def compare(self, user, item):
        return -keras.ops.sum(keras.ops.abs(user - item), axis=-1)


MODELS = {
    "dot": lambda: with_score(layers.DotScore()),
    "dot on a scale": lambda: with_score(layers.DotScore(), scaled=True),
    "cosine": lambda: with_score(layers.CosineScore()),
    "euclidean": lambda: with_score(layers.EuclideanScore()),
    "a score of one's own": lambda: with_score(Manhattan()),
    "tastes": lambda: with_tastes(False),
    "tastes with attention": lambda: with_tastes(True, layers.CosineScore()),
    "hybrid": lambda: kerasrec.zoo.HybridRecommender(
        N_USERS, Features.indicator(range(N_ITEMS)) + GENRES, seed=0
    ),
    "no score layer": that_does_not_factorise,
    "factorization machine": lambda: kerasrec.zoo.FactorizationMachine(
        user_features=N_USERS, item_features=N_ITEMS, seed=0
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_scores_equal_those_of_the_lists_written_out(name):
    keras.utils.set_random_seed(1)
    model = MODELS[name]()
    (x, written), _ = batch()
    expected = model.predict_on_batch(written)
    got = keras.ops.convert_to_numpy(model(x))
    assert got.shape == (B, P + S) and np.ptp(got) > 0
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.predict_on_batch(x), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["dot", "no score layer"])
@pytest.mark.parametrize(("n_own", "n_rows"), [(0, B), (P, 1)])
def test_no_own_items_and_one_row(name, n_own, n_rows):
    model = MODELS[name]()
    (x, written), _ = batch(n_own, n_rows=n_rows)
    got = keras.ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(got, keras.ops.convert_to_numpy(model(written)), rtol=1e-4, atol=1e-6)


def test_shared_items_may_come_without_an_axis_for_the_batch():
    model = MODELS["dot"]()
    (x, written), _ = batch()
    got = model({**x, "shared_item": x["shared_item"][0]})
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(got), keras.ops.convert_to_numpy(model(written)), rtol=1e-4
    )


class Stream(keras.utils.PyDataset):
    """Batches with shared items, or the same written out; the last one is shorter."""

    def __init__(self, written, n_rows=None):
        super().__init__()
        self.written, self.n_rows = written, n_rows

    def __len__(self):
        return 7

    def __getitem__(self, index):
        both, labels = batch(seed=index, n_rows=self.n_rows or (B if index < 6 else 4))
        x, written = both
        return (written if self.written else x), labels


def trainable(cls, l2=0.0, decay=0.0):
    """A model of two regularised tables; the same initial weights at every call."""
    keras.utils.set_random_seed(5)
    x = inputs()
    user, item = table(N_USERS, l2=l2)(x["user"]), table(N_ITEMS, l2=l2)(x["item"])
    if decay:
        by_user, by_item = np.arange(1, N_USERS + 1), np.arange(1, N_ITEMS + 1)
        user = layers.FrequencyRegularization.from_counts(by_user, decay)(user, x["user"])
        item = layers.FrequencyRegularization.from_counts(by_item, decay, 0.5)(item, x["item"])
    bias = table(N_ITEMS, 1)(x["item"])
    return cls(x, layers.DotScore()(user, item, item_bias=bias))


LOSSES = {
    "WMRB": {"n_items": N_ITEMS},
    "BalancedWMRB": {"n_items": N_ITEMS},
    "WARP": {"n_items": N_ITEMS, "max_sampled": 3},
    "KOSWARP": {"n_items": N_ITEMS, "k": 1},
    "BPR": {},
    "BPRMax": {},
    "TOP1": {},
    "PairwiseHinge": {},
    "PairwiseLogistic": {},
    "SampledSoftmax": {},
    "FullSoftmax": {},
}


def fitted(model, written, loss, row_sparse=None, n_rows=None):
    settings = {} if row_sparse is None else {"row_sparse": row_sparse}
    model.compile(keras.optimizers.SGD(0.5), loss, **settings)
    history = model.fit(Stream(written, n_rows), epochs=2, shuffle=False, verbose=0)
    return model.get_weights(), history.history["loss"]


@pytest.mark.parametrize("how", [{}, {"l2": 0.01}, {"decay": 0.01}], ids=repr)
def test_training_equals_plain_keras_on_the_lists_written_out(how):
    loss = losses.BPR()
    expected, logs = fitted(trainable(keras.Model, **how), True, loss)
    got, got_logs = fitted(trainable(kerasrec.Model, **how), False, loss, row_sparse=False)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(got_logs, logs, rtol=1e-4)


@pytest.mark.skipif(not fused, reason="plain on this backend")
def test_training_by_rows_equals_plain_keras_on_the_lists_written_out():
    expected, _ = fitted(trainable(keras.Model, decay=0.01), True, losses.WMRB(N_ITEMS))
    got, _ = fitted(trainable(kerasrec.Model, decay=0.01), False, losses.WMRB(N_ITEMS), row_sparse=True)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_trains_as_on_the_lists_written_out(name):
    loss = getattr(losses, name)(**LOSSES[name])
    # Of one shape, which is compiled once; shorter ones are above.
    expected, logs = fitted(trainable(keras.Model), True, loss, n_rows=B)
    got, got_logs = fitted(trainable(kerasrec.Model), False, loss, n_rows=B)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(got_logs, logs, rtol=1e-4)


@pytest.mark.parametrize("name", ["SampledSoftmax", "BPR"])
def test_batches_of_one_row_train_as_on_the_lists_written_out(name):
    """As one event in `Recommender.update`; on TensorFlow, the length of its list was unknown to the loss."""
    loss = getattr(losses, name)()
    expected, _ = fitted(trainable(keras.Model), True, loss, n_rows=1)
    got, _ = fitted(trainable(kerasrec.Model), False, loss, n_rows=1)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_saved_model_takes_shared_items(tmp_path):
    model = MODELS["dot"]()
    model.compile("adam", losses.BPR())
    model.fit(Stream(False), epochs=1, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert sorted(loaded.input) == ["item", "user"]
    (x, written), _ = batch()
    for given in (x, written):
        np.testing.assert_allclose(loaded.predict_on_batch(given), model.predict_on_batch(given), rtol=1e-5)
    assert loaded.evaluate(Stream(False), verbose=0) == pytest.approx(
        model.evaluate(Stream(False), verbose=0)
    )


def test_evaluation_equals_that_of_the_lists_written_out():
    model = MODELS["dot"]()
    model.compile("sgd", losses.WMRB(N_ITEMS))
    shared = model.evaluate(Stream(False), verbose=0)
    assert shared == pytest.approx(model.evaluate(Stream(True), verbose=0), rel=1e-5)


def test_a_user_that_has_the_whole_sample_contributes_nothing():
    x = Interactions([0] * 5 + [1], [*range(5), 0], user_ids=range(2), item_ids=range(5))
    sampler = samplers.UniformSampler(shared=True, replace=False)
    batches = RankingBatches(x, 6, 5, sampler, seed=0)
    inputs, labels = batches[0]
    of_all = inputs["user"][:, 0] == 0
    assert (labels[of_all, 1:] == -1).all() and (labels[~of_all, 1:] == 0).sum() == 4
    model = kerasrec.zoo.MatrixFactorization(2, 5, seed=0)
    before, scores = model.get_weights(), model.predict_on_batch(inputs)
    for name, arguments in LOSSES.items():
        arguments = {**arguments, "n_items": 5} if "n_items" in arguments else arguments
        loss = getattr(losses, name)(**arguments, reduction=None)
        of_rows = keras.ops.convert_to_numpy(one_program(loss)(labels, scores))
        assert (of_rows[of_all] == 0).all() and np.isfinite(of_rows).all(), name
        model.set_weights(before)
        model.compile("sgd", getattr(losses, name)(**arguments), run_eagerly=backend != "jax")
        model.train_on_batch(*batches[0])
        assert all(np.isfinite(w).all() for w in model.get_weights()), name


@pytest.mark.skipif(not fused, reason="plain on this backend")
def test_shared_ids_and_labels_are_checked():
    model = MODELS["dot"]()
    model.compile("sgd", losses.BPR())
    (x, _), labels = batch()
    wrong = {**x, "shared_item": x["shared_item"] + N_ITEMS}
    with pytest.raises(
        ValueError, match=r"Ids of column 'shared_item' must be in 0\.\.39, .*Received: 5 oth"
    ):
        model.train_on_batch(wrong, labels)
    labels[3, P + 1] = 2.0
    message = r"Labels of `shared_item`, the last 5 of a row, must be 0 or -1; .*Received: 1 above 0, .* 2\.0"
    with pytest.raises(ValueError, match=message):
        model.train_on_batch(x, labels)
    with pytest.raises(ValueError, match=message):
        model.train_on_batch(x, np.stack([labels, labels, labels], axis=-1))


def test_layers_are_told_of_training():
    x = inputs()
    user = keras.layers.Dropout(0.999, seed=0)(table(N_USERS)(x["user"]))
    item = keras.layers.Dropout(0.999, seed=1)(table(N_ITEMS)(x["item"]))
    model = kerasrec.Model(x, layers.DotScore()(user, item))
    model.compile("sgd", "mean_squared_error")
    (given, _), labels = batch()
    zeros = np.zeros_like(labels)
    assert model.train_on_batch(given, zeros) == 0 < model.test_on_batch(given, zeros)


class ShortLast(keras.utils.PyDataset):
    """Scores are 0, so that the squared error of a batch is its only label squared: 1, then 16."""

    def __init__(self, shared):
        super().__init__()
        self.shared = shared

    def __len__(self):
        return 2

    def __getitem__(self, index):
        n_rows, label = ((6, 1.0), (2, 4.0))[index]
        items = np.zeros((1 if self.shared else n_rows, 3), "int32")
        return {"user": np.zeros((n_rows, 1), "int32"), "item": items}, np.full((n_rows, 3), label, "float32")


@pytest.mark.parametrize("shared", [True, False])
def test_a_short_last_batch_counts_by_its_samples(shared):
    """Keras counts the rows of the first input, and items that all samples share have one."""
    x = inputs()
    user, item = (layers.FeatureEmbedding(2, 2, "zeros")(x[name]) for name in ("user", "item"))
    model = kerasrec.Model(x, layers.DotScore()(user, item))
    model.compile("sgd", "mean_squared_error")
    mean = (6 * 1 + 2 * 16) / 8
    assert model.evaluate(ShortLast(shared), verbose=0) == pytest.approx(mean)
    # The gradient of a score of zero vectors is zero.
    logs = model.fit(ShortLast(shared), shuffle=False, verbose=0).history
    assert logs == {"loss": [pytest.approx(mean)]}
