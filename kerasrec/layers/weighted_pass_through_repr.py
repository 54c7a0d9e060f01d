from typing import Any

import keras
from keras import ops

from kerasrec.layers._features import as_bag, as_ids, densify
from kerasrec.layers._lookup import lookup
from kerasrec.layers.pass_through_repr import PassThroughRepr


@keras.saving.register_keras_serializable("kerasrec")
class WeightedPassThroughRepr(PassThroughRepr):
    """The features, each times a trainable weight: `out = features * weights`, initially 1.

    Args:
        n_components: int, size of a representation; equal to the number of features.
        n_features: int, number of features. Defaults to `None`: `n_components`.
        weights_regularizer: regularizer of the weights. Defaults to `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: features: dense `[B, F]`, or the backend's sparse tensor `[B, F]` (TensorFlow, JAX), or a
            padded bag `{"indices": [B, W] integers, "weights": [B, W]}` or `(indices, weights)`; for lists
            dense `[B, L, F]` or a bag `[B, L, W]`.

    Returns:
        Representations `[B, F]`; for lists `[B, L, F]`; dense.

    Raises:
        ValueError: if `n_components` and the number of features differ.

    Example:
        >>> import numpy as np, kerasrec
        >>> layer = kerasrec.layers.WeightedPassThroughRepr(3)
        >>> tuple(layer(np.eye(3)).shape), layer.count_params()
        ((3, 3), 3)

    References:
        Kirk, "TensorRec: WeightedFeaturePassThroughRepresentationGraph", 2018 (whose weights never train).
    """

    def __init__(
        self, n_components: int, n_features: int | None = None, weights_regularizer: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(n_components, n_features, **kwargs)
        self.weights_regularizer = keras.regularizers.get(weights_regularizer)

    def build_tables(self, n_features: int) -> None:
        """Create the weights `[F, 1]`."""
        self.feature_weights = self.add_weight(
            shape=(n_features, 1),
            initializer="ones",
            regularizer=self.weights_regularizer,
            autocast=False,
            name="feature_weights",
        )

    def call(self, inputs: Any) -> Any:
        """Weight the features."""
        bag = as_bag(inputs)
        if bag is None:
            weights = ops.cast(ops.squeeze(self.feature_weights, axis=-1), self.compute_dtype)
            return densify(inputs, self.n_components, self.compute_dtype) * weights
        indices, values = as_ids(bag[0]), ops.cast(bag[1], self.compute_dtype)
        weights = ops.cast(lookup(self.feature_weights, indices), self.compute_dtype)  # [..., W, 1]
        weighted = indices, values * ops.squeeze(weights, axis=-1)
        return densify(weighted, self.n_components, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {
            **super().get_config(),
            "weights_regularizer": keras.regularizers.serialize(self.weights_regularizer),
        }
