from typing import Any, Literal

import keras
from keras import ops

from kerasrec._arguments import positive_integer
from kerasrec._inputs import PADDING


@keras.saving.register_keras_serializable("kerasrec")
class PositionEmbedding(keras.layers.Layer):
    """Adds a position embedding to each item of a history.

    With `count_from="latest"`: `out[b, j] = inputs[b, j] + table[history_length - H + j]`. With `"first"`:
    `out[b, j] = inputs[b, j] + table[n]`, where `n` is the number of items before `j` in `history[b]`;
    padding gets the vector of the first item. Padding on the left shifts nothing in either case.

    Args:
        history_length: int, maximum length of a history; `kerasrec.data.ModelInputs` cuts longer ones to
            their latest items.
        initializer: initializer of the table. Defaults to `"normal"`: a standard deviation of 0.05.
        count_from: `"latest"` or `"first"`. Defaults to `"latest"`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: `[B, H, C]`.
        history: item codes `[B, H]`, -1 for padding; needed to count from the first. Defaults to `None`.

    Returns:
        `[B, H, C]`.

    Raises:
        ValueError: if `history_length` is not a positive integer, `H` is above it, `count_from` is unknown,
            or the history is missing.

    Example:
        >>> import numpy as np, kerasrec
        >>> layer = kerasrec.layers.PositionEmbedding(50)
        >>> layer(np.zeros((2, 3, 4))).shape[1]
        3

    References:
        Kang and McAuley, "Self-attentive sequential recommendation", 2018, section 3.1.
    """

    def __init__(
        self,
        history_length: int,
        initializer: Any = "normal",
        count_from: Literal["latest", "first"] = "latest",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if count_from not in ("latest", "first"):
            raise ValueError(
                f"`count_from` must be 'latest' or 'first'. Received: count_from={count_from!r}."
            )
        self.history_length = positive_integer("history_length", history_length)
        self.initializer = (
            keras.initializers.RandomNormal(stddev=0.05)
            if initializer == "normal"
            else keras.initializers.get(initializer)
        )
        self.count_from = count_from

    def build(self, inputs_shape: Any, history_shape: Any = None) -> None:
        """Create the table `[history_length, C]`."""
        self.table = self.add_weight(
            shape=(self.history_length, inputs_shape[-1]), initializer=self.initializer, name="table"
        )

    def call(self, inputs: Any, history: Any = None) -> Any:
        """Add the vectors of the positions."""
        length = inputs.shape[1]
        if length is None:
            length = ops.shape(inputs)[1]
        elif length > self.history_length:
            raise ValueError(
                f"A history must have at most history_length={self.history_length} items; give the latest. "
                f"Received: {length}."
            )
        if self.count_from == "latest":
            places = ops.arange(length) + (self.history_length - length)
        elif history is None:
            raise ValueError(
                "Positions that count from the first item need the history: call the layer with "
                "`(inputs, history)`. Received: inputs alone."
            )
        else:
            there = ops.cast(ops.not_equal(history, PADDING), "int32")
            places = ops.maximum(ops.cumsum(there, axis=1) - 1, 0)
        return inputs + ops.cast(ops.take(self.table, places, axis=0), inputs.dtype)

    def compute_output_shape(self, inputs_shape: Any, history_shape: Any = None) -> Any:
        """The shape of the input."""
        return tuple(inputs_shape)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {
            **super().get_config(),
            "history_length": self.history_length,
            "initializer": keras.initializers.serialize(self.initializer),
            "count_from": self.count_from,
        }
