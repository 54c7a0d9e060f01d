"""Models called outside of training, as one program where the backend gains by it."""

import weakref
from collections.abc import Callable
from typing import Any

import keras

# Programs by model. A model's graph does not change, and programs read its current weights.
_programs: "weakref.WeakKeyDictionary[keras.Model, Callable[[Any], Any]]" = weakref.WeakKeyDictionary()
# From this call of a model on, tracing it on TensorFlow costs less than calling its operations one by one.
_WORTH_TRACING = 10
# A model with fewer weights has few operations, and those of another model of the same sizes are compiled.
_DEEP = 15


def call(model: keras.Model, inputs: Any) -> Any:
    """The outputs of a model in inference, for one batch.

    On JAX, a direct call compiles every operation by itself for every shape: for a block of self-attention,
    this is a hundred programs. There, a deep model is one program for every shape. TensorFlow compiles
    nothing for a direct call, but its operations start one by one; a deep model that is called often is
    traced.

    Args:
        model: a `keras.Model`.
        inputs: as the model takes them, NumPy arrays or tensors.

    Returns:
        What the model returns.
    """
    make = _MAKERS.get(keras.backend.backend())
    if make is None or len(model.variables) < _DEEP:
        return model(inputs, training=False)
    if model not in _programs:
        # A program must not keep the model, which is its key.
        _programs[model] = make(weakref.ref(model))
    return _programs[model](inputs)


def _on_jax(held: Callable[[], Any]) -> Callable[[Any], Any]:
    import jax

    def outputs(trainable: Any, rest: Any, inputs: Any) -> Any:
        return held().stateless_call(trainable, rest, inputs, training=False)[0]

    compiled = jax.jit(outputs)

    def program(inputs: Any) -> Any:
        model = held()
        trainable = [variable.value for variable in model.trainable_variables]
        return compiled(trainable, [variable.value for variable in model.non_trainable_variables], inputs)

    return program


def _on_tensorflow(held: Callable[[], Any]) -> Callable[[Any], Any]:
    import tensorflow as tf

    def outputs(inputs: Any) -> Any:
        return held()(inputs, training=False)

    traced = tf.function(outputs, autograph=False, reduce_retracing=True)
    n_calls = 0

    def program(inputs: Any) -> Any:
        nonlocal n_calls
        n_calls += 1
        return (outputs if n_calls < _WORTH_TRACING else traced)(inputs)

    return program


_MAKERS = {"jax": _on_jax, "tensorflow": _on_tensorflow}
