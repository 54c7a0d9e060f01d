from typing import Any

import keras
from keras import ops

from kerasrec._arguments import positive_number
from kerasrec.losses._pairwise_loss import OrderedPairsLoss


@keras.saving.register_keras_serializable("kerasrec")
class PairwiseHinge(OrderedPairsLoss):
    """Entries with a larger label should score above those with a smaller one by a margin.

    The loss of a list is

        sum_{i: y_i > 0} mean_{j: 0 <= y_j < y_i} max(0, margin - (s_i - s_j))

    so labels may be grades; their order matters, not their size. A list whose labels are all equal has loss
    0.

    Args:
        margin: float, the required difference of scores. Defaults to `1.0`.
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
        ValueError: if `margin` is not a finite number above 0, `max_positives` is not a positive integer, or
            the shapes are wrong.

    Example:
        >>> import numpy as np, kerasrec
        >>> loss = kerasrec.losses.PairwiseHinge()
        >>> float(loss(np.array([[1.0, 0.0, 0.0]]), np.array([[2.0, 1.5, -1.0]])))
        0.25

    References:
        Herbrich, Graepel and Obermayer, "Large margin rank boundaries for ordinal regression", 2000;
        Joachims, "Optimizing search engines using clickthrough data", 2002.
    """

    def __init__(
        self,
        margin: float = 1.0,
        max_positives: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(max_positives=max_positives, reduction=reduction, name=name, dtype=dtype)
        self.margin = positive_number("margin", margin)

    def value(self, lead: Any) -> Any:
        """`max(0, margin + lead)`."""
        return ops.relu(self.margin + lead)

    def slope(self, lead: Any) -> Any:
        """1 if the margin is violated, otherwise 0."""
        return ops.cast(self.margin + lead > 0, lead.dtype)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {**super().get_config(), "margin": self.margin}
