from typing import Any

import keras


@keras.saving.register_keras_serializable("kerasrec")
class LastPosition(keras.layers.Layer):
    """The vector of the latest position of a history, which represents the user.

    If a model has this layer, `kerasrec.Model` trains all positions in parallel
    (`kerasrec.data.SequenceBatches`). Otherwise it represents a user by the last position.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: `[B, H, C]`, padded on the left.

    Returns:
        `[B, C]`.

    Example:
        >>> import numpy as np, kerasrec
        >>> np.asarray(kerasrec.layers.LastPosition()(np.array([[[1.0], [2.0]]]))).tolist()
        [[2.0]]
    """

    sequence_targets = "next"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """`None`, because the last position of a left-padded row is never padding."""

    def call(self, inputs: Any) -> Any:
        """Take the last position."""
        return inputs[:, -1]

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """`[B, C]`."""
        return (input_shape[0], input_shape[2])
