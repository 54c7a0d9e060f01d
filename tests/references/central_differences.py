import numpy as np


def gradient(function, x, step=1e-6):
    """The derivative of a scalar function of an array, by central differences in float64."""
    x = np.array(x, "float64")
    result = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        result[index] = (function(up) - function(down)) / (2 * step)
    return result
