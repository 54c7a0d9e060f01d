"""Weights of pairs of categories."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrec.layers._lookup import lookup


@keras.saving.register_keras_serializable("kerasrec")
class CrossedWeights(keras.layers.Layer):
    """One weight per pair of categories of two columns, summed over several such crosses.

    All weights are in one table, one cross after the other. A cross of at most `buckets` pairs has one weight
    per pair; the pairs of a larger cross are hashed into `buckets` weights, by a hash that is the same in
    every process.

    Args:
        sizes: for each cross, the numbers of codes of its two columns.
        buckets: int, maximum number of weights of a cross.
        embeddings_regularizer: regularizer of the table. Defaults to `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        ids: integers `[B, 2 * n_crosses]`, the two codes of each cross side by side.

    Returns:
        `[B, 1]`.
    """

    def __init__(
        self,
        sizes: Sequence[tuple[int, int]],
        buckets: int,
        embeddings_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sizes = [(int(first), int(second)) for first, second in sizes]
        self.buckets = int(buckets)
        self.embeddings_regularizer = keras.regularizers.get(embeddings_regularizer)
        self.autocast = False  # codes are not exact in half precision
        self._n = [min(first * second, self.buckets) for first, second in self.sizes]
        self._offsets = np.cumsum([0, *self._n])[:-1].astype("int32")
        self._hashes = [
            None if first * second <= self.buckets else (_hashed(first, 1), _hashed(second, 2))
            for first, second in self.sizes
        ]

    def build(self, input_shape: Any) -> None:
        """Create the table of zeros."""
        self.embeddings = self.add_weight(
            shape=(sum(self._n), 1),
            initializer="zeros",
            regularizer=self.embeddings_regularizer,
            name="embeddings",
        )

    def call(self, ids: Any) -> Any:
        """Look up all weights at once, and sum them."""
        ids = ops.cast(ids, "int32")
        rows = []
        for place, ((_, n_second), hashes) in enumerate(zip(self.sizes, self._hashes, strict=True)):
            first, second = ids[:, 2 * place], ids[:, 2 * place + 1]
            if hashes is None:
                rows.append(first * n_second + second)
            else:
                of_first, of_second = (ops.convert_to_tensor(x) for x in hashes)
                # Each hash is below 2**30, so that the sum is an int32.
                both = ops.add(ops.take(of_first, first), ops.take(of_second, second))
                rows.append(ops.mod(both, self.buckets))
        rows = ops.add(ops.stack(rows, axis=1), ops.convert_to_tensor(self._offsets))
        return ops.cast(ops.sum(lookup(self.embeddings, rows), axis=1), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """`[B, 1]`."""
        return (input_shape[0], 1)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {
            **super().get_config(),
            "sizes": self.sizes,
            "buckets": self.buckets,
            "embeddings_regularizer": keras.regularizers.serialize(self.embeddings_regularizer),
        }


def _hashed(n: int, salt: int) -> np.ndarray:
    """A number below 2**30 for each code, by SplitMix64."""
    x = np.arange(n, dtype=np.uint64) + np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(34)).astype("int32")
