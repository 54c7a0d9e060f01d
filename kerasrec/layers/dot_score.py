from typing import Any

import keras

from kerasrec.layers._inner_product import inner_product
from kerasrec.layers.score import Score

# Assumed number of users or items if it is unknown.
_LONG = 4096


@keras.saving.register_keras_serializable("kerasrec")
class DotScore(Score):
    """The dot product of a user's and an item's representation, plus their biases.

    `score = sum_c user[c] * item[c] + user_bias + item_bias`, in three forms that agree: pairs, lists,
    and all pairs (`all_pairs`).

    Call arguments:
        user: user representations `[B, C]`.
        item: item representations `[B, C]` (pairs) or `[B, L, C]` (lists).
        user_bias: `[B, 1]`, or `None`.
        item_bias: `[B, 1]` for pairs, `[B, L, 1]` for lists, or `None`.

    Returns:
        Scores `[B]` for pairs, `[B, L]` for lists.

    Raises:
        ValueError: if the ranks are wrong or the numbers of components differ.

    Example:
        >>> import numpy as np, kerasrec
        >>> score = kerasrec.layers.DotScore()
        >>> float(score(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]))[0])
        11.0

    References:
        Koren, Bell and Volinsky, "Matrix factorization techniques for recommender systems", 2009, eq. 4.
    """

    def compare(self, user: Any, item: Any) -> Any:
        """`[..., C]` with `[..., C]` to `[...]`."""
        return inner_product(user, item)

    def compare_all(self, user: Any, item: Any) -> Any:
        """`[U, C]` with `[I, C]` to `[U, I]`."""
        return keras.ops.matmul(user, keras.ops.transpose(item))

    def with_biases(self, user: Any, item: Any, user_bias: Any, item_bias: Any) -> Any:
        """Scores with the biases as two more components; sums over `[U, I]` and their gradients cost more."""
        if type(self).compare_all is not DotScore.compare_all:  # a subclass that compares in another way
            return super().with_biases(user, item, user_bias, item_bias)
        if user_bias is None and item_bias is None:
            return self.compare_all(user, item)
        users, items = [user], [item]
        if user_bias is not None:
            users.append(user_bias)
            items.append(keras.ops.ones_like(item[:, :1]))
        if item_bias is not None:
            users.append(keras.ops.ones_like(user[:, :1]))
            items.append(item_bias)
        if (item.shape[0] or _LONG) > (user.shape[0] or _LONG):
            return self.compare_all(
                keras.ops.concatenate(users, axis=1), keras.ops.concatenate(items, axis=1)
            )
        # Concatenate after the transposition, so that the items' gradient is the product of `[C, U]` with
        # `[U, I]`; otherwise XLA transposes the latter, which takes three times as long.
        items = [keras.ops.transpose(part) for part in items]
        return keras.ops.matmul(keras.ops.concatenate(users, axis=1), keras.ops.concatenate(items, axis=0))
