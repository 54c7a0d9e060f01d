from typing import Any

import keras
from keras import ops

from kerasrec._arguments import positive_integer
from kerasrec.layers._features import linear
from kerasrec.layers._representation import Representation
from kerasrec.layers.host_normal import HostNormal


@keras.saving.register_keras_serializable("kerasrec")
class ReLURepr(Representation):
    """One hidden layer of rectified units.

    `out = relu(features @ relu_kernel + relu_bias) @ kernel`; kernels are drawn from N(0, 0.5), and the bias
    is initially 0. If features are given as bags, only the rows that they name are read.

    Args:
        n_components: int, size of a representation.
        n_features: int, number of features; needed for bags, otherwise inferred from the input. Defaults to
            `None`.
        relu_size: int, number of hidden units. Defaults to `None`: `4 * n_components`.
        kernel_regularizer: regularizer of both kernels. Defaults to `None`.
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
        >>> layer = kerasrec.layers.ReLURepr(3)
        >>> tuple(layer(np.ones((2, 5))).shape), layer.count_params()  # 5 * 12 + 12 + 12 * 3
        ((2, 3), 108)

    References:
        Kirk, "TensorRec: ReLURepresentationGraph", 2018.
    """

    def __init__(
        self,
        n_components: int,
        n_features: int | None = None,
        relu_size: int | None = None,
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(n_components, n_features, **kwargs)
        self.relu_size = None if relu_size is None else positive_integer("relu_size", relu_size)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build_tables(self, n_features: int) -> None:
        """Create the kernels `[F, hidden]` and `[hidden, C]` and the bias `[hidden]`."""
        hidden = self.relu_size or 4 * self.n_components
        self.relu_kernel = self.add_weight(
            shape=(n_features, hidden),
            initializer=HostNormal(stddev=0.5),
            regularizer=self.kernel_regularizer,
            autocast=False,
            name="relu_kernel",
        )
        self.relu_bias = self.add_weight(shape=(hidden,), initializer="zeros", name="relu_bias")
        self.kernel = self.add_weight(
            shape=(hidden, self.n_components),
            initializer=HostNormal(stddev=0.5),
            regularizer=self.kernel_regularizer,
            name="kernel",
        )

    def call(self, inputs: Any) -> Any:
        """Compute the representations."""
        hidden = ops.relu(linear(inputs, self.relu_kernel, self.compute_dtype) + self.relu_bias)
        return ops.matmul(hidden, self.kernel)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {
            **super().get_config(),
            "relu_size": self.relu_size,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
