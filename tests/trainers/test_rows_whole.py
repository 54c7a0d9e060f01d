"""Where a batch reads every row, updates by rows are those of plain Keras; and which tables go by rows."""

import keras
import numpy as np
import pytest
from keras import optimizers
from trainers.problem import (
    BATCH,
    N_ITEMS,
    N_USERS,
    assert_same,
    build,
    compiled,
    fused,
    samples,
    train,
    train_both,
)

import kerasrec

pytestmark = pytest.mark.skipif(not fused, reason="every row is updated on this backend")

OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1, global_clipnorm=0.3),
    "adam": lambda: optimizers.Adam(
        optimizers.schedules.CosineDecay(0.05, 20), amsgrad=True, loss_scale_factor=8.0
    ),
    "adamw": lambda: optimizers.AdamW(0.02, weight_decay=0.1),
    "adamax": lambda: optimizers.Adamax(0.02, clipnorm=0.05),
    "adadelta": lambda: optimizers.Adadelta(1.0),
    "adagrad": lambda: optimizers.Adagrad(0.1, clipvalue=0.01),
    "ftrl": lambda: optimizers.Ftrl(
        0.1, l1_regularization_strength=0.01, l2_shrinkage_regularization_strength=0.1
    ),
    "lion": lambda: optimizers.Lion(0.003),
    "nadam": lambda: optimizers.Nadam(0.02),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.9, centered=True),
}


def all_rows(n_items=N_ITEMS):
    """Batches of 16 in which each user and each item comes at least once, some twice."""
    rng = np.random.default_rng(4)

    def column(n):
        batches = (
            rng.permutation(np.concatenate([np.arange(n), rng.integers(0, n, BATCH - n)])) for _ in range(4)
        )
        return np.concatenate(list(batches))[:, None].astype("int32")

    return {"user": column(N_USERS), "item": column(n_items)}, rng.normal(size=(64, 1)).astype("float32")


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_equals_plain_keras_where_all_rows_are_read(name):
    row_sparse = "lazy" if name in ("ftrl", "lion") else True
    assert_same(train_both(OPTIMIZERS[name], row_sparse=row_sparse, data=all_rows(), shuffle=False))


def test_weight_decay_leaves_out_what_it_is_told_to():
    trained = []
    for cls, settings in ((kerasrec.Model, {"row_sparse": True}), (keras.Model, {})):
        model = build(cls)
        optimizer = optimizers.AdamW(0.01, weight_decay=5.0)
        optimizer.exclude_from_weight_decay(
            [model.get_layer("user_table").embeddings, model.layers[-1].kernel]
        )
        trained.append(
            train(compiled(model, lambda o=optimizer: o, **settings), data=all_rows(), shuffle=False)
        )
    assert_same(trained)


def test_auto_takes_the_rows_of_large_tables_alone():
    x, y = samples(n_users=4)
    model = compiled(build(kerasrec.Model, n_users=1000), lambda: optimizers.SGD(0.1, momentum=0.9))
    before = model.get_layer("user_table").get_weights()[0]
    items = model.get_layer("item_table").get_weights()[0]
    train(model, data=(dict(x, item=x["item"] % 3), y))
    after = model.get_layer("user_table").get_weights()[0]
    assert np.array_equal(before[4:], after[4:])
    # Few items: all of them shrink under their regularizer, read or not.
    assert (np.abs(model.get_layer("item_table").get_weights()[0][3:]) < np.abs(items[3:])).all()


class AllItems(keras.layers.Layer):
    """Scores against the whole table of another layer: a use that is not a lookup."""

    def __init__(self, layer, **kwargs):
        super().__init__(**kwargs)
        self.layer = layer

    def call(self, user):
        return keras.ops.matmul(user, keras.ops.transpose(self.layer.embeddings))


