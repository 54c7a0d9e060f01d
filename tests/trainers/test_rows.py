"""`row_sparse="lazy"` against a lazy reference in NumPy, and rows that are not read."""

import keras
import numpy as np
import pytest
from keras import optimizers
from references import lazy_optimizers as lazy
from trainers.problem import compiled, fused

import kerasrec

pytestmark = [
    pytest.mark.skipif(not fused, reason="every row is updated on this backend"),
    pytest.mark.usefixtures("training_steps"),
]

N_USERS, N_ITEMS, L2, BATCH = 30, 20, 0.01, 8
READ_USERS, READ_ITEMS = 11, 7  # of the others no row is ever read

RULES = {
    "sgd": (lambda: optimizers.SGD(0.1), lambda: lazy.SGD(0.1)),
    "momentum": (lambda: optimizers.SGD(0.05, momentum=0.9), lambda: lazy.Momentum(0.05)),
    "adagrad": (
        lambda: optimizers.Adagrad(0.1, initial_accumulator_value=0.1),
        lambda: lazy.Adagrad(0.1, first=0.1),
    ),
    "adam": (lambda: optimizers.Adam(0.02), lambda: lazy.Adam(0.02)),
    "adamw": (lambda: optimizers.AdamW(0.02, weight_decay=0.2), lambda: lazy.Adam(0.02, weight_decay=0.2)),
}


def model(tied=False, list_size=None):
    """Scores of a user and an item, or of a user and each item of a list; or of two rows of one table."""
    keras.utils.set_random_seed(5)
    names = {"user": (N_USERS, 3), "item": (N_ITEMS, 3), "user_bias": (N_USERS + 5, 1)}
    user_table, item_table, bias = (
        kerasrec.layers.FeatureEmbedding(n, width, "normal", keras.regularizers.L2(L2), name=f"{name}_table")
        for name, (n, width) in names.items()
    )
    user = keras.Input((1,), name="user", dtype="int32")
    item = keras.Input((list_size or 1,), name="item", dtype="int32")
    # The table of users and the longer one of their bias share a column of ids.
    outputs = kerasrec.layers.DotScore()(
        user_table(user), (user_table if tied else item_table)(item), user_bias=bias(user)
    )
    if list_size is None:
        outputs = keras.ops.expand_dims(outputs, -1)
    return kerasrec.Model({"user": user, "item": item}, outputs)


def data(list_size, n=27):
    rng = np.random.default_rng(3)
    x = {
        "user": rng.integers(0, READ_USERS, (n, 1)).astype("int32"),
        "item": rng.integers(0, READ_ITEMS, (n, list_size or 1)).astype("int32"),
    }
    return x, rng.normal(size=x["item"].shape).astype("float32")


def tables_of(model):
    return {
        layer.name: layer.get_weights()[0].astype("float64")
        for layer in model.layers
        if isinstance(layer, kerasrec.layers.FeatureEmbedding)
    }


def reference_epochs(tables, rule, x, y, tied, epochs):
    """Gradients of the squared error by hand, applied by the reference; the loss of each epoch."""
    losses = []
    other = "user_table" if tied else "item_table"
    for _ in range(epochs):
        costs = []
        for start in range(0, len(y), BATCH):
            part = slice(start, start + BATCH)
            users, items, target = x["user"][part], x["item"][part], y[part]
            p, q = tables["user_table"][users], tables[other][items]  # [B, 1, C], [B, L, C]
            error = np.sum(p * q, axis=-1) + tables["user_bias_table"][users][..., 0] - target
            reads = {"user_table": [], "item_table": [], "user_bias_table": []}
            slope = (2 * error / error.size)[..., None]
            reads["user_table"].append((users, np.sum(slope * q, axis=1)))
            reads[other].append((items, slope * p))
            reads["user_bias_table"].append((users, np.sum(slope, axis=1)))
            reads = {name: lookups for name, lookups in reads.items() if lookups}
            cost = np.mean(error**2) + sum(
                lazy.penalty(tables[name], np.concatenate([ids.ravel() for ids, _ in lookups]), L2)
                for name, lookups in reads.items()
            )
            costs.append((cost, len(target)))
            rule.apply(tables, reads, L2)
        values, weights = np.transpose(costs)
        losses.append(np.average(values, weights=weights))
    return losses


