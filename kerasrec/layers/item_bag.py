from typing import Any

import keras
from keras import ops

from kerasrec._arguments import share
from kerasrec.layers._lookup import lookup
from kerasrec.layers.feature_embedding import FeatureEmbedding

# Up to this many catalogue items per place of a history, multiplying the whole table beats gathering rows.
_DENSE = 64


@keras.saving.register_keras_serializable("kerasrec")
class ItemBag(FeatureEmbedding):
    """A history as a set: the sum of its items' vectors, divided by the square root of their number.

    `out[b] = sum_(j in set b) embeddings[j] / sqrt(|set b|) + bias`: the product of the user's row of ones
    and zeros, normalised to length 1, with the table. This is the first layer of an autoencoder of such rows.
    An item that occurs twice counts once, the order does not matter, and an empty history gives the bias. In
    training, items are dropped from the set, and the rest is scaled up.

    Args:
        n: int, number of items; codes are `0..n-1`.
        n_components: int, size of a vector.
        dropout: float, dropout rate of the items. Defaults to `0.0`.
        use_bias: bool, whether a bias is added. Defaults to `False`.
        seed: int, for the dropout. Defaults to `None`: Keras's global generator.
        embeddings_initializer: initializer of the table. Defaults to `None`: `HostHeNormal()`.
        embeddings_regularizer: regularizer of the table. Defaults to `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        ids: item codes `[B, H]`; a negative code is padding.
        training: bool, whether items are dropped.

    Returns:
        `[B, C]`.

    Raises:
        ValueError: if a size is not a positive integer, or `dropout` is out of range.

    Example:
        >>> import numpy as np, kerasrec
        >>> layer = kerasrec.layers.ItemBag(10, 4)
        >>> once, twice = np.asarray(layer(np.array([[-1, -1, 3, 7], [7, 3, 7, 3]])))
        >>> bool(np.allclose(once, twice))
        True

    References:
        Liang et al., "Variational autoencoders for collaborative filtering", 2018, sections 2.1 and 4.4.
    """

    # A model of sets needs each item once, in any order.
    unordered_history = True

    def __init__(
        self,
        n: int,
        n_components: int,
        dropout: float = 0.0,
        use_bias: bool = False,
        seed: int | None = None,
        embeddings_initializer: Any = None,
        embeddings_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(n, n_components, embeddings_initializer, embeddings_regularizer, **kwargs)
        self.dropout = share("dropout", dropout)
        self.use_bias = bool(use_bias)
        self.seed = seed
        self._draws = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Any) -> None:
        """Create the table `[n, C]`, and the bias."""
        super().build(input_shape)
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.n_components,), initializer="zeros", name="bias")

    def call(self, ids: Any, training: bool | None = None) -> Any:
        """Sum the vectors of the items."""
        total = self._sum(ops.cast(ids, "int32"), training)
        return total + ops.cast(self.bias, total.dtype) if self.use_bias else total

    def _sum(self, ids: Any, training: bool | None) -> Any:
        length = ids.shape[1]
        if length is not None and self.n <= _DENSE * length:
            table = ops.cast(self.embeddings, self.compute_dtype)
            return ops.matmul(self._weights(self._row(ids), training), table)
        ids = ops.sort(ids, axis=1)
        again = ops.pad(ops.equal(ids[:, 1:], ids[:, :-1]), ((0, 0), (1, 0)))
        there = ops.cast(ops.logical_and(ids >= 0, ops.logical_not(again)), self.compute_dtype)
        vectors = ops.cast(lookup(self.embeddings, ops.maximum(ids, 0)), self.compute_dtype)
        return ops.squeeze(ops.matmul(self._weights(there, training)[:, None, :], vectors), axis=1)

    def _row(self, ids: Any) -> Any:
        """Ones where a user has an item, `[B, I]`."""
        n_users = ops.shape(ids)[0]
        rows = ops.arange(n_users, dtype="int32")[:, None]
        places = ops.reshape(rows * self.n + ops.maximum(ids, 0), (-1, 1))
        there = ops.reshape(ops.cast(ids >= 0, self.compute_dtype), (-1,))
        nothing = ops.zeros((n_users * self.n,), self.compute_dtype)
        counts = ops.scatter_update(nothing, places, there, reduction="add")
        return ops.minimum(ops.reshape(counts, (n_users, self.n)), 1.0)

    def _weights(self, there: Any, training: bool | None) -> Any:
        """The weight of each present item."""
        n = ops.sum(ops.cast(there, "float32"), axis=1, keepdims=True)
        weights = there * ops.cast(ops.rsqrt(ops.maximum(n, 1.0)), there.dtype)
        if training and self.dropout:
            weights = keras.random.dropout(weights, self.dropout, seed=self._draws)
        return weights

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """`[B, C]`."""
        return (input_shape[0], self.n_components)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        config = {"dropout": self.dropout, "use_bias": self.use_bias, "seed": self.seed}
        return {**super().get_config(), **config}
