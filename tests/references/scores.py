import numpy as np


def dot(user, item, user_bias=0.0, item_bias=0.0):
    """Koren, Bell and Volinsky 2009, eq. 4, one pair at a time: `[U, C]`, `[I, C]` to `[U, I]`."""
    scores = np.empty((len(user), len(item)))
    user_bias = np.broadcast_to(user_bias, len(user))
    item_bias = np.broadcast_to(item_bias, len(item))
    for u in range(len(user)):
        for i in range(len(item)):
            scores[u, i] = sum(a * b for a, b in zip(user[u], item[i], strict=True))
            scores[u, i] += user_bias[u] + item_bias[i]
    return scores


def rating_scale(x, minimum, maximum):
    """The logistic function between two bounds."""
    return minimum + (maximum - minimum) / (1 + np.exp(-np.asarray(x, "float64")))
