"""A shape is compiled once: not again for an epoch, a validation or a last, shorter batch."""

import keras
import numpy as np
import pytest
from trainers.problem import BATCH, backend, build, compiled, fused, samples, train

import kerasrec

pytestmark = pytest.mark.skipif(not fused, reason="plain on this backend")


class Counter(keras.layers.Layer):
    """Counts how often Python goes through the model: only while it is traced."""

    calls = 0

    def call(self, inputs):
        Counter.calls += 1
        return inputs


def counted():
    plain = build()
    return kerasrec.Model(plain.inputs, Counter()(plain.outputs[0]))


class AtEpochEnd(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.calls = []

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(Counter.calls)


@pytest.mark.slow
@pytest.mark.parametrize("row_sparse", [False, True])
@pytest.mark.parametrize("steps", ["auto", 3])
def test_nothing_is_traced_again(row_sparse, steps):
    model = compiled(counted(), row_sparse=row_sparse, steps_per_execution=steps)
    held_out = samples(37)
    x, y = data = samples(70)
    calls = AtEpochEnd()
    train(model, data, epochs=3, callbacks=[calls], validation_data=held_out)
    assert len(set(calls.calls)) == 1
    before = Counter.calls
    train(model, data, epochs=2, callbacks=[calls], validation_data=held_out)
    assert Counter.calls == before
    model.evaluate(x, y, batch_size=BATCH, verbose=0)
    model.predict(x, batch_size=BATCH, verbose=0)
    before = Counter.calls
    model.evaluate(x, y, batch_size=BATCH, verbose=0)
    model.predict(x, batch_size=BATCH, verbose=0)
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    train(model, data, epochs=1)
    assert Counter.calls == before


@pytest.mark.slow
@pytest.mark.skipif(backend != "tensorflow", reason="a program of this backend has one shape")
def test_one_graph_serves_every_number_of_samples_and_steps():
    model = compiled(counted(), row_sparse=True)
    train(model, samples(70), epochs=1)
    before = Counter.calls
    for n, batch_size in ((66, BATCH), (40, 20), (8, 3)):
        train(model, data=samples(n), batch_size=batch_size, epochs=1)
    assert Counter.calls == before


def test_a_learning_rate_set_between_fits_counts_without_tracing():
    model = compiled(counted(), "sgd", row_sparse=True)
    train(model, epochs=1)
    calls, weights = Counter.calls, model.get_weights()
    model.optimizer.learning_rate = 0.0
    train(model, epochs=1)
    assert Counter.calls == calls
    for before, after in zip(weights, model.get_weights(), strict=True):
        assert np.array_equal(before, after)


@pytest.mark.skipif(backend != "tensorflow", reason="JAX finds the shapes in a trace of its own")
def test_steps_that_count_missed_updates_are_traced_once():
    """TensorFlow traces a function again in which it saw a variable being made."""
    model = compiled(counted(), "adam", row_sparse=True)
    Counter.calls = 0
    train(model, samples(48), epochs=1)
    assert Counter.calls == 2  # one to build the loss
