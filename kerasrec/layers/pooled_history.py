from typing import Any, Literal

import keras
from keras import ops

from kerasrec._inputs import PADDING


@keras.saving.register_keras_serializable("kerasrec")
class PooledHistory(keras.layers.Layer):
    """A history as one vector: the mean of its items' vectors, or a mean that attends to some of them.

    `out[b] = sum_j w[b, j] x[b, j]` over the items of the history. With `how="mean"` all weights are equal;
    with `"attention"`, `w[b, j] ~ exp(q . tanh(W x[b, j] + b))`. An empty history gives 0. The order does not
    matter.

    Args:
        how: `"mean"` or `"attention"`. Defaults to `"mean"`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: `[B, H, C]`.
        history: item codes `[B, H]`; -1 is padding.

    Returns:
        `[B, C]`.

    Raises:
        ValueError: if `how` is unknown.

    Example:
        >>> import numpy as np, kerasrec
        >>> vectors = np.array([[[9.0], [1.0], [2.0]]])
        >>> np.asarray(kerasrec.layers.PooledHistory()(vectors, np.array([[-1, 4, 4]]))).tolist()
        [[1.5]]

    References:
        Covington, Adams and Sargin, "Deep neural networks for YouTube recommendations", 2016, section 3.2;
        Yang et al., "Hierarchical attention networks for document classification", 2016, eq. 5 to 7.
    """

    def __init__(self, how: Literal["mean", "attention"] = "mean", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if how not in ("mean", "attention"):
            raise ValueError(f"`how` must be 'mean' or 'attention'. Received: how={how!r}.")
        self.how = how

    def build(self, inputs_shape: Any, history_shape: Any = None) -> None:
        """Create the attention weights."""
        if self.how == "attention":
            size = inputs_shape[-1]
            self.hidden = keras.layers.Dense(size, "tanh", name="hidden", dtype=self.dtype_policy)
            self.query = keras.layers.Dense(1, use_bias=False, name="query", dtype=self.dtype_policy)
            self.hidden.build((None, None, size))
            self.query.build((None, None, size))
        self.built = True

    def call(self, inputs: Any, history: Any) -> Any:
        """Compute the weighted sum."""
        there = ops.not_equal(history, PADDING)[..., None]
        if self.how == "mean":
            weights = ops.cast(there, inputs.dtype)
        else:
            pull = ops.cast(self.query(self.hidden(inputs)), "float32")
            weights = ops.softmax(ops.where(there, pull, -1e9), axis=1)
            weights = ops.cast(ops.where(there, weights, 0.0), inputs.dtype)
        total = ops.maximum(ops.sum(weights, axis=1), 1e-9 if self.how == "attention" else 1.0)
        return ops.sum(weights * inputs, axis=1) / total

    def compute_output_shape(self, inputs_shape: Any, history_shape: Any = None) -> tuple[int | None, ...]:
        """`[B, C]`."""
        return (inputs_shape[0], inputs_shape[2])

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {**super().get_config(), "how": self.how}
