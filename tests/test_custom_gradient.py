import gc
import sys
import weakref

import keras
import numpy as np
import pytest
from gradients import gradient

from kerasrec._custom_gradient import custom_gradient


def doubled():
    """Twice the tensor, with a derivative of 3, which no backend would find by itself."""

    @custom_gradient
    def double(x):
        def slope(*args, upstream=None):
            return 3 * (args[0] if upstream is None else upstream)

        return 2 * x, slope

    return double


@pytest.fixture
def tensorflow():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("other backends keep no gradients")
    import tensorflow as tf

    return tf


def registered():
    registry = sys.modules["tensorflow.python.framework.ops"].gradient_registry
    return {name for name in registry.list() if name.startswith("CustomGradient")}


def test_the_gradient_is_its_own():
    double = doubled()
    assert keras.ops.convert_to_numpy(double(keras.ops.ones(2))).tolist() == [2, 2]
    found = gradient(lambda x: keras.ops.sum(double(x)), np.ones(2, "float32"))[0]
    assert found.tolist() == [3, 3]


@pytest.mark.parametrize("form", ["function", "loop", "branch"])
def test_a_function_traced_before_has_it(form, tensorflow):
    tf, double = tensorflow, doubled()
    forms = {
        "function": double,
        "loop": lambda x: tf.while_loop(lambda i, _: i < 2, lambda i, y: (i + 1, double(y)), [0, x])[1],
        "branch": lambda x: tf.cond(x[0] > 0, lambda: double(x), lambda: x),
    }
    traced = tf.function(forms[form], autograph=False).get_concrete_function(tf.TensorSpec([2]))
    gc.collect()
    x = tf.ones(2)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = traced(x)
    assert tape.gradient(y, x).numpy().tolist() == ([9, 9] if form == "loop" else [3, 3])


def test_it_ends_with_its_graph(tensorflow):
    gc.collect()
    before = registered()
    traced = tensorflow.function(doubled(), autograph=False).get_concrete_function(tensorflow.TensorSpec([2]))
    graph = weakref.ref(traced.graph)
    assert len(registered() - before) == 1
    del traced
    gc.collect()
    assert graph() is None
    assert not registered() - before


def test_a_version_that_stores_it_elsewhere(tensorflow, monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow.python.framework.ops")
    traced = tensorflow.function(doubled(), autograph=False)
    assert traced(tensorflow.ones(2)).numpy().tolist() == [2, 2]
