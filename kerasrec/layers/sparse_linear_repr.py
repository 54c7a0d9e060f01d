from typing import Any

import keras

from kerasrec.layers._features import linear
from kerasrec.layers._representation import Representation
from kerasrec.layers._unit_length import unit_length
from kerasrec.layers.unit_rows import UnitRows


@keras.saving.register_keras_serializable("kerasrec")
class SparseLinearRepr(Representation):
    """A weighted sum of feature vectors.

    `out = features @ kernel`, where the rows of the kernel initially have length 1. With `normalize` the
    result is divided by its length. If features are given as bags, only the rows that they name are read.
    With indicator features alone, this is an embedding.

    Args:
        n_components: int, size of a representation.
        n_features: int, number of features; needed for bags, otherwise inferred from the input. Defaults to
            `None`.
        normalize: bool, whether the result is normalised to length 1. Defaults to `False`.
        kernel_initializer: initializer of the kernel. Defaults to `None`: `UnitRows()`.
        kernel_regularizer: regularizer of the kernel. Defaults to `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: features: dense `[B, F]`, or the backend's sparse tensor `[B, F]` (TensorFlow, JAX), or a
            padded bag `{"indices": [B, W] integers, "weights": [B, W]}` or `(indices, weights)`; for lists
            dense `[B, L, F]` or a bag `[B, L, W]`.

    Returns:
        Representations `[B, C]`; for lists `[B, L, C]`.

    Raises:
        ValueError: if a size is not a positive integer, the number of feature columns is wrong, or bags are
            used without `n_features`.

    Example:
        >>> import numpy as np, kerasrec
        >>> layer = kerasrec.layers.SparseLinearRepr(4, n_features=100)
        >>> bag = {"indices": np.array([[3, 17], [5, 5]]), "weights": np.array([[1.0, 0.5], [1.0, 0.0]])}
        >>> tuple(layer(bag).shape)
        (2, 4)

    References:
        Kirk, "TensorRec: LinearRepresentationGraph and NormalizedLinearRepresentationGraph", 2018.
    """

    def __init__(
        self,
        n_components: int,
        n_features: int | None = None,
        normalize: bool = False,
        kernel_initializer: Any = None,
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(n_components, n_features, **kwargs)
        self.normalize = bool(normalize)
        self.kernel_initializer = keras.initializers.get(kernel_initializer or UnitRows())
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build_tables(self, n_features: int) -> None:
        """Create the kernel `[F, C]`."""
        self.kernel = self.add_weight(
            shape=(n_features, self.n_components),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            autocast=False,
            name="kernel",
        )

    def call(self, inputs: Any) -> Any:
        """Sum the vectors of the features."""
        out = linear(inputs, self.kernel, self.compute_dtype)
        return unit_length(out) if self.normalize else out

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {
            **super().get_config(),
            "normalize": self.normalize,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
