from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasrec.layers._features import densify, leading_and_last, linear
from kerasrec.layers._representation import Representation


@keras.saving.register_keras_serializable("kerasrec")
class LayersRepr(Representation):
    """Any Keras layers, one after the other, over the features.

    If features are given as bags and the first layer is `Dense`, it reads only the rows of its kernel that
    they name. Any other first layer gets dense features, which take memory `[B, F]`.

    Args:
        layers: sequence of Keras layers, at least one. They act on the last axis.
        n_features: int, number of features; needed for bags, otherwise inferred from the input. Defaults to
            `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: features: dense `[B, F]`, or the backend's sparse tensor `[B, F]` (TensorFlow, JAX), or a
            padded bag `{"indices": [B, W] integers, "weights": [B, W]}` or `(indices, weights)`; for lists
            dense `[B, L, F]` or a bag `[B, L, W]`.
        training: bool, passed on to the layers.

    Returns:
        Representations `[B, C]`; for lists `[B, L, C]`; `C` is the last layer's.

    Raises:
        ValueError: if `layers` is empty, `n_features` is not a positive integer, the number of feature
            columns is wrong, or bags are used without `n_features`.
        TypeError: if one of `layers` is not a Keras layer.

    Example:
        >>> import keras, numpy as np, kerasrec
        >>> layer = kerasrec.layers.LayersRepr([keras.layers.Dense(16, "relu"), keras.layers.Dense(4)])
        >>> tuple(layer(np.ones((2, 10))).shape)
        (2, 4)

    References:
        Kirk, "TensorRec: AbstractKerasRepresentationGraph", 2018.
    """

    def __init__(
        self, layers: Sequence[keras.layers.Layer], n_features: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(None, n_features, **kwargs)
        self.layers = list(layers)
        if not self.layers:
            raise ValueError("`layers` must have at least one layer. Received: layers=[].")
        for layer in self.layers:
            if not isinstance(layer, keras.layers.Layer):
                raise TypeError(f"`layers` must be Keras layers. Received: {layer!r}.")

    def build(self, input_shape: Any) -> None:
        """Build the layers, each on the output of the previous one."""
        super().build(input_shape)
        self.n_components = self.compute_output_shape(input_shape)[-1]

    def build_tables(self, n_features: int) -> None:
        """Build the layers on features `[B, F]`."""
        x = keras.KerasTensor((None, n_features), dtype=self.compute_dtype)
        for layer in self.layers:
            x = layer(x)  # a call also builds nested layers without a `build` of their own

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Compute the representations."""
        first, *others = self.layers
        if _reads_rows(first):
            x = linear(inputs, first.kernel, self.compute_dtype)
            x = first.activation(x if first.bias is None else x + first.bias)
        else:
            x = first(densify(inputs, self.n_features, self.compute_dtype))
        for layer in others:
            x = layer(x)  # Keras passes `training` on
        return ops.cast(x, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """`[B, C]`, or `[B, L, C]` for lists."""
        leading, last = leading_and_last(input_shape)
        x = keras.KerasTensor((*leading, self.n_features or last), dtype=self.compute_dtype)
        for layer in self.layers:
            x = layer.compute_output_spec(x)
        return tuple(x.shape)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        config = super().get_config()
        del config["n_components"]
        layers = [keras.saving.serialize_keras_object(layer) for layer in self.layers]
        for layer in layers:
            # `build` builds them; a layer with nested layers and no `build` of its own could not do so.
            layer.pop("build_config", None)
        return {**config, "layers": layers}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "LayersRepr":
        """A layer from its settings.

        Args:
            config: what `get_config` gave.

        Returns:
            `LayersRepr`.
        """
        layers = [keras.saving.deserialize_keras_object(layer) for layer in config["layers"]]
        return cls(**{**config, "layers": layers})


def _reads_rows(layer: keras.layers.Layer) -> bool:
    """Whether a layer is a plain product with the kernel in a variable."""
    return type(layer) is keras.layers.Dense and isinstance(layer.kernel, keras.Variable)
