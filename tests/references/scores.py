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


def cosine(user, item):
    """Dot product over the lengths, squares floored at 1e-12 each: `[U, C]`, `[I, C]` to `[U, I]`."""

    def length(vector):
        return np.sqrt(max(sum(x * x for x in vector), 1e-12))

    return np.array(
        [[sum(a * b for a, b in zip(u, i, strict=True)) / length(u) / length(i) for i in item] for u in user]
    )


def euclidean(user, item):
    """Minus the distance, its square floored at 1e-16: `[U, C]`, `[I, C]` to `[U, I]`."""
    return np.array([[-np.sqrt(max(sum((u - i) ** 2), 1e-16)) for i in item] for u in user])


def tastes(scores, attentions=None):
    """Kula 2017: the largest of `[T, U, I]`, or their mean weighed by a softmax of the attentions."""
    scores = np.asarray(scores, "float64")
    if attentions is None:
        return scores.max(axis=0)
    exponentials = np.exp(attentions)
    return (scores * exponentials / exponentials.sum(axis=0)).sum(axis=0)
