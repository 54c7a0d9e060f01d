from collections.abc import Sequence
from typing import Any

import keras

from kerasrec._arguments import positive_integer
from kerasrec.layers._features import linear
from kerasrec.layers._representation import Representation
from kerasrec.layers.fast_dropout import FastDropout
from kerasrec.layers.host_he_normal import HostHeNormal
from kerasrec.layers.unit_rows import UnitRows


@keras.saving.register_keras_serializable("kerasrec")
class DeepRepr(Representation):
    """Dense layers over the features.

    Each of the hidden sizes is a dense layer with activation and dropout; a last dense layer gives the
    representation. If features are given as bags, only the rows of the first kernel that they name are read.
    These rows are initialised with length 1, so the scale of the hidden units depends on the number of
    features of an entity, not on the total number of features.

    Args:
        n_components: int, size of a representation.
        hidden: sequence of int, sizes of the hidden layers, at least one.
        n_features: int, number of features; needed for bags, otherwise inferred from the input. Defaults to
            `None`.
        activation: activation of the hidden layers. Defaults to `"relu"`.
        output_activation: activation of the last layer. Defaults to `"tanh"`.
        dropout: float, dropout rate of the hidden layers, `0 <= dropout < 1`. Defaults to `0.0`.
        kernel_initializer: initializer of the first kernel. Defaults to `None`: `UnitRows()`.
        kernel_regularizer: regularizer of all kernels. Defaults to `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: features: dense `[B, F]`, or the backend's sparse tensor `[B, F]` (TensorFlow, JAX), or a
            padded bag `{"indices": [B, W] integers, "weights": [B, W]}` or `(indices, weights)`; for lists
            dense `[B, L, F]` or a bag `[B, L, W]`.
        training: bool, whether units are dropped.

    Returns:
        Representations `[B, C]`; for lists `[B, L, C]`.

    Raises:
        ValueError: if a size is not a positive integer, `hidden` is empty, `dropout` lies outside its range,
            the number of feature columns is wrong, or bags are used without `n_features`.

    Example:
        >>> import numpy as np, kerasrec
        >>> layer = kerasrec.layers.DeepRepr(4, hidden=(64, 16))
        >>> tuple(layer(np.ones((2, 10))).shape)
        (2, 4)

    References:
        Covington, Adams and Sargin, "Deep neural networks for YouTube recommendations", 2016, section 3.
    """

    def __init__(
        self,
        n_components: int,
        hidden: Sequence[int],
        n_features: int | None = None,
        activation: Any = "relu",
        output_activation: Any = "tanh",
        dropout: float = 0.0,
        kernel_initializer: Any = None,
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(n_components, n_features, **kwargs)
        self.hidden = tuple(positive_integer("hidden", size) for size in hidden)
        if not self.hidden:
            raise ValueError(
                "`hidden` must have at least one size; use `SparseLinearRepr` for none. Received: hidden=()."
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be at least 0 and below 1. Received: dropout={dropout}.")
        self.activation = keras.activations.get(activation)
        self.output_activation = keras.activations.get(output_activation)
        self.dropout = float(dropout)
        self.kernel_initializer = keras.initializers.get(kernel_initializer or UnitRows())
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self._drop = FastDropout(dropout, dtype=self.dtype_policy)
        self._dense = [
            keras.layers.Dense(
                size,
                activation=self.activation,
                kernel_initializer=HostHeNormal(),
                kernel_regularizer=self.kernel_regularizer,
                dtype=self.dtype_policy,
                name=f"hidden_{i}",
            )
            for i, size in enumerate(self.hidden[1:], start=2)
        ]
        self._last = keras.layers.Dense(
            self.n_components,
            activation=self.output_activation,
            kernel_regularizer=self.kernel_regularizer,
            dtype=self.dtype_policy,
            name="output",
        )

    def build_tables(self, n_features: int) -> None:
        """Create the first kernel `[F, hidden[0]]` and bias, and the layers after them."""
        self.kernel = self.add_weight(
            shape=(n_features, self.hidden[0]),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            autocast=False,
            name="kernel",
        )
        self.bias = self.add_weight(shape=(self.hidden[0],), initializer="zeros", name="bias")
        for layer, size in zip([*self._dense, self._last], self.hidden, strict=True):
            layer.build((None, size))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Compute the representations."""
        x = self.activation(linear(inputs, self.kernel, self.compute_dtype) + self.bias)
        for layer in self._dense:
            x = layer(self._drop(x, training=training))
        return self._last(self._drop(x, training=training))

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {
            **super().get_config(),
            "hidden": list(self.hidden),
            "activation": keras.activations.serialize(self.activation),
            "output_activation": keras.activations.serialize(self.output_activation),
            "dropout": self.dropout,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
