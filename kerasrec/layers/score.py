import inspect
from typing import Any

import keras


class Score(keras.layers.Layer):
    """The base class of score layers: scores of pairs, lists and all pairs from one comparison, plus biases.

    A subclass defines `compare(user, item)` for representations whose leading axes broadcast. If all pairs
    can be computed in less memory than `[U, I, C]`, it also defines `compare_all(user, item)`. A model with
    one such layer factorises: it has towers, and evaluation and recommendation use them.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        user: user representations `[B, C]`.
        item: item representations `[B, C]` (pairs), `[B, L, C]` (lists) or `[1, L, C]` (one list for all).
        user_bias: `[B, 1]`, or `None`.
        item_bias: `[B, 1]` for pairs, `[B, L, 1]` or `[1, L, 1]` for lists, or `None`.

    Returns:
        Scores `[B]` for pairs, `[B, L]` for lists.

    Raises:
        ValueError: if the representations have wrong shapes or sizes.

    Example:
        >>> import keras, kerasrec, numpy as np
        >>> @keras.saving.register_keras_serializable("mine")
        ... class Manhattan(kerasrec.layers.Score):
        ...     def compare(self, user, item):
        ...         return -keras.ops.sum(keras.ops.abs(user - item), axis=-1)
        >>> Manhattan()(np.array([[0.0, 1.0]]), np.array([[[0.0, 3.0], [2.0, 0.0]]])).shape[1]
        2
    """

    def compare(self, user: Any, item: Any) -> Any:
        """The score of each pair, without biases.

        Args:
            user: `[..., C]`.
            item: `[..., C]`; leading axes broadcast.

        Returns:
            `[...]`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `compare`.")

    def compare_all(self, user: Any, item: Any) -> Any:
        """The scores of every user with every item, without biases.

        Args:
            user: `[U, C]`.
            item: `[I, C]`.

        Returns:
            `[U, I]`.
        """
        return self.compare(keras.ops.expand_dims(user, 1), keras.ops.expand_dims(item, 0))

    def build(self, *args: Any, **kwargs: Any) -> None:
        """Create nothing."""
        self.built = True

    def call(self, user: Any, item: Any, user_bias: Any = None, item_bias: Any = None) -> Any:
        """Score pairs or lists."""
        self._check(user, item)
        lists = len(item.shape) == 3
        if lists and item.shape[0] == 1:  # one list for all users: a matrix product
            item, item_bias = (x if x is None else keras.ops.squeeze(x, 0) for x in (item, item_bias))
            return self.with_biases(user, item, user_bias, item_bias)
        if lists and item.shape[1] == 1:  # as pairs, with one axis less
            score = keras.ops.expand_dims(self.compare(user, keras.ops.squeeze(item, 1)), 1)
        else:
            score = self.compare(keras.ops.expand_dims(user, 1) if lists else user, item)
        if user_bias is not None:
            score = score + (user_bias if lists else keras.ops.squeeze(user_bias, -1))
        if item_bias is not None:
            score = score + keras.ops.squeeze(item_bias, -1)
        return score

    def all_pairs(self, user: Any, item: Any, user_bias: Any = None, item_bias: Any = None) -> Any:
        """Score every user with every item.

        Args:
            user: `[U, C]`.
            item: `[I, C]`.
            user_bias: `[U, 1]`. Defaults to `None`.
            item_bias: `[I, 1]`. Defaults to `None`.

        Returns:
            Scores `[U, I]`.
        """
        # Unlike `call`, this is a plain method, so Keras has not converted arrays to tensors.
        user, item, user_bias, item_bias = (
            None if x is None else keras.ops.convert_to_tensor(x) for x in (user, item, user_bias, item_bias)
        )
        return self.with_biases(user, item, user_bias, item_bias)

    def with_biases(self, user: Any, item: Any, user_bias: Any, item_bias: Any) -> Any:
        """The scores of every user with every item, plus the biases if there are any.

        Args:
            user: `[U, C]`.
            item: `[I, C]`.
            user_bias: `[U, 1]`, or `None`.
            item_bias: `[I, 1]`, or `None`.

        Returns:
            `[U, I]`.
        """
        score = self.compare_all(user, item)
        if user_bias is not None:
            score = score + user_bias
        if item_bias is not None:
            score = score + keras.ops.transpose(item_bias)
        return score

    def compute_output_shape(
        self, user_shape: Any, item_shape: Any, user_bias_shape: Any = None, item_bias_shape: Any = None
    ) -> tuple[int | None, ...]:
        """`[B]` for pairs, `[B, L]` for lists."""
        return (user_shape[0], *item_shape[1:-1])

    def arguments_by_name(self, node: Any) -> dict[str, Any]:
        """The symbolic tensors of one call of this layer, by argument name.

        Args:
            node: the call, one of Keras's nodes.

        Returns:
            `{argument: tensor}`.
        """
        bound = inspect.signature(self.call).bind(*node.arguments.args, **node.arguments.kwargs)
        return {name: value for name, value in bound.arguments.items() if value is not None}

    def _check(self, user: Any, item: Any) -> None:
        if len(user.shape) != 2 or len(item.shape) not in (2, 3) or user.shape[-1] != item.shape[-1]:
            raise ValueError(
                f"{type(self).__name__} takes user [batch, n_components] and item [batch, n_components] or "
                "[batch, list, n_components], with equal n_components. "
                f"Received: user {tuple(user.shape)}, item {tuple(item.shape)}."
            )
