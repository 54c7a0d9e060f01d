"""Click models: each against plain NumPy or another library, and what all of them owe."""

import inspect

import keras
import numpy as np
import pandas as pd
import pytest
from contracts.models import CLICK_MODELS

import kerasrec
from kerasrec.data import Impressions, InputColumns, Interactions
from kerasrec.recommender.ranker import columns_of


def table(n=400, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "user": rng.integers(8, size=n),
            "item": rng.choice(list("abcdef"), n),
            "genres": rng.choice(["War", "War|Drama", "Drama", ""], n),
            "price": rng.gamma(2, 10, n),
        }
    )
    odds = np.sin(frame["user"]) * 2 + (frame["item"] < "c") * 2 + frame["price"] / 20 - 2
    return frame.assign(clicked=(rng.random(n) < 1 / (1 + np.exp(-odds))).astype(int))


FRAME = table()
KINDS = {"genres": "labels", "price": "number"}
SHOWN = Impressions.from_frame(FRAME, "clicked", KINDS, user="user", item="item")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def outputs(model, inputs=SHOWN.inputs):
    return keras.ops.convert_to_numpy(model({name: x[:50] for name, x in inputs.items()}, training=False))


def randomised(model, seed=0):
    """With weights of a size at which every part counts."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 0.5, x.shape).astype("float32") for x in model.get_weights()])
    return {
        variable.path: np.asarray(x) for variable, x in zip(model.weights, model.get_weights(), strict=True)
    }


def one_hot(inputs=SHOWN.inputs):
    """The same rows as one matrix: ones of the categories, shares of the labels, numbers."""
    blocks = []
    for name, kind in SHOWN.columns.categories.items():
        ids = inputs[name][:50]
        block = np.zeros((len(ids), kind.n))
        for place in range(ids.shape[1]):
            there = ids[:, place] >= 0
            np.add.at(block, (np.flatnonzero(there), ids[there, place]), 1)
        blocks.append(block / block.sum(axis=1, keepdims=True))
    return np.concatenate([*blocks, inputs["price"][:50]], axis=1)


def by_end(weights, end):
    return next(x for path, x in weights.items() if path.endswith(end))


def linear_by_hand(weights):
    rows = np.concatenate(
        [by_end(weights, "linear_weights/embeddings"), by_end(weights, "linear_numbers/kernel")]
    )
    return one_hot() @ rows


def vectors_by_hand(weights):
    """`[B, F, C]`."""
    v = np.concatenate(
        [by_end(weights, "field_embedding/embeddings"), by_end(weights, "number_embedding/kernel")]
    )
    ends = np.cumsum([kind.n for kind in SHOWN.columns.categories.values()])
    fields = np.split(np.arange(len(v)), ends)
    return np.stack([one_hot()[:, field] @ v[field] for field in fields], axis=1)


def test_logistic_regression_is_a_weight_a_feature():
    model = kerasrec.zoo.create("logistic_regression", SHOWN)
    weights = randomised(model)
    expected = sigmoid(linear_by_hand(weights) + by_end(weights, "intercept"))
    np.testing.assert_allclose(outputs(model), expected, rtol=1e-5)


def test_deepfm_without_a_network_is_the_machine_over_all_pairs():
    model = kerasrec.zoo.create("deepfm", SHOWN, n_components=3, hidden=())
    weights = randomised(model)
    v = vectors_by_hand(weights)
    all_pairs = sum(
        (v[:, f] * v[:, g]).sum(axis=1) for f in range(v.shape[1]) for g in range(f + 1, v.shape[1])
    )
    expected = sigmoid(linear_by_hand(weights)[:, 0] + all_pairs + by_end(weights, "intercept"))
    np.testing.assert_allclose(outputs(model)[:, 0], expected, rtol=1e-4)


def test_dnn_is_a_network_on_the_vectors_side_by_side():
    model = kerasrec.zoo.create("dnn", SHOWN, n_components=3, hidden=(5,), batch_norm=False)
    weights = randomised(model)
    x = vectors_by_hand(weights).reshape(50, -1)
    x = np.maximum(0, x @ by_end(weights, "hidden_0/kernel") + by_end(weights, "hidden_0/bias"))
    expected = sigmoid(x @ by_end(weights, "weigh/kernel") + by_end(weights, "weigh/bias"))
    np.testing.assert_allclose(outputs(model), expected, rtol=1e-4)


@pytest.mark.parametrize("rank", [None, 2])
def test_crosses_are_those_of_keras_rs(rank):
    from keras_rs.layers import FeatureCross

    model = kerasrec.zoo.create("dcn", SHOWN, n_components=3, n_crosses=2, rank=rank, hidden=())
    weights = randomised(model)
    first = x = vectors_by_hand(weights).reshape(50, -1).astype("float32")
    for place in range(2):
        cross = FeatureCross(projection_dim=rank)
        cross(first, x)
        given = [by_end(weights, f"cross_{place}/{name}") for name in ("kernel", "bias")]
        given = given if rank is None else [by_end(weights, f"down_{place}/kernel"), *given]
        cross.set_weights(given)
        x = cross(first, x)
    x = keras.ops.convert_to_numpy(x)
    expected = sigmoid(x @ by_end(weights, "weigh/kernel") + by_end(weights, "weigh/bias"))
    np.testing.assert_allclose(outputs(model), expected, rtol=1e-4, atol=1e-6)


def test_wide_and_deep_adds_a_weight_a_cross():
    crosses = [("user", "item"), ("item", "user")]
    settings = {"n_components": 3, "hidden": (5,), "batch_norm": False, "crosses": crosses}
    model = kerasrec.zoo.create("wide_and_deep", SHOWN, **settings)
    weights = randomised(model)
    x = vectors_by_hand(weights).reshape(50, -1)
    x = np.maximum(0, x @ by_end(weights, "hidden_0/kernel") + by_end(weights, "hidden_0/bias"))
    logits = x @ by_end(weights, "weigh/kernel") + by_end(weights, "weigh/bias") + linear_by_hand(weights)
    n_users, n_items = (SHOWN.columns.categories[name].n for name in ("user", "item"))
    user, item = (SHOWN.inputs[name][:50, 0] for name in ("user", "item"))
    table = by_end(weights, "crosses/embeddings")
    assert len(table) == 2 * n_users * n_items
    logits += table[user * n_items + item] + table[n_users * n_items + item * n_users + user]
    np.testing.assert_allclose(outputs(model), sigmoid(logits), rtol=1e-4)


def by_hand(first, second, buckets=50):
    """SplitMix64 of each code, in Python's whole numbers."""

    def mixed(x, salt):
        x = (x + salt * 0x9E3779B97F4A7C15) % 2**64
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
        return (x ^ x >> 31) >> 34

    return (mixed(first, 1) + mixed(second, 2)) % buckets