class Picked(keras.layers.Layer):
    """Rows of a table that belongs to this layer, read with `keras.ops.take`."""

    def build(self, shape):
        self.table = self.add_weight(shape=(N_ITEMS, 3), initializer="ones")

    def call(self, ids):
        return keras.ops.take(self.table, ids[:, 0], axis=0)


def used_otherwise(case):
    def model(cls):
        keras.utils.set_random_seed(5)
        user = keras.Input((1,), name="user", dtype="int32")
        item = keras.Input((1,), name="item", dtype="int32")
        table = kerasrec.layers.FeatureEmbedding(30, 3, "normal", keras.regularizers.L2(0.01), name="table")
        if case == "also used densely":
            out = keras.layers.Concatenate()([table(user), AllItems(table)(table(user))])
        elif case == "tied, and also used densely":
            out = keras.layers.Concatenate()([table(user), AllItems(table)(table(item))])
        elif case == "taken by hand":
            out = Picked()(item)
        else:
            arguments = {
                "constrained": {"embeddings_constraint": keras.constraints.UnitNorm(0)},
                "regularized as a whole": {
                    "embeddings_regularizer": keras.regularizers.OrthogonalRegularizer(0.01)
                },
                "with LoRA": {"lora_rank": 2},
            }[case]
            out = keras.layers.Flatten()(keras.layers.Embedding(30, 3, "normal", **arguments)(user))
        # Keras 3.12 refuses a model that leaves an input unused.
        both = keras.layers.Rescaling(0.01)(keras.layers.Concatenate()([user, item]))
        out = keras.layers.Concatenate()([out, both])
        return cls({"user": user, "item": item}, keras.layers.Dense(1, kernel_initializer="ones")(out))

    return model


@pytest.mark.parametrize(
    "case",
    [
        "also used densely",
        "tied, and also used densely",
        "taken by hand",
        "constrained",
        "regularized as a whole",
        "with LoRA",
    ],
)
def test_tables_that_cannot_go_by_rows_are_updated_whole(case):
    # Most of the rows are not read, so that by rows the weights would be others.
    x, y = samples(n_users=5, n_items=5)
    assert_same(train_both(row_sparse=True, build=used_otherwise(case), data=(x, y)))


def test_a_frozen_table_stays():
    def model(cls):
        whole = build(cls, biases=True)
        whole.get_layer("user_table").trainable = False
        return whole

    ours, plain = train_both(row_sparse=True, build=model, data=all_rows(), shuffle=False)
    assert_same((ours, plain))
    assert np.array_equal(ours.weights[0], build().get_weights()[0])


REFUSED = {
    "Lamb": lambda: optimizers.Lamb(),
    "Adafactor": lambda: optimizers.Adafactor(),
    "Muon": lambda: optimizers.Muon(),
    "LossScaleOptimizer": lambda: optimizers.LossScaleOptimizer(optimizers.Adam()),
    "use_ema": lambda: optimizers.Adam(use_ema=True),
    "gradient_accumulation_steps": lambda: optimizers.SGD(gradient_accumulation_steps=2),
}


@pytest.mark.parametrize("row_sparse", [True, "lazy"])
@pytest.mark.parametrize("name", REFUSED)
def test_optimizers_that_are_not_applied_by_rows_are_refused_by_name(name, row_sparse):
    message = rf"`row_sparse={row_sparse!r}` needs an optimizer .*{name}.* or row_sparse=False"
    with pytest.raises(ValueError, match=message):
        build(kerasrec.Model).compile(REFUSED[name](), "mean_squared_error", row_sparse=row_sparse)


def test_a_users_own_optimizer_is_refused_too():
    class Mine(optimizers.Adam):
        def update_step(self, gradient, variable, learning_rate):
            super().update_step(gradient - keras.ops.mean(gradient), variable, learning_rate)

    with pytest.raises(ValueError, match="the update of Mine is not elementwise"):
        build(kerasrec.Model).compile(Mine(), "mean_squared_error", row_sparse=True)
