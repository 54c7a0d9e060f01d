"""TensorRec's representation graphs; each is another name for a representation layer."""

from typing import Any

import keras

from kerasrec.layers import (
    LayersRepr,
    PassThroughRepr,
    ReLURepr,
    SparseLinearRepr,
    WeightedPassThroughRepr,
)


class AbstractRepresentationGraph:
    """The base class of representation graphs, which turn features into representations.

    Your own graph derives from this class and defines `create_layer`. The original's
    `connect_representation_graph` consists of TensorFlow 1 operations and cannot be used in Keras 3.
    """

    def create_layer(self, n_features: int, n_components: int) -> keras.layers.Layer:
        """A new layer, called once for the items and once for each taste of the users.

        Args:
            n_features: int, number of features.
            n_components: int, size of a representation.

        Returns:
            A Keras layer that maps a padded bag `{"indices": [B, W], "weights": [B, W]}` to `[B, C]`, and is
            built for `n_features` before its first call.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define `create_layer(n_features, n_components)`, which returns a "
            "Keras layer; TensorFlow 1 operations in `connect_representation_graph` are not used."
        )


class LinearRepresentationGraph(AbstractRepresentationGraph):
    """A weighted sum of one vector per feature: `kerasrec.layers.SparseLinearRepr`."""

    def create_layer(self, n_features: int, n_components: int) -> keras.layers.Layer:
        """The layer."""
        return SparseLinearRepr(n_components, n_features)


class NormalizedLinearRepresentationGraph(LinearRepresentationGraph):
    """A weighted sum of one vector per feature, scaled to length 1: `kerasrec.layers.SparseLinearRepr`."""

    def create_layer(self, n_features: int, n_components: int) -> keras.layers.Layer:
        """The layer."""
        return SparseLinearRepr(n_components, n_features, normalize=True)


class FeaturePassThroughRepresentationGraph(AbstractRepresentationGraph):
    """The features are the representation: `kerasrec.layers.PassThroughRepr`."""

    def create_layer(self, n_features: int, n_components: int) -> keras.layers.Layer:
        """The layer."""
        return PassThroughRepr(n_components, n_features)


class WeightedFeaturePassThroughRepresentationGraph(FeaturePassThroughRepresentationGraph):
    """The features, each multiplied by a weight: `kerasrec.layers.WeightedPassThroughRepr`.

    The weights are trained. The original documents this, too, but its weights are constants.
    """

    def create_layer(self, n_features: int, n_components: int) -> keras.layers.Layer:
        """The layer."""
        return WeightedPassThroughRepr(n_components, n_features)


class ReLURepresentationGraph(AbstractRepresentationGraph):
    """One hidden layer of rectified units: `kerasrec.layers.ReLURepr`.

    Args:
        relu_size: int, number of hidden units. Defaults to `None`: `4 * n_components`.
    """

    def __init__(self, relu_size: int | None = None) -> None:
        self.relu_size = relu_size

    def create_layer(self, n_features: int, n_components: int) -> keras.layers.Layer:
        """The layer."""
        return ReLURepr(n_components, n_features, self.relu_size)


class AbstractKerasRepresentationGraph(AbstractRepresentationGraph):
    """A sequence of Keras layers: `kerasrec.layers.LayersRepr`.

    Example:
        >>> import keras, kerasrec
        >>> class DeepGraph(kerasrec.compat.AbstractKerasRepresentationGraph):
        ...     def create_layers(self, n_features, n_components):
        ...         return [keras.layers.Dense(16, "relu"), keras.layers.Dense(n_components, "tanh")]
        >>> model = kerasrec.compat.TensorRec(n_components=4, item_repr_graph=DeepGraph())
    """

    def create_layers(self, n_features: int, n_components: int) -> list[keras.layers.Layer]:
        """New layers.

        Args:
            n_features: int, number of input features of the first layer.
            n_components: int, output size of the last layer.

        Returns:
            Keras layers.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `create_layers`.")

    def create_layer(self, n_features: int, n_components: int) -> keras.layers.Layer:
        """The layers as a single layer."""
        layers: Any = self.create_layers(n_features=n_features, n_components=n_components)
        return LayersRepr(layers, n_features)