def test_a_large_cross_is_hashed_evenly_and_the_same_everywhere():
    from kerasrec.zoo._crosses import CrossedWeights

    layer = CrossedWeights([(3000, 2000)], buckets=50)
    layer.build((None, 2))
    layer.embeddings.assign(np.arange(50.0)[:, None])
    pairs = np.random.default_rng(0).integers(2000, size=(20_000, 2))
    buckets = keras.ops.convert_to_numpy(layer(pairs))[:, 0]
    counts = np.bincount(buckets.astype(int), minlength=50)
    assert counts.min() > 300 and counts.max() < 500  # 400 with a deviation of 20
    assert len(np.unique(buckets[pairs[:, 0] == pairs[0, 0]])) > 1
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(layer(pairs[:3]))[:, 0], [by_hand(*pair) for pair in pairs[:3].tolist()]
    )
    again = CrossedWeights.from_config(layer.get_config())
    again.build((None, 2))
    again.embeddings.assign(layer.embeddings)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(again(pairs))[:, 0], buckets)


@pytest.mark.parametrize("interaction", ["dot", "cat", "both"])
def test_dlrm_takes_the_dots_of_all_pairs(interaction):
    settings = {"n_components": 3, "bottom": (4,), "hidden": (5,), "batch_norm": False}
    model = kerasrec.zoo.create("dlrm", SHOWN, interaction=interaction, **settings)
    weights = randomised(model)

    def layer(x, name):
        return np.maximum(0, x @ by_end(weights, f"{name}/kernel") + by_end(weights, f"{name}/bias"))

    table = by_end(weights, "field_embedding/embeddings")
    ends = np.cumsum([kind.n for kind in SHOWN.columns.categories.values()])[:-1]
    fields = np.split(np.arange(len(table)), ends)
    v = [one_hot()[:, field] @ table[field] for field in fields]
    bottom = layer(layer(SHOWN.inputs["price"][:50], "bottom_0"), "bottom_1")
    whole = [*v, bottom]
    dots = [
        (whole[f] * whole[g]).sum(axis=1, keepdims=True)
        for f in range(len(whole))
        for g in range(f + 1, len(whole))
    ]
    taken = {"dot": dots, "cat": v, "both": dots + v}[interaction]
    x = layer(np.concatenate([bottom, *taken], axis=1), "hidden_0")
    expected = sigmoid(x @ by_end(weights, "weigh/kernel") + by_end(weights, "weigh/bias"))
    np.testing.assert_allclose(outputs(model), expected, rtol=1e-4)


