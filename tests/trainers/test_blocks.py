"""Data of every kind, in blocks, give the numbers and the warnings that Keras gives."""

import threading
import warnings

import keras
import numpy as np
import pytest
from trainers.problem import (
    BATCH,
    assert_same_arrays,
    assert_same_logs,
    build,
    compiled,
    fused,
    samples,
    train,
)

import kerasrec

x, y = samples(70)


@pytest.fixture(scope="module")
def pair():
    """Ours and plain, compiled once for all tests here: data must never need another compilation."""
    settings = {"optimizer": lambda: keras.optimizers.SGD(0.1), "weighted_metrics": ["mean_absolute_error"]}
    models = compiled(build(kerasrec.Model), row_sparse=False, **settings), compiled(build(), **settings)
    for model in models:
        # On JAX, the first `fit` of a plain model begins an epoch more, to take a batch from which it builds.
        model.fit(x, y, batch_size=BATCH, verbose=0)
    return models


@pytest.fixture
def same(pair):
    """Runs an action on both from the same weights and seed, and compares what comes of it."""
    initial = build().get_weights()

    def run(action):
        results = []
        for model in pair:
            model.set_weights(initial)
            keras.utils.set_random_seed(9)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                result = action(model)
            texts = {str(w.message).split(";")[0] for w in caught if w.category is UserWarning}
            results.append((getattr(result, "history", result), model.get_weights(), texts))
        (ours, our_weights, our_warnings), (plain, plain_weights, plain_warnings) = results
        if isinstance(plain, dict):
            assert_same_logs(ours, plain)
        else:
            np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-5)
        assert_same_arrays(our_weights, plain_weights)
        assert our_warnings == plain_warnings
        return ours

    return run


class Batches(keras.utils.PyDataset):
    def __init__(self):
        super().__init__()
        self.calls = []

    def __len__(self):
        return 5

    def __getitem__(self, index):
        part = slice(index * BATCH, (index + 1) * BATCH)
        return {name: column[part] for name, column in x.items()}, y[part]

    def on_epoch_begin(self):
        self.calls.append("begin")

    def on_epoch_end(self):
        self.calls.append("end")


def generator(epochs=1):
    for _ in range(epochs):
        yield from (Batches()[index] for index in range(5))


def dataset():
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)


FITS = {
    "no order": {"shuffle": False, "epochs": 2},
    "order within batches": {"shuffle": "batch", "epochs": 2},
    "fewer steps than batches": {"steps_per_epoch": 2, "epochs": 5},
    "as many steps as batches": {"steps_per_epoch": 5, "epochs": 2},
    "more steps than batches": {"steps_per_epoch": 8, "epochs": 2},
    "steps instead of a batch size": {"steps_per_epoch": 5, "batch_size": None, "epochs": 2},
    "batch above the data": {"batch_size": 500, "epochs": 2},
    "last batch of one": {"batch_size": 69},
    "later epochs": {"initial_epoch": 2, "epochs": 4},
    "split": {"validation_split": 0.3, "epochs": 2},
    "validation now and then": {
        "validation_data": (x, y),
        "validation_batch_size": 33,
        "validation_freq": 2,
        "epochs": 4,
    },
    "few validation steps": {"validation_data": (x, y), "validation_steps": 2},
    "more validation steps than batches": {"validation_data": (x, y), "validation_steps": 7},
    "weights": {"sample_weight": np.linspace(0, 2, 70)},
}


@pytest.mark.parametrize("case", FITS)
def test_arrays(same, case):
    arguments = {"batch_size": BATCH, "verbose": 0, **FITS[case]}
    same(lambda model: model.fit(x, y, **arguments))


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float64"])
def test_ids_of_other_types(same, dtype):
    ids = {name: column.astype(dtype) for name, column in x.items()}
    same(lambda model: model.fit(ids, y.astype("float64"), batch_size=BATCH, verbose=0))


def test_tables_and_tensors(same):
    pandas = pytest.importorskip("pandas")
    frames = {name: pandas.Series(column[:, 0]) for name, column in x.items()}
    tensors = {name: keras.ops.convert_to_tensor(column) for name, column in x.items()}
    expected = same(lambda model: model.fit(x, y, batch_size=BATCH, verbose=0))
    for ids in (frames, tensors):
        assert_same_logs(
            same(lambda model, ids=ids: model.fit(ids, y, batch_size=BATCH, verbose=0)), expected
        )


def test_a_generator(same):
    same(lambda model: model.fit(generator(), epochs=1, verbose=0, shuffle=False))
    same(lambda model: model.fit(generator(4), epochs=4, steps_per_epoch=4, verbose=0, shuffle=False))


