from typing import Any

import keras
from keras import ops

from kerasrec._arguments import positive_number
from kerasrec.losses._ranking_loss import RankingLoss


@keras.saving.register_keras_serializable("kerasrec")
class FullSoftmax(RankingLoss):
    """The multinomial likelihood of a list's positives among all of its entries.

    The loss of a list is, with `P` its entries of label > 0, `V` its entries of label >= 0, `y_p` a label and
    `t` the temperature,

        sum_{p in P} y_p * [log(sum_{j in V} exp(s_j / t)) - s_p / t]

    Lists hold the whole catalogue, one row a user with all its positives at once; for a sample of it see
    `SampledSoftmax`. A list without positives or without negatives has loss 0.

    Args:
        temperature: float, divides the scores. Defaults to `1.0`.
        reduction: as in `keras.losses.Loss`, over lists. Defaults to `"sum_over_batch_size"`.
        name: str or `None`. Defaults to `None`.
        dtype: as in `keras.losses.Loss`; half precision is raised to float32. Defaults to `None`.

    Call arguments:
        y_true: labels `[B, I]`: > 0 positive and its weight, 0 negative, -1 left out.
        y_pred: scores `[B, I]`.
        sample_weight: `[B]` or `[B, 1]`, one weight a list, or `None`.

    Returns:
        The reduced loss; with `reduction=None` the loss of each list, `[B]`.

    Raises:
        ValueError: if `temperature` is not a finite number above 0, or the shapes are others.

    Example:
        >>> import numpy as np, kerasrec
        >>> loss = kerasrec.losses.FullSoftmax()
        >>> round(float(loss(np.array([[1.0, 0.0, 1.0, 0.0]]), np.zeros((1, 4)))), 4)  # 2 * log(4)
        2.7726

    References:
        Liang et al., "Variational autoencoders for collaborative filtering", 2018, eq. 2.
    """

    def __init__(
        self,
        temperature: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction=reduction, name=name, dtype=dtype)
        self.temperature = positive_number("temperature", temperature)

    def list_loss(self, labels: Any, scores: Any) -> Any:
        """`[B, I]` with `[B, I]` to `[B]`."""
        scores = scores / self.temperature
        normaliser = ops.logsumexp(ops.where(labels >= 0, scores, -1e30), axis=-1, keepdims=True)
        loss = ops.sum(ops.relu(labels) * (normaliser - scores), axis=-1)
        return ops.where(ops.any(ops.equal(labels, 0), axis=-1), loss, ops.zeros_like(loss))

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        config = super().get_config()
        del config["max_positives"]
        return {**config, "temperature": self.temperature}
