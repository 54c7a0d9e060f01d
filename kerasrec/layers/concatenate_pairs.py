from typing import Any

import keras


@keras.saving.register_keras_serializable("kerasrec")
class ConcatenatePairs(keras.layers.Layer):
    """Concatenates a user's and an item's representation, for networks that score the pair.

    `out[b] = [user[b], item[b]]`; in a list the user is concatenated with each item.

    Call arguments:
        user: user representations `[B, C]`.
        item: item representations `[B, D]` (pairs) or `[B, L, D]` (lists).

    Returns:
        `[B, C + D]` for pairs, `[B, L, C + D]` for lists.

    Raises:
        ValueError: if the ranks are wrong.

    Example:
        >>> import numpy as np, kerasrec
        >>> layer = kerasrec.layers.ConcatenatePairs()
        >>> tuple(layer(np.zeros((2, 3), "float32"), np.zeros((2, 7, 4), "float32")).shape)
        (2, 7, 7)
    """

    def build(self, *args: Any, **kwargs: Any) -> None:
        """Create nothing."""
        self.built = True

    def call(self, user: Any, item: Any) -> Any:
        """Concatenate the vectors."""
        if len(user.shape) != 2 or len(item.shape) not in (2, 3):
            raise ValueError(
                f"{type(self).__name__} takes user [batch, size] and item [batch, size] or "
                f"[batch, list, size]. Received: user {tuple(user.shape)}, item {tuple(item.shape)}."
            )
        if len(item.shape) == 3:
            shape = keras.ops.shape(item)[:2] + (user.shape[-1],)
            user = keras.ops.broadcast_to(keras.ops.expand_dims(user, 1), shape)
        return keras.ops.concatenate([user, item], axis=-1)

    def compute_output_shape(self, user_shape: Any, item_shape: Any) -> tuple[int | None, ...]:
        """`[B, C + D]`, or `[B, L, C + D]` for lists."""
        return (*item_shape[:-1], user_shape[-1] + item_shape[-1])