def test_a_generator_that_ends_early_says_so(same):
    same(lambda model: model.fit(generator(2), epochs=4, steps_per_epoch=3, verbose=0, shuffle=False))


@pytest.mark.slow
def test_a_py_dataset(same):
    calls = []

    def fit(model):
        batches = Batches()
        calls.append(batches.calls)
        return model.fit(batches, epochs=3, validation_data=Batches(), shuffle=False, verbose=0)

    same(fit)
    assert calls[0] == calls[1]
    same(lambda model: model.fit(Batches(), epochs=3, verbose=0))
    same(lambda model: model.fit(Batches(), epochs=3, steps_per_epoch=3, shuffle=False, verbose=0))


@pytest.mark.parametrize("in_thread", [True, False])
def test_batches_that_allow_it_are_made_by_another_thread(pair, in_thread):
    makers, seen = [], []

    class Batches(keras.utils.PyDataset):
        batches_in_thread = in_thread

        def __len__(self):
            return 300  # two calls an epoch

        def __getitem__(self, index):
            if index == 200 and 200 in seen:
                raise OSError("the disk is gone")
            if index:  # the first one is looked at before
                seen.append(index)
                makers.append(threading.current_thread() is threading.main_thread())
            part = slice(index % 4 * BATCH, index % 4 * BATCH + BATCH)
            return {name: column[part] for name, column in x.items()}, y[part]

    with pytest.raises(OSError, match="the disk is gone"):
        pair[0].fit(Batches(), epochs=2, shuffle=False, verbose=0)
    assert seen == [*range(1, 300), *range(1, 200)]
    assert set(makers) == ({True, False} if in_thread and fused else {True})


@pytest.mark.parametrize("in_thread", [True, False])
def test_an_epoch_has_batches_of_one_order(in_thread):
    """Keras looks at a batch to build a model, and then tells the data that an epoch ended."""

    class Batches(keras.utils.PyDataset):
        batches_in_thread = in_thread
        order = 0.0

        def __len__(self):
            return 4

        def __getitem__(self, index):
            return np.full((2, 1), self.order, "float32"), np.zeros((2, 1), "float32")

        def on_epoch_end(self):
            self.order += 1

    model = kerasrec.Model(
        inner := keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")(inner)
    )
    model.compile(keras.optimizers.SGD(0.0), "mean_absolute_error")
    losses = model.fit(Batches(), epochs=3, verbose=0).history["loss"]
    assert np.diff(losses).tolist() == [1.0, 1.0] and losses[0] in (0.0, 1.0)


def test_a_tensorflow_dataset(same):
    same(lambda model: model.fit(dataset(), epochs=2, validation_data=dataset(), shuffle=False, verbose=0))
    repeated = dataset().repeat()
    same(
        lambda model: model.fit(
            repeated,
            epochs=3,
            steps_per_epoch=4,
            validation_data=repeated,
            validation_steps=3,
            shuffle=False,
            verbose=0,
        )
    )
    unknown_length = dataset().filter(lambda *batch: True)
    same(lambda model: model.fit(unknown_length, epochs=2, shuffle=False, verbose=0))


@pytest.mark.skipif(not fused, reason="plain on this backend")
def test_steps_per_epoch_may_be_limited_for_debugging(same):
    keras.config.set_max_steps_per_epoch(2)
    try:
        same(lambda model: model.fit(x, y, batch_size=BATCH, epochs=3, shuffle=False, verbose=0))
    finally:
        keras.config.set_max_steps_per_epoch(None)


@pytest.mark.slow
def test_evaluate_and_predict(same):
    assert np.shape(same(lambda model: model.evaluate(x, y, batch_size=BATCH, verbose=0))) == (2,)
    same(lambda model: model.evaluate(x, y, batch_size=BATCH, steps=2, return_dict=True, verbose=0))
    same(lambda model: model.evaluate(x, y, sample_weight=np.arange(70.0), return_dict=True, verbose=0))
    assert same(lambda model: model.predict(x, batch_size=BATCH, verbose=0)).shape == (70, 1)
    assert same(lambda model: model.predict(x, batch_size=BATCH, steps=2, verbose=0)).shape == (32, 1)


@pytest.mark.parametrize("data", [generator, Batches, dataset])
def test_evaluate_and_predict_streams(same, data):
    same(lambda model: model.evaluate(data(), verbose=0))
    assert same(lambda model: model.predict(data(), verbose=0)).shape == (70, 1)
    assert same(lambda model: model.predict(data(), steps=2, verbose=0)).shape == (32, 1)


