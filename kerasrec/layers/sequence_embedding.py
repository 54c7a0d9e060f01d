from typing import Any

import keras
from keras import ops

from kerasrec._arguments import positive_integer
from kerasrec._inputs import MASKED
from kerasrec.layers._lookup import lookup
from kerasrec.layers.feature_embedding import FeatureEmbedding


@keras.saving.register_keras_serializable("kerasrec")
class SequenceEmbedding(FeatureEmbedding):
    """Maps item codes, including those of a history, to vectors; padding gives zeros.

    The items of a history and the scored items share one table (tied embeddings), so call the layer on both.
    A code of -1 is padding, and its vector is 0. A code of -2 is a masked item, which has its own vector with
    `masked=True`. A batch of one column stays a list.

    Args:
        n: int, number of items; codes are `0..n-1`.
        n_components: int, size of a vector.
        masked: bool, whether there are masked items. Defaults to `False`.
        history_length: int, maximum length of the histories that `kerasrec.data.ModelInputs` passes to the
            model. Defaults to `None`: no limit.
        embeddings_initializer: initializer of the table. Defaults to `None`: `HostHeNormal()`.
        embeddings_regularizer: regularizer of the table. Defaults to `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        ids: item codes `[B, L]` or `[B, H]`.

    Returns:
        Vectors `[B, L, C]`.

    Example:
        >>> import numpy as np, kerasrec
        >>> layer = kerasrec.layers.SequenceEmbedding(10, 4)
        >>> vectors = np.asarray(layer(np.array([[-1, 3, 7]])))
        >>> vectors.shape, bool(vectors[0, 0].any())
        ((1, 3, 4), False)

    References:
        Kang and McAuley, "Self-attentive sequential recommendation", 2018, sections 3.1 and 3.4; Sun et al.,
        "BERT4Rec", 2019, section 3.6.
    """

    def __init__(
        self,
        n: int,
        n_components: int,
        masked: bool = False,
        history_length: int | None = None,
        embeddings_initializer: Any = None,
        embeddings_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(n, n_components, embeddings_initializer, embeddings_regularizer, **kwargs)
        self.masked = bool(masked)
        self.history_length = (
            None if history_length is None else positive_integer("history_length", history_length)
        )

    def build(self, input_shape: Any) -> None:
        """Create the table `[n, C]`, and the vector of masked items."""
        super().build(input_shape)
        if self.masked:
            self.masked_vector = self.add_weight(
                shape=(self.n_components,),
                initializer=keras.initializers.RandomNormal(stddev=0.02),
                name="masked",
            )

    def call(self, ids: Any) -> Any:
        """Look up the codes."""
        ids = ops.cast(ids, "int32")
        vectors = ops.cast(lookup(self.embeddings, ops.maximum(ids, 0)), self.compute_dtype)
        vectors = ops.where(ids[..., None] >= 0, vectors, ops.zeros_like(vectors))
        if self.masked:
            guessed = ops.cast(ops.equal(ids, MASKED), vectors.dtype)[..., None]
            vectors = vectors + guessed * ops.cast(self.masked_vector, vectors.dtype)
        return vectors

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """`[B, L, C]`."""
        return (*input_shape, self.n_components)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {**super().get_config(), "masked": self.masked, "history_length": self.history_length}