def test_autoint_lets_fields_look_at_each_other():
    model = kerasrec.zoo.create(
        "autoint", SHOWN, n_components=3, n_blocks=2, n_heads=2, head_size=3, hidden=()
    )
    weights = randomised(model)
    x = vectors_by_hand(weights)
    for block in ("block_0", "block_1"):
        q, k, v, r = (
            by_end(weights, f"{block}_{name}/kernel") for name in ("query", "key", "value", "residual")
        )
        heads = []
        for columns in (slice(0, 3), slice(3, 6)):
            scores = np.exp(np.einsum("bfd,bgd->bfg", x @ q[:, columns], x @ k[:, columns]))
            scores /= scores.sum(axis=2, keepdims=True)
            heads.append(np.einsum("bfg,bgd->bfd", scores, x @ v[:, columns]))
        x = np.maximum(0, np.concatenate(heads, axis=2) + x @ r)
    x = x.reshape(50, -1)
    expected = sigmoid(x @ by_end(weights, "weigh/kernel") + by_end(weights, "weigh/bias"))
    np.testing.assert_allclose(outputs(model), expected, rtol=1e-3, atol=1e-5)


def test_the_machine_over_all_pairs_is_that_of_deepfm_without_a_network():
    model = kerasrec.zoo.create("click_factorization_machine", SHOWN, n_components=3)
    same = kerasrec.zoo.create("deepfm", SHOWN, n_components=3, hidden=())
    weights = randomised(model)
    same.set_weights(list(weights.values()))
    np.testing.assert_array_equal(outputs(model), outputs(same))


def test_odds_weighted_by_watch_time_are_those_of_scikit_learn():
    """One category: the odds of each are the mean of its times, however many of its rows are clicked."""
    from sklearn.linear_model import LogisticRegression

    from kerasrec.zoo.youtube_ranker import WatchTimeLoss

    times = np.array([3.0, 5.0, 2.0, 0, 2.0, 0, 0, 0])
    category = np.repeat([[1, 0], [0, 1]], 4, axis=0)
    # Each row once as shown, and again as a click that weighs as much as it was watched.
    fitted = LogisticRegression(C=1e9).fit(
        np.concatenate([category] * 2), np.repeat([0, 1], 8), sample_weight=np.append(np.ones(8), times)
    )
    odds = np.exp(fitted.decision_function([[1, 0], [0, 1]]))
    np.testing.assert_allclose(odds, [10 / 4, 2 / 4], rtol=1e-3)
    loss = WatchTimeLoss()

    def of(logits):
        o = np.exp(np.repeat(logits, 4))[:, None].astype("float32")
        return float(loss(times[:, None].astype("float32"), o))

    p = 1 / (1 + 1 / odds.repeat(4))
    by_hand = -(times * np.log(p) + np.log(1 - p)).mean()
    assert of(np.log(odds)) == pytest.approx(by_hand, rel=1e-5)
    for step in ([0.3, 0], [-0.3, 0], [0, 0.3], [0, -0.3]):
        assert of(np.log(odds) + step) > of(np.log(odds))
    assert np.isfinite([of(np.array([30.0, -30])), of(np.array([-30.0, 30]))]).all()


