"""Representations in plain NumPy, from dense features `[n, F]`, one entity at a time."""

import numpy as np


def linear(features, kernel):
    return np.array(
        [sum(weight * row for weight, row in zip(entity, kernel, strict=True)) for entity in features]
    )


def normalized(vectors):
    """Kirk, TensorRec, 2018: `tf.nn.l2_normalize`, its floor included."""
    return np.array([vector / np.sqrt(max(np.dot(vector, vector), 1e-12)) for vector in np.asarray(vectors)])


def weighted(features, weights):
    return np.asarray(features) * np.asarray(weights)


def relu(features, relu_kernel, relu_bias, kernel):
    """Kirk, TensorRec, 2018: `ReLURepresentationGraph`."""
    return np.maximum(linear(features, relu_kernel) + relu_bias, 0) @ kernel


def deep(features, kernels, biases):
    """Dense layers, rectified but for the last, which is a hyperbolic tangent."""
    x = np.asarray(features)
    for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
        x = np.maximum(linear(x, kernel) + bias, 0)
    return np.tanh(linear(x, kernels[-1]) + biases[-1])
