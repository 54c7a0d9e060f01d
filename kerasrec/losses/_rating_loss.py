from typing import Any

import keras
from keras import ops

from kerasrec._precision import at_least_float32
from kerasrec.losses._places import by_places, spread


class RatingLoss(keras.losses.Loss):
    """The base class of rating losses: one statistic of all entries of a batch, with weights and masks.

    A subclass defines `statistic(values, predictions, weights)`.
    """

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss; a Keras mask on `y_pred` and zeros in `sample_weight` leave entries out."""
        mask = getattr(y_pred, "_keras_mask", None)
        if by_places(y_true, y_pred):
            y_true = spread(ops.convert_to_tensor(y_true, "float32"), ops.shape(y_pred))
        y_true = ops.convert_to_tensor(y_true, dtype=self.dtype)
        y_pred = ops.convert_to_tensor(y_pred, dtype=self.dtype)
        weights = ops.ones_like(y_pred)
        for part in (sample_weight, mask):
            if part is not None:
                part = ops.cast(ops.convert_to_tensor(part), weights.dtype)
                weights = weights * _like(part, y_pred, "sample_weight")
        # The product is a new tensor without the mask, which Keras would apply to the single statistic.
        return super().__call__((y_true, weights), y_pred * 1)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The statistic, `[1]`, which no reduction changes."""
        values, weights = y_true
        values = _like(values, y_pred, "y_true")
        values, predictions, weights = (at_least_float32(x) for x in (values, y_pred, weights))
        kept = weights > 0
        predictions = ops.where(kept, predictions, ops.zeros_like(predictions))
        values = ops.where(kept, values, ops.zeros_like(values))
        return ops.reshape(self.statistic(values, predictions, weights), (1,))

    def statistic(self, values: Any, predictions: Any, weights: Any) -> Any:
        """The statistic of three tensors of one shape, a scalar."""
        raise NotImplementedError(f"{type(self).__name__} must define `statistic`.")


def missing_weights(values: Any, weights: Any, n_items: int | None) -> Any:
    """Weights with which the zeros of a row represent all items of the catalogue without a value in it.

    Args:
        values: `[B, L]`.
        weights: `[B, L]`.
        n_items: size of the catalogue, or `None` if a row contains all of it.

    Returns:
        `[B, L]`.
    """
    if n_items is None:
        return weights
    if len(values.shape) != 2:
        raise ValueError(f"`y_pred` must have shape [batch, list]. Received: shape={tuple(values.shape)}.")
    there = ops.cast(weights > 0, weights.dtype)
    zero = ops.cast(ops.equal(values, 0), weights.dtype)
    n_zero = ops.sum(there * zero, axis=-1, keepdims=True)
    n_missing = ops.relu(n_items - ops.sum(there * (1 - zero), axis=-1, keepdims=True))
    return weights * ops.where(zero > 0, n_missing / ops.maximum(n_zero, 1.0), ops.ones_like(weights))


def weighted_mean(x: Any, weights: Any) -> Any:
    """A weighted mean, a scalar; 0 if no weight is above 0."""
    total = ops.sum(weights)
    return ops.sum(x * weights) / ops.where(total > 0, total, ops.ones_like(total))


def _like(x: Any, y_pred: Any, name: str) -> Any:
    """`x` with the rank of `y_pred`; `[B]` with `[B, L]` is one value per row."""
    if len(x.shape) == len(y_pred.shape) + 1 and x.shape[-1] == 1:
        x = ops.squeeze(x, axis=-1)
    while len(x.shape) < len(y_pred.shape):
        x = ops.expand_dims(x, axis=-1)
    fits = len(x.shape) == len(y_pred.shape) and all(
        a is None or b is None or a == b or (a == 1 and name == "sample_weight")
        for a, b in zip(x.shape, y_pred.shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"`{name}` must have the shape of `y_pred`. Received: {name} {tuple(x.shape)}, "
            f"y_pred {tuple(y_pred.shape)}."
        )
    return x
