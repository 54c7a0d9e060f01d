from typing import Any

import keras

from kerasrec.layers._features import linear
from kerasrec.layers._representation import Representation


@keras.saving.register_keras_serializable("kerasrec")
class FeatureBias(Representation):
    """One weight per feature, summed over the features of an entity.

    `out = features @ bias`, where the bias is initially 0. Pass the output to a score layer as `user_bias` or
    `item_bias`.

    Args:
        n_features: int, number of features; needed for bags, otherwise inferred from the input. Defaults to
            `None`.
        bias_regularizer: regularizer of the weights. Defaults to `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: features: dense `[B, F]`, or the backend's sparse tensor `[B, F]` (TensorFlow, JAX), or a
            padded bag `{"indices": [B, W] integers, "weights": [B, W]}` or `(indices, weights)`; for lists
            dense `[B, L, F]` or a bag `[B, L, W]`.

    Returns:
        Biases `[B, 1]`; for lists `[B, L, 1]`.

    Raises:
        ValueError: if `n_features` is not a positive integer, the number of feature columns is wrong, or bags
            are used without `n_features`.

    Example:
        >>> import numpy as np, kerasrec
        >>> tuple(kerasrec.layers.FeatureBias()(np.ones((2, 5))).shape)
        (2, 1)

    References:
        Kirk, "TensorRec: project_biases", 2018; Kula, "Metadata embeddings for user and item cold-start
        recommendations", 2015, section 3.2.
    """

    def __init__(self, n_features: int | None = None, bias_regularizer: Any = None, **kwargs: Any) -> None:
        super().__init__(1, n_features, **kwargs)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)

    def build_tables(self, n_features: int) -> None:
        """Create the weights `[F, 1]`."""
        self.bias = self.add_weight(
            shape=(n_features, 1),
            initializer="zeros",
            regularizer=self.bias_regularizer,
            autocast=False,
            name="bias",
        )

    def call(self, inputs: Any) -> Any:
        """Sum the weights of the features."""
        return linear(inputs, self.bias, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        config = super().get_config()
        del config["n_components"]
        return {**config, "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer)}
