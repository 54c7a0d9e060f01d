from typing import Any

import keras
from keras import ops

from kerasrec.losses._ranking_loss import RankingLoss


@keras.saving.register_keras_serializable("kerasrec")
class BinaryCrossEntropy(RankingLoss):
    """Each entry of a list is judged alone: relevant or not, by the sigmoid of its score.

    The loss of a list is, with `P` its entries of label > 0, `N` its entries of label 0, `y_p` a label and
    `sigma` the sigmoid,

        - sum_{p in P} y_p * log(sigma(s_p)) - sum_{n in N} log(1 - sigma(s_n))

    so padding (label -1) counts for nothing, unlike in Keras's loss of the same name. With one negative a
    positive it teaches scores that are too high: see `GBCE`.

    Args:
        reduction: as in `keras.losses.Loss`, over lists. Defaults to `"sum_over_batch_size"`.
        name: str or `None`. Defaults to `None`.
        dtype: as in `keras.losses.Loss`; half precision is raised to float32. Defaults to `None`.

    Call arguments:
        y_true: labels `[B, L]`: > 0 positive and its weight, 0 negative, -1 padding.
        y_pred: scores `[B, L]`.
        sample_weight: `[B]` or `[B, 1]`, one weight a list, or `None`.

    Returns:
        The reduced loss; with `reduction=None` the loss of each list, `[B]`.

    Raises:
        ValueError: if the shapes are others.

    Example:
        >>> import numpy as np, kerasrec
        >>> loss = kerasrec.losses.BinaryCrossEntropy()
        >>> round(float(loss(np.array([[1.0, 0.0, -1.0]]), np.zeros((1, 3)))), 4)  # 2 * log(2)
        1.3863

    References:
        He et al., "Neural collaborative filtering", 2017, eq. 7; Kang and McAuley, "Self-attentive sequential
        recommendation", 2018, section 3.5.
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(reduction=reduction, name=name, dtype=dtype)

    def list_loss(self, labels: Any, scores: Any) -> Any:
        """`[B, L]` with `[B, L]` to `[B]`."""
        gains, positives = self.positives(labels, scores)
        wrong = ops.sum(ops.where(ops.equal(labels, 0), ops.softplus(scores), 0.0), axis=-1)
        return ops.sum(gains * ops.softplus(-positives), axis=-1) * self.confidence(labels) + wrong

    def confidence(self, labels: Any) -> Any:
        """The exponent of the probability of a positive: 1, or `[B]`.

        Args:
            labels: `[B, L]`.
        """
        return 1.0

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        config = super().get_config()
        del config["max_positives"]
        return config