@pytest.mark.slow
def test_youtube_ranker_expects_the_time_that_is_watched():
    """Items that are clicked as often, and watched five times as long: the model tells them apart."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"item": rng.choice(["long", "short"], 4000)})
    frame["clicked"] = (rng.random(4000) < 0.6).astype(int)
    frame["minutes"] = np.where(frame["item"] == "long", 5.0, 1.0) * frame["clicked"]
    shown = Impressions.from_frame(frame, "clicked", {"item": "category"}, watch_time="minutes")
    network = {"n_components": 8, "hidden": (32,), "dropout": 0.0, "batch_norm": False}
    how = {"epochs": 120, "batch_size": 4000, "learning_rate": 0.02, "verbose": 0}  # no noise of batches
    ranker = kerasrec.Ranker.train(shown, "youtube_ranker", **network, **how)
    found = ranker.score(pd.DataFrame({"item": ["long", "short"]}))
    expected = frame.groupby("item")["minutes"].mean().loc[["long", "short"]]
    np.testing.assert_allclose(found, expected, rtol=0.02)
    report = ranker.evaluate(shown)
    assert report.metrics == ["auc", "mean_predicted", "mean_watched"]
    assert report["mean_watched"] == pytest.approx(frame["minutes"].mean())
    assert report["mean_predicted"] == pytest.approx(frame["minutes"].mean(), rel=0.02)
    with pytest.raises(ValueError, match="Reliability needs probabilities"):
        report.reliability()
    with pytest.raises(ValueError, match="youtube_ranker needs watch times: pass `watch_time=`"):
        kerasrec.Ranker.train(SHOWN, "youtube_ranker", epochs=1)


def test_a_model_begins_at_the_share_that_was_clicked():
    for name, settings in CLICK_MODELS.items():
        if name != "youtube_ranker":
            model = kerasrec.zoo.create(name, SHOWN, **settings)
            assert outputs(model).mean() == pytest.approx(FRAME["clicked"].mean(), abs=0.1), name


@pytest.mark.slow
@pytest.mark.parametrize("name, settings", CLICK_MODELS.items(), ids=str)
def test_what_every_model_owes(name, settings, tmp_path):
    card = kerasrec.zoo.card(name)
    factory = inspect.signature(card.factory).parameters
    for setting in card.hyperparameters:
        assert factory[setting.name].default == setting.default
    model = kerasrec.zoo.create(name, SHOWN, seed=3, learning_rate=0.02, l2=1e-6, **settings)
    assert model.name == name and isinstance(model, kerasrec.Model)
    before = outputs(model)
    again = kerasrec.zoo.create(name, SHOWN, seed=3, learning_rate=0.02, l2=1e-6, **settings)
    np.testing.assert_array_equal(outputs(again), before)
    losses = model.fit(
        SHOWN.inputs, SHOWN.labels, batch_size=50, epochs=8, verbose=0, sample_weight=np.ones(len(SHOWN))
    ).history["loss"]
    assert losses[-1] < losses[0]
    assert kerasrec.evaluation.evaluate(model, SHOWN)["auc"] > 0.75
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(outputs(loaded), outputs(model))
    assert repr(columns_of(loaded)) == repr(SHOWN.columns)


@pytest.mark.parametrize("n_categories", [0, 1])
def test_columns_may_be_numbers_alone_or_one_category(n_categories):
    kinds = {"price": "number"} if n_categories == 0 else {"item": "category"}
    columns = InputColumns.fit(FRAME, kinds)
    for name, settings in CLICK_MODELS.items():
        model = kerasrec.zoo.card(name).factory(columns, **settings)
        assert outputs(model, columns.encode(FRAME)).shape == (50, 1)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="plain on this backend")
def test_the_table_of_the_fields_is_updated_by_rows():
    """A row that no batch reads stays bit for bit, and those that were read move."""
    wide = FRAME.assign(item=[f"i{x}" for x in range(len(FRAME))])
    shown = Impressions.from_frame(wide, "clicked", {}, user="user", item="item")
    model = kerasrec.zoo.create("deepfm", shown, n_components=4, hidden=())
    model.compile("adam", "binary_crossentropy", row_sparse=True)
    table = model.get_layer("field_embedding").embeddings
    before = np.asarray(table)
    model.fit({name: x[:10] for name, x in shown.inputs.items()}, shown.labels[:10], batch_size=5, verbose=0)
    moved = np.flatnonzero((np.asarray(table) != before).any(axis=1))
    sizes = [kind.n for kind in shown.columns.categories.values()]
    read = {*shown.inputs["user"][:10, 0], *(sizes[0] + shown.inputs["item"][:10, 0])}
    assert set(moved) == read


@pytest.mark.parametrize(
    "make, error, message",
    [
        (
            lambda: kerasrec.zoo.create("dcn", Interactions([0], [0], user_ids=["a"], item_ids=["x"])),
            TypeError,
            "dcn must be made for `kerasrec.data.Impressions`.*Received: Interactions",
        ),
        (
            lambda: kerasrec.zoo.create("dcn", SHOWN, item_features=np.eye(3)),
            ValueError,
            "dcn takes no features: .* columns of the impressions .*Received: item_features",
        ),
        (
            lambda: kerasrec.zoo.create("dcn", SHOWN.take(SHOWN.labels == 1)),
            ValueError,
            "must have rows that were clicked and rows that were not",
        ),
        (lambda: kerasrec.zoo.create("dcn", SHOWN, ranks=3), ValueError, "Did you mean 'rank'"),
        (
            lambda: kerasrec.zoo.create("dcn", SHOWN, n_crosses=0),
            ValueError,
            "`n_crosses` must be a positive",
        ),
        (
            lambda: kerasrec.zoo.create("wide_and_deep", SHOWN, crosses=[("user", "genres")]),
            ValueError,
            r"Each of `crosses` must be a pair .*'user', 'item'\. Received: \('user', 'genres'\)",
        ),
        (
            lambda: kerasrec.zoo.create("wide_and_deep", SHOWN, crosses=[("user", "user")]),
            ValueError,
            "Each of `crosses` must be a pair of different columns",
        ),
        (
            lambda: kerasrec.zoo.create("wide_and_deep", SHOWN, buckets=0),
            ValueError,
            "`buckets` must be a positive",
        ),
        (
            lambda: kerasrec.zoo.create("dlrm", SHOWN, interaction="sum"),
            ValueError,
            "`interaction` must be one of dot, cat, both",
        ),
        (
            lambda: kerasrec.zoo.DLRM(InputColumns.fit(FRAME, {"item": "category"})),
            ValueError,
            "dlrm needs at least two columns for its dot",
        ),
        (
            lambda: kerasrec.zoo.create("autoint", SHOWN, head_size=0),
            ValueError,
            "`head_size` must be a positive",
        ),
        (lambda: kerasrec.zoo.create("dnn", SHOWN, hidden=()), ValueError, "`hidden` must have the sizes"),
        (lambda: kerasrec.zoo.create("dnn", SHOWN, dropout=2), ValueError, "`dropout` must be a share"),
        (lambda: kerasrec.zoo.DNN({"a": 3}), TypeError, "`columns` must be fitted .*InputColumns"),
    ],
)
def test_bad_input(make, error, message):
    with pytest.raises(error, match=message):
        make()
