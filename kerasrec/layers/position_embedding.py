from typing import Any

import keras
from keras import ops

from kerasrec._arguments import positive_integer


@keras.saving.register_keras_serializable("kerasrec")
class PositionEmbedding(keras.layers.Layer):
    """Adds a position embedding to each item of a history, counted from the latest item.

    `out[b, j] = inputs[b, j] + table[history_length - H + j]`, so padding on the left shifts nothing.

    Args:
        history_length: int, maximum length of a history; `kerasrec.data.ModelInputs` cuts longer ones to
            their latest items.
        initializer: initializer of the table. Defaults to `"normal"`: a standard deviation of 0.05.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: `[B, H, C]`.

    Returns:
        `[B, H, C]`.

    Raises:
        ValueError: if `history_length` is not a positive integer, or `H` is above it.

    Example:
        >>> import numpy as np, kerasrec
        >>> layer = kerasrec.layers.PositionEmbedding(50)
        >>> layer(np.zeros((2, 3, 4))).shape[1]
        3

    References:
        Kang and McAuley, "Self-attentive sequential recommendation", 2018, section 3.1.
    """

    def __init__(self, history_length: int, initializer: Any = "normal", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.history_length = positive_integer("history_length", history_length)
        self.initializer = (
            keras.initializers.RandomNormal(stddev=0.05)
            if initializer == "normal"
            else keras.initializers.get(initializer)
        )

    def build(self, input_shape: Any) -> None:
        """Create the table `[history_length, C]`."""
        self.table = self.add_weight(
            shape=(self.history_length, input_shape[-1]), initializer=self.initializer, name="table"
        )

    def call(self, inputs: Any) -> Any:
        """Add the vectors of the latest positions."""
        length = inputs.shape[1]
        if length is None:
            length = ops.shape(inputs)[1]
        elif length > self.history_length:
            raise ValueError(
                f"A history must have at most history_length={self.history_length} items; give the latest. "
                f"Received: {length}."
            )
        places = ops.arange(length) + (self.history_length - length)
        return inputs + ops.cast(ops.take(self.table, places, axis=0), inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the input."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {
            **super().get_config(),
            "history_length": self.history_length,
            "initializer": keras.initializers.serialize(self.initializer),
        }
