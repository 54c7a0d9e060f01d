from typing import Any

import keras
from keras import ops

from kerasrec._arguments import positive_number
from kerasrec.losses._ranking_loss import RankingLoss


@keras.saving.register_keras_serializable("kerasrec")
class BPRMax(RankingLoss):
    """BPR with the negatives weighted by a softmax over their scores, so that high-scoring ones count most.

    The loss of a list is, with `P` its entries of label > 0, `N` its entries of label 0, `y_p` a label and
    `w_n = exp(s_n) / sum_{m in N} exp(s_m)`,

        sum_{p in P} y_p * [-log(sum_{n in N} w_n * sigmoid(s_p - s_n)) + r * sum_{n in N} w_n * s_n ** 2]

    with `r` the regularization. A list without positives or without negatives has loss 0.

    Args:
        regularization: float, keeps the scores of the negatives near 0; 0 turns it off. Defaults to `1.0`.
        max_positives: int or `None`. Only this many entries of a list, those with the largest labels, count
            as positives. The pairs of a batch then take memory `[B, max_positives, L]` instead of
            `[B, L, L]`. Set it to 1 if lists have one positive. Defaults to `None`, all of them.
        reduction: as in `keras.losses.Loss`, over lists. Defaults to `"sum_over_batch_size"`.
        name: str or `None`. Defaults to `None`.
        dtype: as in `keras.losses.Loss`; half precision is raised to float32. Defaults to `None`.

    Call arguments:
        y_true: labels `[B, L]`: > 0 positive and its weight, 0 negative, -1 padding.
        y_pred: scores `[B, L]`.
        sample_weight: `[B]` or `[B, 1]`, one weight per list, or `None`.

    Returns:
        The reduced loss; with `reduction=None` the loss of each list, `[B]`.

    Raises:
        ValueError: if `regularization` is negative or not finite, `max_positives` is not a positive integer,
            or the shapes are wrong.

    Example:
        >>> import numpy as np, kerasrec
        >>> loss = kerasrec.losses.BPRMax()
        >>> round(float(loss(np.array([[1.0, 0.0, 0.0]]), np.zeros((1, 3)))), 4)  # log(2)
        0.6931

    References:
        Hidasi and Karatzoglou, "Recurrent neural networks with top-k gains for session-based
        recommendations", 2018, eq. 7 and section 3.3.
    """

    def __init__(
        self,
        regularization: float = 1.0,
        max_positives: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(max_positives=max_positives, reduction=reduction, name=name, dtype=dtype)
        self.regularization = (
            0.0 if regularization == 0 else positive_number("regularization", regularization)
        )

    def loss_of(self, gains: Any, positives: Any, labels: Any, scores: Any) -> Any:
        """The loss of each list, `[B]`."""
        negative = ops.equal(labels, 0)
        some = ops.any(negative, axis=-1)[:, None]
        # A list without negatives gets a softmax over all of its entries, and is excluded at the end.
        log_weights = ops.log_softmax(ops.where(negative | ~some, scores, -1e30), axis=-1)  # [B, L]
        log_wins = ops.log_sigmoid(positives[:, :, None] - scores[:, None, :])
        loss = -ops.logsumexp(log_weights[:, None, :] + log_wins, axis=-1)  # [B, P]
        penalty = ops.sum(ops.exp(log_weights) * ops.square(scores), axis=-1, keepdims=True)
        return ops.sum(ops.where(some, gains * (loss + self.regularization * penalty), 0.0), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {**super().get_config(), "regularization": self.regularization}
