"""By rows, weights and slots are those of plain Keras, though most rows miss most steps."""

import keras
import numpy as np
import pytest
from keras import optimizers
from trainers.problem import fused
from trainers.rare import NEVER, assert_close, build, fit, model, slots, tables

import kerasrec

pytestmark = pytest.mark.skipif(not fused, reason="every row is updated on this backend")

schedules = optimizers.schedules
EXACT = {
    "sgd": lambda: optimizers.SGD(0.05),
    "momentum": lambda: optimizers.SGD(0.05, momentum=0.9),
    "nesterov": lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True, clipvalue=0.1),
    "adagrad": lambda: optimizers.Adagrad(0.05),
    "decay": lambda: optimizers.SGD(schedules.ExponentialDecay(0.05, 100, 0.5), weight_decay=0.05),
    "rmsprop": lambda: optimizers.RMSprop(0.01, centered=True),
    "adadelta": lambda: optimizers.Adadelta(1.0, clipnorm=0.1),
}
CLOSE = {
    "adam": lambda: optimizers.Adam(0.01),
    "large epsilon": lambda: optimizers.Adam(0.01, epsilon=0.01),
    "clipped": lambda: optimizers.Adam(0.01, global_clipnorm=0.1),
    "amsgrad": lambda: optimizers.Adam(0.01, amsgrad=True, clipnorm=0.5),
    "cosine": lambda: optimizers.Adam(schedules.CosineDecay(0.02, 400), global_clipnorm=1.0),
    "warm up": lambda: optimizers.Adam(schedules.CosineDecay(0.0, 400, warmup_target=0.02, warmup_steps=50)),
    "piecewise": lambda: optimizers.Adam(schedules.PiecewiseConstantDecay([55, 203], [0.02, 0.001, 0.01])),
    "adamw": lambda: optimizers.AdamW(0.01, weight_decay=0.05),
    "adamw, strong": lambda: optimizers.AdamW(
        schedules.CosineDecay(0.02, 400), weight_decay=3.0, epsilon=1e-3
    ),
    "nadam": lambda: optimizers.Nadam(0.01, weight_decay=0.01),
    "rmsprop with momentum": lambda: optimizers.RMSprop(0.005, momentum=0.8),
    "adamax": lambda: optimizers.Adamax(0.01),
}


def both(optimizer, n_steps, epochs, **arguments):
    trained = [model(cls, optimizer) for cls in (kerasrec.Model, keras.Model)]
    before = tables(trained[0])
    logs = [fit(each, n_steps, epochs=epochs, **arguments) for each in trained]
    return trained, before, logs


def assert_both(trained, before, logs, rtol, atol_slots=None):
    ours, plain = trained
    np.testing.assert_allclose(logs[0]["loss"], logs[1]["loss"], rtol=1e-4)
    assert_close(tables(ours), tables(plain), rtol, before)
    assert_close(slots(ours), slots(plain), rtol)


@pytest.fixture(scope="module", params=[*EXACT, *CLOSE])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def plain(name):
    """Trained by plain Keras, once for both kinds of steps."""
    made = model(keras.Model, (EXACT | CLOSE)[name])
    return made, fit(made, 100, epochs=5)


@pytest.mark.slow
def test_500_steps_are_those_of_plain_keras(name, plain, training_steps):
    ours = model(kerasrec.Model, (EXACT | CLOSE)[name])
    before = tables(ours)
    log = fit(ours, 100, epochs=5)
    assert_both((ours, plain[0]), before, (log, plain[1]), rtol=1e-5 if name in EXACT else 1e-3)


def test_adam_in_few_steps():
    trained, before, logs = both(lambda: optimizers.Adam(0.01), n_steps=50, epochs=1)
    assert_both(trained, before, logs, rtol=1e-4)
    # Rows that were never read have no momentum, and others moved on theirs behind their last step.
    lazy = model(kerasrec.Model, lambda: optimizers.Adam(0.01), row_sparse="lazy")
    fit(lazy, 50, epochs=1)
    for mine, other, start in zip(tables(trained[0]), tables(lazy), before, strict=True):
        np.testing.assert_array_equal(mine[-NEVER:], start[-NEVER:])
        assert np.abs(mine - other).max() > 0.03


def test_a_regularizer_acts_on_the_rows_read_alone():
    """The one difference from whole tables: rows that are not read do not shrink under it."""
    made = build(kerasrec.Model)
    made.get_layer("users").embeddings.regularizer = keras.regularizers.L2(0.01)
    made.compile(optimizers.SGD(0.1, momentum=0.9), "mean_squared_error", row_sparse=True, jit_compile=False)
    before = tables(made)
    fit(made, 10)
    np.testing.assert_array_equal(tables(made)[0][-NEVER:], before[0][-NEVER:])


NO_FORM = {
    "Ftrl has no closed form": lambda: optimizers.Ftrl(0.1),
    "Lion has no closed form": lambda: optimizers.Lion(0.01),
    "its learning rate is a function": lambda: optimizers.Adam(lambda: 0.01),
    "Adam with these settings": lambda: optimizers.Adam(0.01, beta_1=0.9, beta_2=0.5),
}


@pytest.mark.parametrize("reason", NO_FORM)
def test_optimizers_without_a_closed_form_are_named(reason):
    with pytest.raises(ValueError, match=f"updates can be applied later, but {reason}.*row_sparse='lazy'"):
        model(kerasrec.Model, NO_FORM[reason])


@pytest.mark.slow
@pytest.mark.parametrize("reason", NO_FORM)
def test_auto_updates_whole_tables_without_a_closed_form(reason):
    trained = [model(kerasrec.Model, NO_FORM[reason], row_sparse=setting) for setting in ("auto", False)]
    for each in trained:
        fit(each, 20)
    assert_close(tables(trained[0]), tables(trained[1]), 1e-6)
