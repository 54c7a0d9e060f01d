from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrec._arguments import positive_integer
from kerasrec.layers._lookup import lookup
from kerasrec.layers.host_normal import HostNormal


@keras.saving.register_keras_serializable("kerasrec")
class FieldEmbedding(keras.layers.Layer):
    """Embeds the codes of several fields, one vector per field, from one table in one lookup.

    The rows of a field follow those of the previous field: `out[b, f] = table[offset[f] + ids[b, f]]`. If a
    field has several places per row, the vectors of those that are not padding (-1) are averaged.

    Args:
        sizes: number of codes of each field; codes are `0..size-1`.
        n_components: int, size of a vector.
        widths: places of each field. Defaults to `None`: one each.
        embeddings_initializer: initializer of the table. Defaults to `None`: `HostNormal(stddev=0.01)`.
        embeddings_regularizer: regularizer of the table. Defaults to `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        ids: integers `[B, W]`, the concatenated places of all fields.

    Returns:
        Vectors `[B, F, C]`.

    Raises:
        ValueError: if there is no field, a size is not a positive integer, or the ids have another width.

    Example:
        >>> import numpy as np, kerasrec
        >>> layer = kerasrec.layers.FieldEmbedding([10, 3], 4)
        >>> tuple(layer(np.array([[9, 2], [0, 0]])).shape)
        (2, 2, 4)
        >>> layer.count_params()
        52
    """

    def __init__(
        self,
        sizes: Sequence[int],
        n_components: int,
        widths: Sequence[int] | None = None,
        embeddings_initializer: Any = None,
        embeddings_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sizes = [positive_integer("sizes", size) for size in sizes]
        if not self.sizes:
            raise ValueError("`sizes` must have the size of at least one field. Received: sizes=[].")
        self.n_components = positive_integer("n_components", n_components)
        self.widths = [
            positive_integer("widths", x) for x in ([1] * len(self.sizes) if widths is None else widths)
        ]
        if len(self.widths) != len(self.sizes):
            raise ValueError(
                "`widths` must have one number per field. "
                f"Received: {len(self.widths)} for {len(self.sizes)} fields."
            )
        self.embeddings_initializer = keras.initializers.get(
            embeddings_initializer or HostNormal(stddev=0.01)
        )
        self.embeddings_regularizer = keras.regularizers.get(embeddings_regularizer)
        # Integers above 2**24 are lost in a float, so Keras must not cast the ids.
        self.autocast = False
        offsets = np.cumsum([0, *self.sizes])[:-1]
        self._offsets = np.repeat(offsets, self.widths).astype("int32")

    def build(self, input_shape: Any) -> None:
        """Create the table."""
        self.embeddings = self.add_weight(
            shape=(sum(self.sizes), self.n_components),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            name="embeddings",
        )

    def call(self, ids: Any) -> Any:
        """Look up all fields at once."""
        if ids.shape[-1] != sum(self.widths):
            raise ValueError(
                f"`ids` must have {sum(self.widths)} columns, the places of {len(self.sizes)} fields. "
                f"Received: shape={tuple(ids.shape)}."
            )
        ids = ops.cast(ids, "int32")
        if len(self.widths) == sum(self.widths):
            return ops.cast(lookup(self.embeddings, ops.add(ids, self._offsets)), self.compute_dtype)
        rows = lookup(self.embeddings, ops.add(ops.maximum(ids, 0), self._offsets))
        rows = ops.cast(rows, self.compute_dtype)
        there = ops.cast(ids >= 0, self.compute_dtype)[..., None]
        parts, end = [], 0
        for width in self.widths:
            start, end = end, end + width
            if width == 1:
                parts.append(rows[:, start:end])
            else:
                counts = ops.maximum(ops.sum(there[:, start:end], axis=1, keepdims=True), 1)
                total = ops.sum(rows[:, start:end] * there[:, start:end], axis=1, keepdims=True)
                parts.append(total / counts)
        return ops.concatenate(parts, axis=1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """`[B, F, C]`."""
        return (input_shape[0], len(self.sizes), self.n_components)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {
            **super().get_config(),
            "sizes": self.sizes,
            "n_components": self.n_components,
            "widths": self.widths,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": keras.regularizers.serialize(self.embeddings_regularizer),
        }
