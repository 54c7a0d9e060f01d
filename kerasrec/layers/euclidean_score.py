from typing import Any

import keras
from keras import ops

from kerasrec._precision import at_least_float32
from kerasrec.layers.score import Score


@keras.saving.register_keras_serializable("kerasrec")
class EuclideanScore(Score):
    """Minus the distance between a user's and an item's representation, plus their biases.

    `score = -sqrt(max(sum_c (user[c] - item[c]) ** 2, 1e-16)) + user_bias + item_bias`, in three forms:
    pairs, lists, and all pairs (`all_pairs`). All pairs are one matrix product,
    `|u|**2 - 2 * u . i + |i|**2`, which in float32 agrees with the others up to rounding. If user and item
    almost coincide, the difference is up to about 1e-3 of the longest vector.

    Call arguments:
        user: user representations `[B, C]`.
        item: item representations `[B, C]` (pairs), `[B, L, C]` (lists) or `[1, L, C]` (one list for all
            users).
        user_bias: `[B, 1]`, or `None`.
        item_bias: `[B, 1]` for pairs, `[B, L, 1]` or `[1, L, 1]` for lists, or `None`.

    Returns:
        Scores `[B]` for pairs, `[B, L]` for lists.

    Raises:
        ValueError: if the ranks are wrong or the numbers of components differ.

    Example:
        >>> import numpy as np, kerasrec
        >>> score = kerasrec.layers.EuclideanScore()
        >>> float(score(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]))[0])
        -5.0

    References:
        Kirk, "TensorRec: EuclideanSimilarityPredictionGraph", 2018.
    """

    def compare(self, user: Any, item: Any) -> Any:
        """`[..., C]` with `[..., C]` to `[...]`."""
        return _minus_root(
            ops.sum(ops.square(at_least_float32(user) - at_least_float32(item)), axis=-1), user.dtype
        )

    def compare_all(self, user: Any, item: Any) -> Any:
        """`[U, C]` with `[I, C]` to `[U, I]`."""
        # A common shift does not change distances, and keeps the squares small.
        u, i = at_least_float32(user), at_least_float32(item)
        centre = ops.mean(i, axis=0)
        u, i = u - centre, i - centre
        squares = ops.sum(ops.square(u), axis=-1, keepdims=True) + ops.sum(ops.square(i), axis=-1)
        return _minus_root(squares - 2.0 * ops.matmul(u, ops.transpose(i)), user.dtype)


def _minus_root(square: Any, dtype: Any) -> Any:
    return ops.cast(-ops.sqrt(ops.maximum(square, 1e-16)), dtype)
