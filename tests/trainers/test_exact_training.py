"""With `row_sparse=False` the arithmetic is that of `keras.Model.fit`, whatever is asked of it."""

import keras
import numpy as np
import pytest
from keras import optimizers
from trainers.problem import BATCH, N_ITEMS, N_USERS, assert_same, build, fused, samples, train_both

import kerasrec

HELD_OUT = samples(48, seed=1)
SCHEDULE = optimizers.schedules.ExponentialDecay(0.05, 3, 0.5)

OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1, global_clipnorm=0.2),
    "momentum": lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: optimizers.Adam(SCHEDULE),
    "adamw": lambda: optimizers.AdamW(0.02, weight_decay=0.1, clipnorm=0.01),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True, clipvalue=0.01),
}
NOT_BY_ROWS = {
    "ema": lambda: optimizers.SGD(0.1, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=4),
    "accumulation": lambda: optimizers.Adam(0.02, gradient_accumulation_steps=3),
    "lamb": lambda: optimizers.Lamb(0.02),
    "adafactor": lambda: optimizers.Adafactor(0.02),
    "loss_scale": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.02), initial_scale=8.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_three_epochs_equal_plain_keras(name, training_steps):
    assert_same(train_both(OPTIMIZERS[name], validation_data=HELD_OUT))


@pytest.mark.slow
@pytest.mark.parametrize("name", NOT_BY_ROWS)
def test_an_optimizer_that_cannot_go_by_rows_stays_exact(name):
    # The table of users is far larger than a batch, and still updated whole.
    assert_same(train_both(NOT_BY_ROWS[name], row_sparse="auto", build=lambda cls: build(cls, n_users=500)))


@pytest.mark.slow
def test_weights_of_samples_and_weighted_metrics():
    settings = {
        "loss": keras.losses.Huber(),
        "loss_weights": [0.5],
        "metrics": ["mean_absolute_error"],
        "weighted_metrics": ["mean_squared_error"],
    }
    trained = train_both(
        settings=settings,
        build=lambda cls: build(cls, biases=True),
        data=samples(70),
        sample_weight=np.random.default_rng(2).uniform(size=70).astype("float32"),
        validation_data=(*samples(37, seed=1), np.linspace(0, 1, 37).astype("float32")),
    )
    assert_same(trained)
    assert {"loss", "mean_absolute_error", "mean_squared_error", "val_mean_squared_error"} <= trained[
        0
    ].logs.keys()


@pytest.mark.slow
def test_weights_of_classes():
    x, y = samples()
    labels = (y > 0).astype("float32")
    settings = {"loss": keras.losses.BinaryCrossentropy(from_logits=True), "metrics": ["AUC"]}
    trained = train_both(settings=settings, data=(x, labels), class_weight={0: 0.2, 1: 3.0}, epochs=1)
    assert_same(trained)
    # A constant score of zero costs log 2 a sample; the weights alone move the loss away from it.
    expected = np.log(2) * (0.2 * (1 - labels.mean()) + 3.0 * labels.mean())
    assert trained[0].logs["loss"][0] == pytest.approx(expected, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    try:
        trained = train_both()
    finally:
        keras.config.set_dtype_policy("float32")
    # Half precision: sums in another order differ in the third digit.
    assert_same(trained, atol=2e-3)
    assert trained[0].model.layers[-1].compute_dtype == policy.removeprefix("mixed_")


@pytest.mark.skipif(not fused, reason="plain on this backend")
@pytest.mark.parametrize("row_sparse", [True, False])
def test_half_precision_of_a_layer_alone(row_sparse):
    """As in a file that was trained under a policy of half precision, and is loaded without it."""

    def half(cls):
        keras.utils.set_random_seed(5)
        user = keras.Input((1,), name="user", dtype="int32")
        item = keras.Input((1,), name="item", dtype="int32")
        vectors = [
            keras.layers.Flatten()(keras.layers.Embedding(n, 3, dtype="mixed_bfloat16")(ids))
            for n, ids in ((N_USERS, user), (N_ITEMS, item))
        ]
        return cls({"user": user, "item": item}, keras.layers.Dot(axes=1, dtype="float32")(vectors))

    # Momentum would move rows that a step did not read.
    assert_same(train_both("sgd", row_sparse=row_sparse, build=half), atol=2e-3)


@pytest.mark.slow
def test_two_outputs_and_a_second_fit_goes_on():
    def two_headed(cls):
        one = build()
        other = keras.layers.Dense(1, name="other", kernel_initializer="ones")(one.outputs[0])
        return cls(one.inputs, {"rating": one.outputs[0], "other": other})

    x, y = samples(70)
    data = [x["item"], x["user"]], {"rating": y, "other": 2 * y}
    losses = {"rating": "mean_squared_error", "other": "mean_absolute_error"}
    trained = train_both(settings={"loss": losses}, build=two_headed, data=data)
    assert_same(trained)
    for each in trained:
        keras.utils.set_random_seed(3)
        each.logs = each.model.fit(*data, batch_size=BATCH, epochs=1, verbose=0).history
    assert_same(trained)
    assert int(trained[0].model.optimizer.iterations) == 4 * 5


@pytest.mark.slow
@pytest.mark.skipif(not fused, reason="plain on this backend")
def test_a_loss_and_metrics_of_ones_own():
    def own(cls):
        class Own(cls):
            def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
                return keras.ops.mean(keras.ops.abs(y - y_pred)) + 2.0 * sum(self.losses)

            def compute_metrics(self, x, y, y_pred, sample_weight=None):
                return super().compute_metrics(x, y, 2 * y_pred, sample_weight)

        return build(Own)

    assert_same(
        train_both(settings={"metrics": ["mean_absolute_error"]}, build=own, validation_data=HELD_OUT)
    )


def test_an_infinite_gradient_of_an_id_that_comes_twice_skips_the_step():
    # Keras on TensorFlow looks at the last of the two alone.
    x = {"user": np.array([[0], [1]], "int32"), "item": np.array([[3], [3]], "int32")}
    y = np.array([[1e9], [1.0]], "float32")
    model = build(kerasrec.Model)
    model.compile(
        optimizers.LossScaleOptimizer(optimizers.SGD(0.1), initial_scale=2.0**120), "mean_squared_error"
    )
    before = model.get_weights()
    model.fit(x, y, batch_size=2, shuffle=False, verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    assert float(model.optimizer.dynamic_scale) == 2.0**119
