from typing import Any

import keras
from keras import ops

from kerasrec.layers._inner_product import inner_product
from kerasrec.layers._unit_length import unit_length
from kerasrec.layers.score import Score


@keras.saving.register_keras_serializable("kerasrec")
class CosineScore(Score):
    """The cosine of the angle between a user's and an item's representation, plus their biases.

    `score = user . item / (|user| * |item|) + user_bias + item_bias`, in three forms that agree: pairs,
    lists, and all pairs (`all_pairs`). A squared length is floored at 1e-12; the zero vector scores 0.

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
        >>> score = kerasrec.layers.CosineScore()
        >>> round(float(score(np.array([[1.0, 0.0]]), np.array([[5.0, 5.0]]))[0]), 4)
        0.7071

    References:
        Kirk, "TensorRec: CosineSimilarityPredictionGraph", 2018.
    """

    def compare(self, user: Any, item: Any) -> Any:
        """`[..., C]` with `[..., C]` to `[...]`."""
        return inner_product(unit_length(user), unit_length(item))

    def compare_all(self, user: Any, item: Any) -> Any:
        """`[U, C]` with `[I, C]` to `[U, I]`."""
        return ops.matmul(unit_length(user), ops.transpose(unit_length(item)))
