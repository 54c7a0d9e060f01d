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


def gradient_of_rows(function, x, step=1e-6):
    """The derivative of the sum of a function of rows, `[n_rows, size]` to `[n_rows]`.

    Each value depends on its row alone, so that one column moves in all rows at once.
    """
    x = np.array(x, "float64")
    moves = step * np.eye(x.shape[1])
    return np.stack([(function(x + move) - function(x - move)) / (2 * step) for move in moves], axis=1)
