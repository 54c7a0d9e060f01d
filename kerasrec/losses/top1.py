from typing import Any

import keras
from keras import ops

from kerasrec.losses._pair_sums import counted
from kerasrec.losses._pairwise_loss import PairwiseLoss


@keras.saving.register_keras_serializable("kerasrec")
class TOP1(PairwiseLoss):
    """A smoothed share of negatives above a positive, which keeps the scores of negatives near 0.

    The loss of a list is, with `P` its entries of label > 0, `N` its entries of label 0 and `y_p` a label,

        sum_{p in P} y_p * mean_{n in N} [sigmoid(s_n - s_p) + sigmoid(s_n ** 2)]

    A list without positives or without negatives has loss 0.

    Args:
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
        ValueError: if `max_positives` is not a positive integer, or the shapes are wrong.

    Example:
        >>> import numpy as np, kerasrec
        >>> loss = kerasrec.losses.TOP1()
        >>> float(loss(np.array([[1.0, 0.0, -1.0]]), np.array([[0.0, 0.0, 9.0]])))
        1.0

    References:
        Hidasi et al., "Session-based recommendations with recurrent neural networks", 2016, section 3.3.
    """

    def value(self, lead: Any) -> Any:
        """`sigmoid(lead)`."""
        return ops.sigmoid(lead)

    def slope(self, lead: Any) -> Any:
        """The derivative of `sigmoid(lead)`."""
        sigmoid = ops.sigmoid(lead)
        return sigmoid * (1 - sigmoid)

    def loss_of(self, gains: Any, positives: Any, labels: Any, scores: Any) -> Any:
        """The loss of each list, `[B]`; `sigmoid(score ** 2)` of a negative is the same for all positives."""
        negative = ops.cast(ops.equal(labels, 0), scores.dtype)
        sizes = ops.sum(negative * ops.sigmoid(ops.square(scores)), axis=-1) / counted(negative, scores.dtype)
        return super().loss_of(gains, positives, labels, scores) + ops.sum(gains, axis=-1) * sizes
