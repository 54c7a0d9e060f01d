from typing import Any

import keras
from keras import ops

from kerasrec.losses._rating_loss import RatingLoss, weighted_mean


@keras.saving.register_keras_serializable("kerasrec")
class RMSE(RatingLoss):
    """The root mean squared error over the values given.

        sqrt(sum_k w_k * (y_k - s_k) ** 2 / sum_k w_k)

    over all entries `k` of the batch. It is computed over the whole batch, so the mean of two batches is not
    the loss of both together. Values may have any sign (-1 is a value here), and entries of weight 0 are left
    out. With no entry, or no error, the loss is 0 and has no gradient.

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
        >>> loss = kerasrec.losses.RMSE()
        >>> float(loss(np.array([[4.0], [-1.0]]), np.array([[1.0], [-1.0]]), np.array([1.0, 0.0])))
        3.0

    References:
        Kirk, "TensorRec: RMSELossGraph", 2018.
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
        mean = weighted_mean(ops.square(values - predictions), weights)
        # The derivative of the root at 0 is infinite, and infinity times 0 is NaN.
        positive = mean > 0
        root = ops.sqrt(ops.where(positive, mean, ops.ones_like(mean)))
        return ops.where(positive, root, ops.zeros_like(mean))
