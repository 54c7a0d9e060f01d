"""TensorRec's loss graphs, based on kerasrec's losses; sums and regularisation are those of the original."""

from typing import Any, NamedTuple

import keras
from keras import ops

from kerasrec.compat._all_pairs import AllPairs
from kerasrec.losses import RMSE, BalancedWMRB, Separation


class SparseInteractions(NamedTuple):
    """The interactions of a batch, with the attributes of a sparse tensor.

    Attributes:
        indices: `[P, 2]`, user and item.
        values: `[P]`.
        dense_shape: numbers of users and items.
    """

    indices: Any
    values: Any
    dense_shape: tuple[Any, Any]


class AbstractLossGraph:
    """The base class of losses, which compare predictions with interactions.

    Your own loss derives from this class and defines `connect_loss_graph`, with `keras.ops` or the operations
    of the backend. To save it with a model, register it with `keras.saving.register_keras_serializable` and,
    if it has arguments, define `get_config`.

    Attributes:
        is_dense: bool, whether it gets the predictions of every user for every item.
        is_sample_based: bool, whether it gets the predictions for a sample of items.
        is_sampled_with_replacement: bool, whether a sample may contain an item twice.
        ignores_negatives: bool, whether interactions with values of 0 or less may be left out.
    """

    is_dense = False
    is_sample_based = False
    is_sampled_with_replacement = False
    ignores_negatives = False

    def connect_loss_graph(self, *args: Any, **tensors: Any) -> Any:
        """The loss of a batch of users.

        Args:
            *args: unused; all arguments are passed by name.
            **tensors: tensors by name. Always: `tf_prediction_serial` and `tf_interactions_serial` `[P]`, the
                predictions and values of the interactions; `tf_interactions`, a `SparseInteractions`;
                `tf_n_users` and `tf_n_items`. If `is_dense`: `tf_prediction` and `tf_rankings`, `[B, I]`. If
                `is_sample_based`: `tf_sample_predictions` `[B, S]` and `tf_n_sampled_items`. If the method
                has a parameter `tf_weights`, interactions may be padded; padding has weight 0. If it has a
                parameter `tf_all_pairs`, it gets the sums of all predictions instead of the array.

        Returns:
            A scalar or a vector. A vector is summed, and the regularisation is added to each of its entries.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `connect_loss_graph`.")

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AbstractLossGraph":
        """A graph from its settings.

        Args:
            config: the result of `get_config`.

        Returns:
            `AbstractLossGraph`.
        """
        return cls(**config)


@keras.saving.register_keras_serializable("kerasrec")
class RMSELossGraph(AbstractLossGraph):
    """The root mean squared error over the given interactions: `kerasrec.losses.RMSE`."""

    def connect_loss_graph(
        self, tf_prediction_serial: Any, tf_interactions_serial: Any, tf_weights: Any, **tensors: Any
    ) -> Any:
        """A scalar."""
        return RMSE()(tf_interactions_serial, tf_prediction_serial, tf_weights)


@keras.saving.register_keras_serializable("kerasrec")
class RMSEDenseLossGraph(AbstractLossGraph):
    """`RMSELossGraph` over all users and items, in which missing interactions count as 0.

    `kerasrec.losses.RMSE` gets their number, mean and variance, so no array of users by items is created.
    """

    is_dense = True

    def connect_loss_graph(self, tf_weights: Any, tf_all_pairs: Any, **tensors: Any) -> Any:
        """A scalar."""
        return RMSE()(*_with_missing(tf_weights, tf_all_pairs, **tensors))


@keras.saving.register_keras_serializable("kerasrec")
class SeparationLossGraph(AbstractLossGraph):
    """The overlap of positives and negatives as normal distributions: `kerasrec.losses.Separation`.

    Without positives or without negatives the loss is 0; in the original it is NaN.
    """

    def connect_loss_graph(
        self, tf_prediction_serial: Any, tf_interactions_serial: Any, tf_weights: Any, **tensors: Any
    ) -> Any:
        """A scalar."""
        return Separation()(tf_interactions_serial, tf_prediction_serial, tf_weights)


@keras.saving.register_keras_serializable("kerasrec")
class SeparationDenseLossGraph(AbstractLossGraph):
    """`SeparationLossGraph` over all users and items, in which missing interactions are negatives.

    `kerasrec.losses.Separation` gets their number, mean and variance, so no array of users by items is
    created.
    """

    is_dense = True

    def connect_loss_graph(self, tf_weights: Any, tf_all_pairs: Any, **tensors: Any) -> Any:
        """A scalar."""
        return Separation()(*_with_missing(tf_weights, tf_all_pairs, **tensors))


@keras.saving.register_keras_serializable("kerasrec")
class WMRBLossGraph(AbstractLossGraph):
    """The logarithm of each positive's estimated rank: `kerasrec.losses.WMRB`, a vector over positives."""

    is_sample_based = True
    ignores_negatives = True

    def connect_loss_graph(
        self,
        tf_prediction_serial: Any,
        tf_interactions: SparseInteractions,
        tf_sample_predictions: Any,
        tf_n_items: Any,
        tf_weights: Any,
        **tensors: Any,
    ) -> Any:
        """`[P]`."""
        factors = ops.cast(tf_n_items, tf_weights.dtype) * self.item_weights(tf_interactions, tf_weights)
        positives = ops.where(tf_weights > 0, factors, -ops.ones_like(factors))
        sample = ops.take(tf_sample_predictions, tf_interactions.indices[:, 0], axis=0)  # [P, S]
        labels = ops.concatenate([positives[:, None], ops.zeros_like(sample)], axis=1)
        scores = ops.concatenate([tf_prediction_serial[:, None], sample], axis=1)
        # The number of items is a tensor here, so it is passed as a factor of the label.
        return BalancedWMRB(n_items=1, max_positives=1, reduction=None)(labels, scores)

    def item_weights(self, interactions: SparseInteractions, weights: Any) -> Any:
        """The factor of each interaction's rank.

        Args:
            interactions: the positive interactions, and padding.
            weights: `[P]`, 0 for padding.

        Returns:
            `[P]`.
        """
        return weights


