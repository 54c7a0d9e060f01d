from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrec._arguments import share
from kerasrec.layers._features import as_bag


@keras.saving.register_keras_serializable("kerasrec")
class FeatureDropout(keras.layers.Layer):
    """Drops some features of a random share of the entities in training.

    Features that identify known users or items (such as their id or city) explain them so well that the model
    learns little about the other features, which are all that a new user or item has. This layer drops the
    identifying features, all at once, for a share of the entities of every batch. The model then also learns
    to represent entities by the other features. In prediction nothing is dropped, and nothing is scaled.

    Args:
        rate: float, share of the entities of a batch, `0 <= rate <= 1`.
        columns: numbers of the columns to drop (`Features.columns_of`), or pairs of the first column of a
            range and the one after its last.
        seed: int, for the random draws. Defaults to `None`: Keras's global generator.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: features: dense `[B, F]`, or a padded bag `{"indices": [B, W] integers, "weights": [B, W]}`;
            for lists dense `[B, L, F]` or a bag `[B, L, W]`. Each entity of a list is drawn separately.
        training: bool, whether features are dropped.

    Returns:
        The features, of the same form.

    Raises:
        ValueError: if `rate` is not between 0 and 1, or `columns` is empty or has a negative number.

    Example:
        >>> import numpy as np, kerasrec
        >>> layer = kerasrec.layers.FeatureDropout(1.0, columns=[1, 2])
        >>> np.asarray(layer(np.array([[1.0, 2.0, 3.0, 4.0]]), training=True)).tolist()
        [[1.0, 0.0, 0.0, 4.0]]

    References:
        Volkovs, Yu and Poutanen, "DropoutNet: addressing cold start in recommender systems", 2017.
    """

    def __init__(
        self,
        rate: float,
        columns: Sequence[int] | Sequence[Sequence[int]],
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rate = share("rate", rate)
        self.columns = _ranges(columns)
        self.seed = seed
        self._draws = keras.random.SeedGenerator(seed)
        # Keras must not cast the weights, nor convert the indices to floats.
        self.autocast = False

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Drop columns."""
        if not training or not self.rate:
            return inputs
        bag = as_bag(inputs)
        values = inputs if bag is None else bag[1]
        numbers = ops.arange(values.shape[-1]) if bag is None else bag[0]
        named = False
        for start, stop in self.columns:
            named = ops.logical_or(named, ops.logical_and(numbers >= start, numbers < stop))
        drawn = keras.random.uniform((*ops.shape(values)[:-1], 1), seed=self._draws) < self.rate
        kept = ops.where(ops.logical_and(drawn, named), ops.zeros_like(values), values)
        return kept if bag is None else {"indices": bag[0], "weights": kept}

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the features."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {**super().get_config(), "rate": self.rate, "columns": self.columns, "seed": self.seed}


def _ranges(columns: Any) -> list[list[int]]:
    """Ranges of columns, as pairs of the first column and the one after the last."""
    given = np.asarray(columns)
    if given.ndim == 1 and given.size and given.dtype.kind in "iu":
        sorted_ = np.unique(given)
        ends = np.flatnonzero(np.diff(sorted_) > 1)
        given = np.stack([sorted_[np.r_[0, ends + 1]], sorted_[np.r_[ends, -1]] + 1], axis=1)
    if given.ndim != 2 or given.shape[1] != 2 or given.dtype.kind not in "iu" or (given < 0).any():
        raise ValueError(
            "`columns` must be numbers of columns, from 0, or pairs of the first column of a range "
            f"and the one after its last. Received: columns={columns!r}."
        )
    return [[int(start), int(stop)] for start, stop in given]
