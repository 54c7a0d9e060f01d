"""On TensorFlow, XLA compiles the steps of long trainings, and what it cannot compile runs without it."""

import keras
import numpy as np
import pytest
from trainers.problem import BATCH, backend, build, samples

import kerasrec

pytestmark = pytest.mark.skipif(backend != "tensorflow", reason="how TensorFlow runs its steps")


@pytest.fixture
def worth(monkeypatch):
    """Sets from how many samples, steps or scores on XLA is taken."""
    from kerasrec.trainers import _tensorflow

    def set_to(n_samples, n_steps=10**9, n_scores=10**12):
        monkeypatch.setattr(_tensorflow, "_SAMPLES_WORTH_COMPILING", n_samples)
        monkeypatch.setattr(_tensorflow, "_STEPS_WORTH_COMPILING", n_steps)
        monkeypatch.setattr(_tensorflow, "_SCORES_WORTH_COMPILING", n_scores)

    return set_to


def model(layer=None, **settings):
    plain = build()
    outputs = plain.outputs[0] if layer is None else layer(plain.outputs[0])
    ours = kerasrec.Model(plain.inputs, outputs)
    ours.compile("sgd", "mean_squared_error", **settings)
    return ours


def fit(model, epochs=1):
    x, y = samples(70)
    return model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0)


def takes_xla(model):
    """Whether the training steps of a fitted model were compiled by XLA."""
    return any(xla for *_, xla in model._engine._traced)


def test_a_training_counts_by_the_samples_of_all_its_epochs(worth):
    # 70 samples are five batches of 16.
    worth(160)
    ours = model()
    fit(ours)
    assert not takes_xla(ours)
    fit(ours, epochs=2)
    assert takes_xla(ours)


def test_a_training_counts_by_the_steps_of_all_its_epochs(worth):
    worth(10**9, n_steps=10)
    ours = model()
    fit(ours)
    assert not takes_xla(ours)
    fit(ours, epochs=2)
    assert takes_xla(ours)


def test_a_training_counts_by_the_scores_of_lists_that_a_data_set_makes(worth):
    class Lists(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return {"user": np.zeros((4, 1), "int32"), "item": np.ones((4, 5), "int32")}, np.zeros((4, 5))

    user, item = (keras.Input((n,), name=name, dtype="int32") for name, n in (("user", 1), ("item", None)))
    vectors = [keras.layers.Embedding(7, 2)(ids) for ids in (user, item)]
    scores = keras.layers.Reshape((-1,))(keras.layers.Dot(axes=2)(vectors))
    ours = kerasrec.Model({"user": user, "item": item}, scores)
    ours.compile("sgd", "mean_squared_error")
    worth(10**9, n_scores=2 * 3 * 4 * 5)
    ours.fit(Lists(), verbose=0)
    assert not takes_xla(ours)
    ours.fit(Lists(), epochs=2, verbose=0)
    assert takes_xla(ours)
    # By its samples a data set counts as arrays do.
    ours.compile("sgd", "mean_squared_error")
    worth(3 * 4)
    ours.fit(Lists(), verbose=0)
    assert takes_xla(ours)


def test_what_was_compiled_once_stays_so(worth):
    worth(160)
    ours = model()
    fit(ours, epochs=2)
    traced = len(ours._engine._traced)
    fit(ours, epochs=1)
    assert len(ours._engine._traced) == traced


def test_false_never_takes_it(worth):
    worth(0)
    ours = model(jit_compile=False)
    fit(ours)
    assert not takes_xla(ours)


def test_true_takes_it_from_the_first_sample():
    ours = model(jit_compile=True)
    fit(ours)
    assert takes_xla(ours)


@pytest.mark.parametrize("setting, n_compiled", [("auto", 2), (True, 5)])
def test_data_of_ever_new_shapes_are_not_compiled_for_ever(worth, monkeypatch, setting, n_compiled):
    from kerasrec.trainers import _tensorflow

    class Bags(keras.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            ids = np.arange(4 * (index + 1)).reshape(4, -1) % 7
            return ids.astype("int32"), np.ones((4, 1), "float32")

    def trained(cls, **settings):
        keras.utils.set_random_seed(4)
        inputs = keras.Input((None,), dtype="int32")
        bags = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(7, 2)(inputs))
        ours = cls(inputs, keras.layers.Dense(1)(bags))
        ours.compile("sgd", "mean_squared_error", **settings)
        ours.fit(Bags(), epochs=2, shuffle=False, verbose=0)
        return ours

    worth(0)
    monkeypatch.setattr(_tensorflow, "_MOST_PROGRAMS", 2)
    ours = trained(kerasrec.Model, jit_compile=setting)
    assert len(ours._engine._compiled) == n_compiled
    reference = trained(keras.Model, jit_compile=False)
    for mine, theirs in zip(ours.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_a_layer_that_says_it_cannot_be_compiled_is_believed(worth):
    worth(0)
    layer = keras.layers.Identity()
    layer.supports_jit = False
    ours = model(layer)
    fit(ours)
    assert not takes_xla(ours)


def test_slow_versions_do_not_take_it(worth, monkeypatch):
    import tensorflow as tf

    worth(0)
    monkeypatch.setattr(tf, "__version__", "2.20.0")
    ours = model()
    fit(ours)
    assert not takes_xla(ours)


def test_what_xla_does_not_have_runs_without_it(worth):
    import tensorflow as tf

    class OnTheHost(keras.layers.Layer):
        def call(self, inputs):
            outputs = tf.numpy_function(lambda x: x, [inputs], inputs.dtype)
            return inputs + tf.stop_gradient(tf.ensure_shape(outputs, inputs.shape) - inputs)

        def compute_output_shape(self, shape):
            return shape

    x, y = samples(70)
    reference = model(jit_compile=False)
    expected = reference.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0).history["loss"]
    worth(0)
    ours = model(OnTheHost())
    with pytest.warns(
        UserWarning, match=r"XLA cannot compile the training steps of model '.*jit_compile=False"
    ):
        found = ours.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    for mine, theirs in zip(ours.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