@keras.saving.register_keras_serializable("kerasrec")
class BalancedWMRBLossGraph(WMRBLossGraph):
    """`WMRBLossGraph` with balanced ranks: `kerasrec.losses.BalancedWMRB`.

    A rank is multiplied by the interaction's value divided by the sum of the item's values in the batch, as
    in the original.
    """

    def item_weights(self, interactions: SparseInteractions, weights: Any) -> Any:
        """The value divided by the sum of the item's values in the batch."""
        items, values = interactions.indices[:, 1], interactions.values * weights
        sums = ops.segment_sum(values, items, num_segments=interactions.dense_shape[1])
        return values / ops.where(weights > 0, ops.take(sums, items), ops.ones_like(values))


def _with_missing(
    weights: Any,
    all_pairs: AllPairs,
    tf_prediction_serial: Any,
    tf_interactions_serial: Any,
    tf_n_users: Any,
    tf_n_items: Any,
    **tensors: Any,
) -> tuple[Any, Any, Any]:
    """Values, predictions and weights of the interactions, followed by those of all missing interactions.

    The missing ones are represented by two entries with value 0 that have their number, mean and variance.
    """
    shift = ops.stop_gradient(ops.sum(weights * tf_prediction_serial) / ops.maximum(ops.sum(weights), 1.0))
    total, squares = all_pairs.sums(shift)
    given = tf_prediction_serial - shift
    n = ops.cast(tf_n_users, weights.dtype) * ops.cast(tf_n_items, weights.dtype) - ops.sum(weights)
    n_at_least = ops.maximum(n, 1.0)
    mean = (total - ops.sum(weights * given)) / n_at_least
    variance = (squares - ops.sum(weights * ops.square(given))) / n_at_least - ops.square(mean)
    deviation = ops.sqrt(ops.maximum(variance, 1e-12))
    missing = ops.stack([mean + deviation, mean - deviation]) + shift
    return (
        ops.concatenate([tf_interactions_serial, ops.zeros_like(missing)]),
        ops.concatenate([tf_prediction_serial, missing]),
        ops.concatenate([weights, ops.stack([n, n]) / 2]),
    )
