from typing import Any

import keras

from kerasrec.losses.wmrb import WMRB


@keras.saving.register_keras_serializable("kerasrec")
class BalancedWMRB(WMRB):
    """WMRB in which the estimated rank of a positive is multiplied by its label.

    The loss of a list is, with `P` its entries of label > 0, `N` its entries of label 0 and `y_p` a label,

        sum_{p in P} log(1 + y_p * n_items / |N| * sum_{n in N} max(0, 1 - s_p + s_n))

    With `y_p` = value / (sum of that item's positive values over the data set), popular items have a smaller
    weight. A list without positives or without negatives has loss 0.

    It learns best from many shared negatives and a decay that is the same for all items. On MovieLens 1M,
    2,048 interactions and 512 shared negatives work well, with Adam at 0.01 falling linearly over 4 epochs.

    Args:
        n_items: int, the number of items that the negatives of a list represent: the size of the catalogue.
        max_positives: int or `None`. Only this many entries of a list, those with the largest labels, count
            as positives. Set it to 1 if lists have one positive; this is faster because nothing is sorted.
            Defaults to `None`, all of them.
        reduction: as in `keras.losses.Loss`, over lists. Defaults to `"sum_over_batch_size"`.
        name: str or `None`. Defaults to `None`.
        dtype: as in `keras.losses.Loss`; half precision is raised to float32. Defaults to `None`.

    Call arguments:
        y_true: labels `[B, L]`: > 0 positive and a factor, 0 negative, -1 padding.
        y_pred: scores `[B, L]`.
        sample_weight: `[B]` or `[B, 1]`, one weight per list, or `None`.

    Returns:
        The reduced loss; with `reduction=None` the loss of each list, `[B]`.

    Raises:
        ValueError: if `n_items` or `max_positives` is not a positive integer, or the shapes are wrong.

    Example:
        >>> import numpy as np, kerasrec
        >>> loss = kerasrec.losses.BalancedWMRB(n_items=6)
        >>> round(float(loss(np.array([[0.5, 0.0, 0.0, -1.0]]), np.array([[2.0, 1.5, -1.0, 9.0]]))), 4)
        0.5596

    References:
        Kirk, "TensorRec: the balanced WMRB loss graph", 2018 (the factor); Liu and Natarajan, "WMRB: Learning
        to rank in a scalable batch training approach", 2017 (the rest).
    """

    def weigh(self, rank: Any, gains: Any) -> Any:
        """The label times the rank."""
        return gains * rank
