from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrec._arguments import positive_integer
from kerasrec._custom_gradient import custom_gradient


@keras.saving.register_keras_serializable("kerasrec")
class FrequencyRegularization(keras.layers.Layer):
    """L2 decay of vectors that grows with how often their ids occur.

    Passes the vectors on and adds to the loss, for a batch of `B` rows of ids,

        l2 / B * sum over the ids read of (count[id] / mean count) ** exponent * |vector|^2

    A plain L2 regularizer pulls a popular item and one seen twice with the same force, although the data pull
    the first a thousand times as hard. If all rows share a list of ids, `[1, L]`, the sum runs over that list
    once.

    Args:
        n: int, number of ids.
        l2: float, weight in the loss.
        exponent: float; 1 makes the decay proportional to the count, 0 makes it the same for all ids.
            Defaults to `1.0`.
        **kwargs: arguments of `keras.layers.Layer`.

    Use `from_counts` to create a layer with counts. These are stored with the model's weights, not with its
    settings. A layer created in another way treats all ids alike.

    Call arguments:
        vectors: `[B, C]` or `[B, L, C]`.
        ids: the ids of the vectors, `[B]`, `[B, 1]` or `[B, L]`.

    Returns:
        The vectors.

    Raises:
        ValueError: if `n` is not a positive integer or `l2` is negative.

    Example:
        >>> import numpy as np, kerasrec
        >>> layer = kerasrec.layers.FrequencyRegularization.from_counts([1, 3], l2=0.1)
        >>> _ = layer(np.array([[1.0, 1.0]]), np.array([1]))
        >>> round(float(layer.losses[0]), 6)  # 0.1 * 3 / 2 * 2
        0.3

    References:
        Zhou et al., "Large-scale parallel collaborative filtering for the Netflix Prize", 2008, section 3.1
        (weighted lambda regularization).
    """

    def __init__(self, n: int, l2: float, exponent: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = positive_integer("n", n)
        if not 0 <= l2 < float("inf"):
            raise ValueError(f"`l2` must be a finite number of 0 or more. Received: l2={l2}.")
        self.l2 = float(l2)
        self.exponent = float(exponent)
        self._given: np.ndarray | None = None
        # The sum of many squares needs float32, and Keras must not convert ids to floats.
        self.autocast = False

    @classmethod
    def from_counts(
        cls, counts: Any, l2: float, exponent: float = 1.0, **kwargs: Any
    ) -> "FrequencyRegularization":
        """The layer for given counts.

        Args:
            counts: `[n]`, how often each id occurs.
            l2: float, weight in the loss.
            exponent: float, as above. Defaults to `1.0`.
            **kwargs: arguments of `keras.layers.Layer`.

        Returns:
            `FrequencyRegularization`.

        Raises:
            ValueError: if `counts` are not finite numbers of 0 or more, one of them above 0.
        """
        counts = np.asarray(counts, np.float64)
        if counts.ndim != 1 or not (np.isfinite(counts) & (counts >= 0)).all() or not counts.any():
            raise ValueError(
                "`counts` must be one finite number of 0 or more per id, one of them above 0. "
                f"Received: {counts.size} numbers of shape {counts.shape}, {np.sum(counts > 0)} above 0."
            )
        layer = cls(len(counts), l2, exponent, **kwargs)
        layer._given = ((counts / counts.mean()) ** exponent).astype(np.float32)
        return layer

    def build(self, vectors_shape: Any, ids_shape: Any) -> None:
        """Keep the factors `[n]` as a weight."""
        self.factors = self.add_weight(
            shape=(self.n,), initializer="ones", trainable=False, dtype="float32", name="factors"
        )
        if self._given is not None:
            self.factors.assign(self._given)
            self._given = None

    def call(self, vectors: Any, ids: Any) -> Any:
        """Add the loss."""
        factors = ops.cast(ops.take(self.factors, ids, axis=0), "float32")
        flat = ops.reshape(ops.cast(vectors, "float32"), (-1, vectors.shape[-1]))
        n_rows = ops.cast(ops.shape(ids)[0], "float32")
        self.add_loss(_sum_of_squares(flat, ops.reshape(factors, (-1,)) * (self.l2 / n_rows)))
        return vectors

    def compute_output_shape(self, vectors_shape: Any, ids_shape: Any) -> Any:
        """The shape of the vectors."""
        return vectors_shape

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {**super().get_config(), "n": self.n, "l2": self.l2, "exponent": self.exponent}


@custom_gradient
def _sum_of_squares(vectors: Any, factors: Any) -> tuple[Any, Any]:
    """`sum_n factors[n] |vectors[n]|^2` for vectors `[N, C]`, with a gradient in one pass over them."""

    def gradient(*args: Any, upstream: Any = None) -> tuple[Any, Any]:
        if upstream is None:
            (upstream,) = args
        return vectors * (2 * upstream * factors)[:, None], ops.zeros_like(factors)

    return ops.sum(factors * ops.sum(ops.square(vectors), axis=-1)), gradient
