from typing import Any

import keras

from kerasrec.layers._features import densify
from kerasrec.layers._representation import Representation


@keras.saving.register_keras_serializable("kerasrec")
class PassThroughRepr(Representation):
    """The features are the representation: `out = features`. Nothing is trained.

    Args:
        n_components: int, size of a representation; equal to the number of features.
        n_features: int, number of features. Defaults to `None`: `n_components`.
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
        >>> layer = kerasrec.layers.PassThroughRepr(3)
        >>> bag = {"indices": np.array([[2, 0]]), "weights": np.array([[5.0, 1.0]])}
        >>> [float(x) for x in layer(bag)[0]]
        [1.0, 0.0, 5.0]

    References:
        Kirk, "TensorRec: FeaturePassThroughRepresentationGraph", 2018.
    """

    def __init__(self, n_components: int, n_features: int | None = None, **kwargs: Any) -> None:
        super().__init__(n_components, n_components if n_features is None else n_features, **kwargs)
        if self.n_features != self.n_components:
            raise ValueError(
                f"`n_components` of {type(self).__name__} must be the number of features, which are the "
                f"representation. Received: n_components={n_components}, n_features={n_features}."
            )

    def call(self, inputs: Any) -> Any:
        """Return the features."""
        return densify(inputs, self.n_components, self.compute_dtype)