@pytest.mark.slow
def test_one_batch(same):
    same(lambda model: model.train_on_batch(x, y))
    same(lambda model: model.train_on_batch(x, y, sample_weight=np.arange(70.0), return_dict=True))
    same(lambda model: model.train_on_batch(x, np.sign(y) > 0, class_weight={0: 0.1, 1: 2.0}))
    same(lambda model: model.test_on_batch(x, y))
    assert same(lambda model: model.predict_on_batch(x)).shape == (70, 1)


@pytest.mark.slow
@pytest.mark.skipif(not fused, reason="plain on this backend")
@pytest.mark.parametrize("steps", [1, 3])
def test_callbacks_are_called_at_the_ends_of_blocks(steps):
    calls = ([], [])
    trained = []
    for cls, list_ in zip((kerasrec.Model, keras.Model), calls, strict=True):
        callback = keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs, to=list_: to.append(("begin", batch)),
            on_train_batch_end=lambda batch, logs, to=list_: to.append(("end", batch)),
        )
        more = {"row_sparse": False} if cls is kerasrec.Model else {}
        model = compiled(build(cls), "sgd", steps_per_execution=steps, **more)
        trained.append(train(model, (x, y), epochs=2, callbacks=[callback], validation_data=(x, y)))
    # Keras on JAX stops counting where the data end; elsewhere it names the last step that would have been.
    assert calls[0] == calls[1]
    assert_same_logs(trained[0].logs, trained[1].logs)
    assert int(trained[0].model.optimizer.iterations) == 10


@pytest.mark.skipif(not fused, reason="plain on this backend")
@pytest.mark.parametrize(("n", "steps"), [(70, 5), (16 * 256, 256), (16 * 257, 129), (16 * 700, 234)])
def test_automatic_steps_split_an_epoch_into_calls_of_one_size(n, steps):
    inputs = keras.Input((1,))
    model = compiled(kerasrec.Model(inputs, keras.layers.Dense(1)(inputs)), steps_per_execution="auto")
    model.fit(np.ones((n, 1)), np.ones(n), batch_size=16, verbose=0)
    assert model.steps_per_execution == steps


@pytest.mark.skipif(not fused, reason="plain on this backend")
def test_automatic_steps_are_more_for_arrays_on_tensorflow():
    inputs = keras.Input((1,))
    model = compiled(kerasrec.Model(inputs, keras.layers.Dense(1)(inputs)), steps_per_execution="auto")
    model.fit(np.ones((64 * 8192, 1), "float32"), np.ones(64 * 8192), batch_size=8192, verbose=0)
    assert model.steps_per_execution == (32 if keras.backend.backend() == "tensorflow" else 8)


@pytest.mark.skipif(not fused, reason="plain on this backend")
@pytest.mark.parametrize(
    "width, n_processes, steps",
    [(1, 1, 8), (900_000, 1, 4), (1_900_000, 1, 2), (1_900_000, 2, 4), (1_900_000, 9, 8), (5_000_000, 1, 1)],
)
def test_automatic_steps_are_fewer_where_batches_are_large(monkeypatch, width, n_processes, steps):
    monkeypatch.setattr("kerasrec.trainers._blocks.n_processes", lambda: n_processes)

    class Wide(keras.utils.PyDataset):
        def __len__(self):
            return 8

        def __getitem__(self, index):
            return np.zeros((1, width), "float32"), np.zeros(1, "float32")

    inputs = keras.Input((width,))
    means = keras.ops.mean(inputs, axis=-1, keepdims=True)
    model = compiled(kerasrec.Model(inputs, keras.layers.Dense(1)(means)), steps_per_execution="auto")
    model.fit(Wide(), verbose=0)
    # A block has at most 16 MB for each of at most four processes, or one batch.
    assert model.steps_per_execution == steps


@pytest.mark.slow
@pytest.mark.skipif(not fused, reason="plain on this backend")
def test_sparse_inputs_train_as_in_plain_keras():
    sparse = pytest.importorskip("scipy.sparse")
    features = sparse.random(70, 20, 0.3, format="csr", dtype="float32", random_state=1)

    def model(cls, **settings):
        keras.utils.set_random_seed(3)
        inputs = keras.Input((20,), sparse=True)
        return compiled(cls(inputs, keras.layers.Dense(1)(inputs)), steps_per_execution=2, **settings)

    arguments = {"data": (features, y), "shuffle": False, "validation_data": (features, y)}
    ours, plain = train(model(kerasrec.Model), **arguments), train(model(keras.Model), **arguments)
    assert_same_logs(ours.logs, plain.logs)
    np.testing.assert_allclose(
        ours.model.predict(features, verbose=0), plain.model.predict(features, verbose=0), atol=1e-5
    )
