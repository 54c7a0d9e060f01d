from typing import Any

import keras

from kerasrec._arguments import positive_integer
from kerasrec.layers._lookup import lookup
from kerasrec.layers.host_he_normal import HostHeNormal


@keras.saving.register_keras_serializable("kerasrec")
class FeatureEmbedding(keras.layers.Layer):
    """Maps an id to its vector.

    `out[b] = embeddings[ids[b]]`. A table of `n` rows; no reshape is needed after it.

    Args:
        n: int, number of ids; ids are `0..n-1`.
        n_components: int, size of a vector.
        embeddings_initializer: initializer of the table. Defaults to `None`: `HostHeNormal()`.
        embeddings_regularizer: regularizer of the table, e.g. `keras.regularizers.L2(1e-6)`.
            Defaults to `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        ids: integers of shape `[B]`, `[B, 1]` or, for lists, `[B, L]`.

    Returns:
        Vectors of shape `[B, C]`; for lists `[B, L, C]`. An input of shape `[B, None]` when the layer is
        built (a list of unknown length) stays a list, even if a later batch has one entry per row.

    Raises:
        ValueError: if `n` or `n_components` is not a positive integer, or the ids have more than two axes.

    Example:
        >>> import numpy as np, kerasrec
        >>> layer = kerasrec.layers.FeatureEmbedding(10, 4)
        >>> tuple(layer(np.array([[3], [7]])).shape)
        (2, 4)
    """

    def __init__(
        self,
        n: int,
        n_components: int,
        embeddings_initializer: Any = None,
        embeddings_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.n = positive_integer("n", n)
        self.n_components = positive_integer("n_components", n_components)
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer or HostHeNormal())
        self.embeddings_regularizer = keras.regularizers.get(embeddings_regularizer)
        # Integers above 2**24 are lost in a float, so Keras must not cast the ids.
        self.autocast = False
        self._list_of_unknown_length = False

    @property
    def id_limit(self) -> int:
        """Ids are below this number; data are checked against it before a compiled call."""
        return self.n

    def build(self, input_shape: Any) -> None:
        """Create the table `[n, C]`."""
        self._list_of_unknown_length = len(input_shape) == 2 and input_shape[1] is None
        self.embeddings = self.add_weight(
            shape=(self.n, self.n_components),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            name="embeddings",
        )

    def call(self, ids: Any) -> Any:
        """Look up the ids."""
        if len(ids.shape) > 2:
            raise ValueError(
                "`ids` must have shape [batch], [batch, 1] or [batch, list]. "
                f"Received: shape={tuple(ids.shape)}."
            )
        # TensorFlow gathers only by these two types.
        if keras.backend.standardize_dtype(ids.dtype) not in ("int32", "int64"):
            ids = keras.ops.cast(ids, "int32")
        if len(ids.shape) == 2 and ids.shape[1] == 1 and not self._list_of_unknown_length:
            ids = keras.ops.squeeze(ids, axis=1)
        return keras.ops.cast(lookup(self.embeddings, ids), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """`[B, C]`, or `[B, L, C]` for lists."""
        single = len(input_shape) == 1 or (input_shape[1] == 1 and not self._list_of_unknown_length)
        return (*input_shape[: 1 if single else 2], self.n_components)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {
            **super().get_config(),
            "n": self.n,
            "n_components": self.n_components,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": keras.regularizers.serialize(self.embeddings_regularizer),
        }
