"""`kerasrec.Model` as a class: with and without a graph, in files, and where it falls back to plain Keras."""

import warnings

import keras
import numpy as np
import pytest
from keras import optimizers
from trainers.problem import (
    BATCH,
    N_USERS,
    assert_same,
    assert_same_arrays,
    assert_same_logs,
    build,
    compiled,
    fused,
    samples,
    train,
    train_both,
)

import kerasrec

x, y = samples(70)


def user_graph():
    user = keras.Input((1,), name="user", dtype="int32")
    return {"user": user}, keras.layers.Dense(1)(kerasrec.layers.FeatureEmbedding(N_USERS, 3)(user))


def with_graph(base):
    class WithGraph(base):
        def __init__(self):
            super().__init__(*user_graph())

    return WithGraph


def without_graph(base):
    class WithoutGraph(base):
        def __init__(self):
            super().__init__()
            self.table = kerasrec.layers.FeatureEmbedding(N_USERS, 3)
            self.dense = keras.layers.Dense(1)

        def call(self, inputs):
            return self.dense(self.table(inputs["user"]))

    return WithoutGraph


@pytest.mark.slow
def test_subclasses_with_and_without_a_graph_live_in_one_process():
    ids = {"user": x["user"]}
    for make in (without_graph, with_graph, without_graph, with_graph):
        base = make(kerasrec.Model)
        for cls in (base, type("Further", (base,), {}), base):
            model = cls()
            assert type(model) is cls
            assert isinstance(model, kerasrec.Model)
            assert tuple(model(ids).shape) == (70, 1)
        assert np.isfinite(train(compiled(model, "sgd"), data=(ids, y), epochs=1).logs["loss"]).all()

    class Named(kerasrec.Model):
        pass

    model = Named(*user_graph(), name="mine")
    assert (type(model), model.name) == (Named, "mine")
    assert isinstance(kerasrec.Model(*user_graph()), kerasrec.Model)


@pytest.mark.parametrize(
    "first", ["fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch"]
)
def test_a_model_may_be_built_by_its_first_use(first):
    def use(base):
        keras.utils.set_random_seed(7)
        model = compiled(without_graph(base)(), "sgd", metrics=["mean_absolute_error"])
        arguments = {} if "predict" in first else {"y": y}
        if "batch" not in first:
            arguments.update(batch_size=BATCH, verbose=0)
        result = getattr(model, first)({"user": x["user"]}, **arguments)
        return getattr(result, "history", {"result": result})

    assert_same_logs(use(kerasrec.Model), use(keras.Model))


def test_a_clone_is_a_kerasrec_model_with_the_same_settings():
    model = compiled(build(kerasrec.Model), row_sparse=fused, steps_per_execution=3)
    clone = keras.models.clone_model(model)
    assert isinstance(clone, kerasrec.Model)
    clone.compile_from_config(model.get_compile_config())
    config = clone.get_compile_config()
    assert (config["row_sparse"], config["steps_per_execution"]) == (fused, 3)
    assert clone.count_params() == model.count_params()


@pytest.mark.slow
@pytest.mark.parametrize("saved, loaded", [(True, False), (False, True)] if fused else [(False, False)])
def test_a_file_carries_settings_and_slots_and_training_goes_on(tmp_path, saved, loaded):
    def adam():
        return optimizers.Adam(0.05)

    steps = 3 if fused else 1  # Keras takes no other number on PyTorch
    model = compiled(build(kerasrec.Model), adam, row_sparse=saved, steps_per_execution=steps)
    train(model, epochs=1, shuffle=False)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again, kerasrec.Model)
    config = again.get_compile_config()
    assert (config["row_sparse"], config["steps_per_execution"]) == (saved, steps)
    for mine, theirs in zip(again.optimizer.variables, model.optimizer.variables, strict=True):
        assert np.array_equal(keras.ops.convert_to_numpy(mine), keras.ops.convert_to_numpy(theirs))
    both = train(again, epochs=1, shuffle=False), train(model, epochs=1, shuffle=False)
    assert_same(both)

    # Weights and slots go into a model with the other setting.
    other = compiled(build(kerasrec.Model), adam, row_sparse=loaded)
    other.optimizer.build(other.trainable_variables)
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    assert int(other.optimizer.iterations) == 10
    assert_same_arrays(
        [np.array(v) for v in map(keras.ops.convert_to_numpy, other.optimizer.variables)], both[1].slots
    )
    assert np.isfinite(train(other, epochs=1).logs["loss"]).all()


