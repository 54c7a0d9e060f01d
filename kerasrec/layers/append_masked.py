from typing import Any

import keras
from keras import ops

from kerasrec._arguments import positive_integer
from kerasrec._inputs import MASKED


@keras.saving.register_keras_serializable("kerasrec")
class AppendMasked(keras.layers.Layer):
    """Appends a masked item, which a bidirectional model predicts, to a history.

    `kerasrec.Model` skips this layer when it trains on sequences (`kerasrec.data.SequenceBatches` with
    `targets="masked"`), because these have masked items inside the history.

    Args:
        history_length: int, maximum length of a history; the model sees one more position.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        history: item codes `[B, H]`.

    Returns:
        Item codes `[B, H + 1]`, of which the last is -2.

    Raises:
        ValueError: if `history_length` is not a positive integer.

    Example:
        >>> import numpy as np, kerasrec
        >>> np.asarray(kerasrec.layers.AppendMasked(50)(np.array([[-1, 3]]))).tolist()
        [[-1, 3, -2]]

    References:
        Sun et al., "BERT4Rec", 2019, section 3.6.
    """

    sequence_targets = "masked"

    def __init__(self, history_length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.autocast = False
        self.history_length = positive_integer("history_length", history_length)

    def call(self, history: Any) -> Any:
        """Append the masked item."""
        return ops.pad(history, ((0, 0), (0, 1)), constant_values=MASKED)

    def compute_output_shape(self, history_shape: Any) -> tuple[int | None, ...]:
        """`[B, H + 1]`."""
        return (history_shape[0], None if history_shape[1] is None else history_shape[1] + 1)

    def compute_output_spec(self, history: Any) -> Any:
        """Symbolic outputs, which are integers."""
        return keras.KerasTensor(self.compute_output_shape(history.shape), dtype=history.dtype)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {**super().get_config(), "history_length": self.history_length}
