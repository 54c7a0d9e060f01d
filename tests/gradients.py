"""The derivative that a backend computes, for tests of any layer or loss."""

import functools

import keras
import numpy as np


def has_float64():
    """Whether the backend computes in float64 here; JAX does only where switched on before it starts."""
    if keras.backend.backend() != "jax":
        return True
    import jax

    return bool(jax.config.jax_enable_x64)


def best_dtype():
    return "float64" if has_float64() else "float32"


def compiled(function):
    """`function` as one compiled call on JAX, where operations are slow to start; elsewhere as it is."""
    if keras.backend.backend() != "jax":
        return function
    import jax

    return jax.jit(function)


def weighted_sum(x, weights):
    """The scalar to derive, where every entry of `x` has to count differently."""
    return keras.ops.sum(x * keras.ops.convert_to_tensor(weights, x.dtype))


def gradient(function, *arrays):
    """Derivatives of a scalar function of tensors with respect to each, as NumPy arrays."""
    return derivative_of(function, range(len(arrays)))(*arrays)


def derivative_of(function, arguments=(0,)):
    """A function of arrays: the derivatives of `function` with respect to some of its arguments.

    Keep it where the same function is derived again: JAX compiles it once.
    """
    arguments = tuple(arguments)
    if keras.backend.backend() == "jax":
        import jax

        slopes = jax.jit(jax.grad(function, argnums=arguments))
        return lambda *arrays: [np.asarray(slope) for slope in slopes(*map(np.asarray, arrays))]
    return functools.partial(_eager_derivative, function, arguments)


def _eager_derivative(function, arguments, *arrays):
    arrays = [np.asarray(x) for x in arrays]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tensors = [tf.constant(x) for x in arrays]
        with tf.GradientTape() as tape:
            tape.watch([tensors[i] for i in arguments])
            value = function(*tensors)
        slopes = tape.gradient(value, [tensors[i] for i in arguments], unconnected_gradients="zero")
        return [tf.convert_to_tensor(slope).numpy() for slope in slopes]  # a gather's may be by rows
    import torch

    tensors = [torch.tensor(x, requires_grad=i in arguments) for i, x in enumerate(arrays)]
    function(*tensors).backward()
    slopes = [tensors[i].grad for i in arguments]
    return [
        np.zeros(arrays[i].shape) if g is None else g.numpy() for i, g in zip(arguments, slopes, strict=True)
    ]