@keras.saving.register_keras_serializable("kerasrec_tests")
class OwnCompile(kerasrec.Model):
    def compile(self, optimizer):
        super().compile(optimizer=optimizer, loss="mean_squared_error")


def test_a_compile_of_ones_own_is_left_to_its_owner(tmp_path):
    model = OwnCompile(*user_graph())
    model.compile("sgd")
    model.save(tmp_path / "model.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras says that the model comes uncompiled
        again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again, OwnCompile)
    again.compile("sgd")
    assert np.isfinite(train(again, data=({"user": x["user"]}, y), epochs=1).logs["loss"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("steps", ["auto", 2] if fused else ["auto"])
def test_steps_of_ones_own_are_run(steps):
    calls = set()

    def own(cls):
        if cls is keras.Model:
            return build()

        class Own(cls):
            def train_step(self, *arguments):
                calls.add("train")
                return super().train_step(*arguments)

            def test_step(self, *arguments):
                calls.add("test")
                return super().test_step(*arguments)

            def predict_step(self, *arguments):
                calls.add("predict")
                return super().predict_step(*arguments)

        return build(Own)

    plain = train(compiled(own(keras.Model)), validation_data=(x, y), shuffle=False)
    model = compiled(own(kerasrec.Model), steps_per_execution=steps)
    ours = train(model, validation_data=(x, y), shuffle=False)
    assert_same((ours, plain))
    expected = plain.model.predict(x, batch_size=BATCH, verbose=0)
    np.testing.assert_allclose(model.predict(x, batch_size=BATCH, verbose=0), expected, atol=1e-5)
    assert calls == {"train", "test", "predict"}


@pytest.mark.slow
def test_eager_runs_are_plain():
    settings = {"run_eagerly": True, "jit_compile": False}
    assert_same(train_both(settings=settings, row_sparse="auto", epochs=1, validation_data=(x, y)))


def test_row_sparse_without_effect_says_so():
    settings = {"run_eagerly": True} if fused else {}
    with pytest.warns(UserWarning, match="`row_sparse=True` has no effect .*; all rows are updated"):
        model = compiled(build(kerasrec.Model), row_sparse=True, jit_compile=False, **settings)
    assert_same((train(model, epochs=1), train(compiled(build(), jit_compile=False, **settings), epochs=1)))


@pytest.mark.parametrize("steps", [0, -1, True, 2.0, "x", None])
def test_steps_per_execution_is_checked(steps):
    with pytest.raises(
        ValueError,
        match=r"`steps_per_execution` must be a positive integer or 'auto'. Received: steps_per_execution=",
    ):
        build(kerasrec.Model).compile("sgd", "mean_squared_error", steps_per_execution=steps)


def test_steps_per_execution_has_a_limit():
    model = build(kerasrec.Model)
    model.compile("sgd", "mean_squared_error", steps_per_execution=131_072)
    with pytest.raises(
        ValueError, match=r"must be at most 131,072; .* Received: steps_per_execution=131073\."
    ):
        model.compile("sgd", "mean_squared_error", steps_per_execution=131_073)


@pytest.mark.parametrize("row_sparse", ["x", None, 2])
def test_row_sparse_is_checked(row_sparse):
    with pytest.raises(
        ValueError, match=r"`row_sparse` must be True, False, 'auto' or 'lazy'. Received: row_sparse="
    ):
        build(kerasrec.Model).compile("sgd", "mean_squared_error", row_sparse=row_sparse)


def test_fit_and_evaluate_want_a_compiled_model():
    model = build(kerasrec.Model)
    for use in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="You must call `compile\\(\\)` before"):
            use(x, y)


def test_layers_are_told_of_training():
    """Dropout drops in `fit`, and in calls that say so."""
    inputs = {name: keras.Input((1,), name=name, dtype="int32") for name in ("user", "item")}
    table = kerasrec.layers.FeatureEmbedding(5, 8)
    x = keras.layers.Dropout(0.5, seed=0)(table(inputs["user"]) + table(inputs["item"]))
    model = kerasrec.Model(inputs, keras.ops.sum(x, axis=-1))
    ids = {name: np.zeros((64, 1), np.int32) for name in inputs}
    still = keras.ops.convert_to_numpy(model(ids))
    assert np.ptp(still) == 0
    assert np.ptp(keras.ops.convert_to_numpy(model(ids, training=True))) > 0
    model.compile(optimizers.SGD(0.0), "mean_squared_error")
    loss = model.fit(ids, still, batch_size=32, verbose=0).history["loss"][0]
    assert loss > 0  # without dropout the targets are met
    assert model.evaluate(ids, still, verbose=0) == pytest.approx(0.0, abs=1e-10)