@pytest.mark.parametrize(
    "name, tied, list_size",
    [
        ("sgd", False, 5),
        ("momentum", True, None),
        ("adagrad", False, None),
        ("adam", True, 5),
        ("adamw", False, None),
    ],
)
def test_rows_read_move_as_in_the_reference_and_no_others(name, tied, list_size):
    optimizer, rule = RULES[name]
    x, y = data(list_size)
    trained = compiled(model(tied, list_size), optimizer, row_sparse="lazy", steps_per_execution=3)
    before = tables_of(trained)
    expected = {key: table.copy() for key, table in before.items()}
    rule = rule()
    losses = reference_epochs(expected, rule, x, y, tied, epochs=3)
    history = trained.fit(x, y, batch_size=BATCH, epochs=3, shuffle=False, verbose=0).history

    np.testing.assert_allclose(history["loss"], losses, rtol=1e-4)
    after = tables_of(trained)
    assert set(after) == set(expected)
    for key, table in expected.items():
        np.testing.assert_allclose(after[key], table, rtol=1e-4, atol=1e-5, err_msg=key)
        n_read = READ_ITEMS if key == "item_table" else READ_USERS
        assert np.array_equal(after[key][n_read:], before[key][n_read:])
        assert not np.array_equal(after[key][:n_read], before[key][:n_read])
    assert_slots(trained.optimizer, rule)


def assert_slots(optimizer, rule):
    """Slots are those of the reference, and unread rows of them are as they began."""
    slots = [v for v in optimizer.variables if len(v.shape) == 2]
    expected = [slot for of_table in rule.slots.values() for slot in of_table.values()]
    assert len(slots) == len(expected)
    for variable in slots:
        found = keras.ops.convert_to_numpy(variable)
        n_read = READ_ITEMS if found.shape[0] == N_ITEMS else READ_USERS
        assert (found[n_read:] == np.float32(rule.first)).all()
        same = [slot for slot in expected if slot.shape == found.shape]
        assert min(np.abs(found - slot).max() for slot in same) < 1e-5


def test_keras_embeddings_go_by_rows_where_that_is_the_same():
    def two(embedding):
        keras.utils.set_random_seed(5)
        user = keras.Input((1,), name="user", dtype="int32")
        item = keras.Input((1,), name="item", dtype="int32")
        p, q = (embedding(n, name)(ids) for n, name, ids in ((30, "p", user), (20, "q", item)))
        p, q = (keras.layers.Flatten()(rows) for rows in (p, q))
        outputs = keras.layers.Dot(1)([p, q])
        return compiled(
            kerasrec.Model({"user": user, "item": item}, outputs),
            lambda: optimizers.Adam(0.05),
            row_sparse="lazy",
        )

    def keras_embedding(n, name):
        return keras.layers.Embedding(
            n, 3, "normal", embeddings_regularizer=keras.regularizers.L2(L2), name=name
        )

    def ours(n, name):
        return kerasrec.layers.FeatureEmbedding(n, 3, "normal", keras.regularizers.L2(L2), name=name)

    x, y = data(None)
    results = []
    for embedding in (keras_embedding, ours):
        trained = two(embedding)
        trained.fit(x, y, batch_size=BATCH, epochs=2, shuffle=False, verbose=0)
        results.append([trained.get_layer(name).get_weights()[0] for name in ("p", "q")])
    for mine, other in zip(*results, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)
    fresh = two(keras_embedding)
    assert np.array_equal(results[0][0][READ_USERS:], fresh.get_layer("p").get_weights()[0][READ_USERS:])
