from typing import Any

import keras
from keras import ops

from kerasrec.losses._rating_loss import RatingLoss, weighted_mean


@keras.saving.register_keras_serializable("kerasrec")
class Separation(RatingLoss):
    """The probability that a negative scores above a positive, if both have normally distributed scores.

    With `mean_pos`, `var_pos` of the scores of the batch's entries of value > 0, and `mean_neg`, `var_neg` of
    those of value <= 0,

        1 - CDF of Normal(mean_neg - mean_pos, sqrt(var_neg + var_pos)) at 0

    It is computed over the whole batch, so the mean of two batches is not the loss of both together. -1 is a
    value here, and entries of weight 0 are left out. A batch without positives or without negatives has loss
    0. The sum of the variances is floored at 1e-8.

    Args:
        reduction: as in `keras.losses.Loss`; over one figure, they all give it. Defaults to
            `"sum_over_batch_size"`.
        name: str or `None`. Defaults to `None`.
        dtype: as in `keras.losses.Loss`; half precision is raised to float32. Defaults to `None`.

    Call arguments:
        y_true: values `[B, L]` (`[B]` with scores `[B, 1]`).
        y_pred: scores `[B, L]`.
        sample_weight: `[B, L]`, or `[B]` or `[B, 1]` for one weight per row, or `None`.

    Returns:
        A scalar.

    Raises:
        ValueError: if the shapes are wrong.

    Example:
        >>> import numpy as np, kerasrec
        >>> loss = kerasrec.losses.Separation()
        >>> values, scores = np.array([[1.0, 1.0, 0.0, -1.0]]), np.array([[2.0, 0.0, 1.0, -1.0]])
        >>> round(float(loss(values, scores)), 4)  # the normal CDF at -1 / sqrt(2)
        0.2398

    References:
        Kirk, "TensorRec: SeparationLossGraph", 2018.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction=reduction, name=name, dtype=dtype)

    def statistic(self, values: Any, predictions: Any, weights: Any) -> Any:
        """The statistic of three tensors of one shape, a scalar."""
        positive = ops.where(values > 0, weights, ops.zeros_like(weights))
        negative = ops.where(values > 0, ops.zeros_like(weights), weights)
        mean_pos, mean_neg = weighted_mean(predictions, positive), weighted_mean(predictions, negative)
        var_pos = weighted_mean(ops.square(predictions - mean_pos), positive)
        var_neg = weighted_mean(ops.square(predictions - mean_neg), negative)
        # The 2 is the error function's: CDF(x) = (1 + erf(x / sqrt(2))) / 2.
        spread = ops.sqrt(2.0 * ops.maximum(var_pos + var_neg, 1e-8))
        loss = 0.5 - 0.5 * ops.erf((mean_pos - mean_neg) / spread)
        both = (ops.sum(positive) > 0) & (ops.sum(negative) > 0)
        return ops.where(both, loss, ops.zeros_like(loss))
