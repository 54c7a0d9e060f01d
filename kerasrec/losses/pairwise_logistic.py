from typing import Any

import keras
from keras import ops

from kerasrec.losses._pair_sums import softplus
from kerasrec.losses._pairwise_loss import OrderedPairsLoss


@keras.saving.register_keras_serializable("kerasrec")
class PairwiseLogistic(OrderedPairsLoss):
    """Logistic loss of pairs: entries with a larger label should score above those with a smaller one.

    The loss of a list is

        sum_{i: y_i > 0} mean_{j: 0 <= y_j < y_i} log(1 + exp(s_j - s_i))

    so labels may be grades; their order matters, not their size (with labels 0 and 1 it is `BPR`). A list
    whose labels are all equal has loss 0.

    Args:
        max_positives: int or `None`. Only this many entries of a list, those with the largest labels, count
            as `i`. The pairs of a batch then take memory `[B, max_positives, L]` instead of `[B, L, L]`. Set
            it to 1 if lists have one positive. Defaults to `None`, all of them.
        reduction: as in `keras.losses.Loss`, over lists. Defaults to `"sum_over_batch_size"`.
        name: str or `None`. Defaults to `None`.
        dtype: as in `keras.losses.Loss`; half precision is raised to float32. Defaults to `None`.

    Call arguments:
        y_true: labels `[B, L]`: larger is better, 0 negative, -1 padding.
        y_pred: scores `[B, L]`.
        sample_weight: `[B]` or `[B, 1]`, one weight per list, or `None`.

    Returns:
        The reduced loss; with `reduction=None` the loss of each list, `[B]`.

    Raises:
        ValueError: if `max_positives` is not a positive integer, or the shapes are wrong.

    Example:
        >>> import numpy as np, kerasrec
        >>> loss = kerasrec.losses.PairwiseLogistic()
        >>> round(float(loss(np.array([[2.0, 1.0, 0.0]]), np.zeros((1, 3)))), 4)  # log(2) + log(2)
        1.3863

    References:
        Burges et al., "Learning to rank using gradient descent", 2005, eq. 3 with certain order.
    """

    def value(self, lead: Any) -> Any:
        """`log(1 + exp(lead))`."""
        return softplus(lead)

    def slope(self, lead: Any) -> Any:
        """`sigmoid(lead)`."""
        return ops.sigmoid(lead)
