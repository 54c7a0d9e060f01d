from typing import Any

import keras

from kerasrec.trainers._keras import tree


class LossTracker(keras.metrics.Mean):
    """The mean loss per sample. Keras counts rows of the first input, which may be a single shared row."""

    def __init__(self) -> None:
        super().__init__(name="loss")
        self._n_samples: Any = None

    def weigh_by(self, x: Any, y: Any) -> None:
        """Weight the next loss by the samples of this batch: the most rows that an input or target has.

        Args:
            x: the inputs.
            y: the targets, or `None`; they have one row if it holds the places of all users.
        """
        rows = [keras.ops.shape(leaf)[0] for leaf in tree.flatten((x, y)) if leaf is not None]
        # An array that all samples share has one row, so its length is known while tracing.
        unknown = [n for n in rows if not isinstance(n, int)]
        self._n_samples = unknown[0] if unknown else max(rows, default=None)

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        n_samples, self._n_samples = self._n_samples, None
        super().update_state(values, sample_weight if n_samples is None else n_samples)
