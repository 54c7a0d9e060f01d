from typing import Any

import keras
from keras import ops

from kerasrec._arguments import positive_integer
from kerasrec.losses._pair_sums import counted, pair_sums
from kerasrec.losses._ranking_loss import FEW, RankingLoss


@keras.saving.register_keras_serializable("kerasrec")
class WMRB(RankingLoss):
    """Weighted margin-rank batch loss: the logarithm of an estimate of each positive's rank.

    The loss of a list is, with `P` its entries of label > 0 and `N` its entries of label 0,

        sum_{p in P} log(1 + n_items / |N| * sum_{n in N} max(0, 1 - s_p + s_n))

    The size of a positive label does not matter (see `BalancedWMRB`). A list without positives or without
    negatives has loss 0.

    It learns fastest from large batches with one interaction per row and shared negatives, with a falling
    learning rate. On MovieLens 1M, 4,096 rows and 128 shared negatives work well, with Adam at 0.02 falling
    linearly over 8 epochs.

    Args:
        n_items: int, the number of items that the negatives of a list represent: the size of the catalogue.
        max_positives: int or `None`. Only this many entries of a list, those with the largest labels, count
            as positives. Set it to 1 if lists have one positive; this is faster because nothing is sorted.
            Defaults to `None`, all of them.
        reduction: as in `keras.losses.Loss`, over lists. Defaults to `"sum_over_batch_size"`.
        name: str or `None`. Defaults to `None`.
        dtype: as in `keras.losses.Loss`; half precision is raised to float32. Defaults to `None`.

    Call arguments:
        y_true: labels `[B, L]`: > 0 positive, 0 negative, -1 padding.
        y_pred: scores `[B, L]`.
        sample_weight: `[B]` or `[B, 1]`, one weight per list, or `None`.

    Returns:
        The reduced loss; with `reduction=None` the loss of each list, `[B]`.

    Raises:
        ValueError: if `n_items` or `max_positives` is not a positive integer, or the shapes are wrong.

    Example:
        >>> import numpy as np, kerasrec
        >>> loss = kerasrec.losses.WMRB(n_items=6)
        >>> round(float(loss(np.array([[1.0, 0.0, 0.0, -1.0]]), np.array([[2.0, 1.5, -1.0, 9.0]]))), 4)
        0.9163

    References:
        Liu and Natarajan, "WMRB: Learning to rank in a scalable batch training approach", 2017, eq. 4 and 6.
    """

    def __init__(
        self,
        n_items: int,
        max_positives: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(max_positives=max_positives, reduction=reduction, name=name, dtype=dtype)
        self.n_items = positive_integer("n_items", n_items)

    def list_loss(self, labels: Any, scores: Any) -> Any:
        """`[B, L]` with `[B, L]` to `[B]`."""
        if self.max_positives is None and (self.n_own is None or self.n_own > FEW):
            return self._of_violations(*_violations_by_sorting(labels, scores), labels)
        return super().list_loss(labels, scores)

    def loss_of(self, gains: Any, positives: Any, labels: Any, scores: Any) -> Any:
        """The loss of each list, `[B]`."""
        return self._of_violations(gains, _violations(gains, positives, labels, scores), labels)

    def _of_violations(self, gains: Any, violation: Any, labels: Any) -> Any:
        """The loss of each list, given each positive's sum of hinges `[B, P]`."""
        n_sampled = counted(ops.equal(labels, 0), violation.dtype)[:, None]
        rank = self.n_items / n_sampled * violation
        return ops.sum(
            ops.where(gains > 0, ops.log1p(self.weigh(rank, gains)), ops.zeros_like(rank)), axis=-1
        )

    def weigh(self, rank: Any, gains: Any) -> Any:
        """The term that is added to 1 in the logarithm.

        Args:
            rank: estimated rank of each positive, `[B, P]`.
            gains: its label, `[B, P]`.

        Returns:
            `[B, P]`.
        """
        return rank

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {**super().get_config(), "n_items": self.n_items}


def _violations_by_sorting(labels: Any, scores: Any) -> tuple[Any, Any]:
    """Each positive's sum of hinges over its list's negatives, without forming the pairs.

    Entries are sorted by score, with a positive at its threshold `t = s_p - 1`. The negatives that violate it
    then come before it, and the sum is (the sum of their scores) - t * (their number).

    Returns:
        Labels and sums, `[B, L]`, in the order of the sort; negatives and padding have label 0.
    """
    key = ops.where(labels > 0, scores - 1.0, scores)
    # Slightly lower, so that negatives come first among equal keys, as in `_floored`.
    place = ops.stop_gradient(ops.where(labels > 0, key - 1e-7 * (1.0 + ops.abs(key)), key))
    order = ops.argsort(-place, axis=-1)
    labels, key = ops.take_along_axis(labels, order, axis=-1), ops.take_along_axis(key, order, axis=-1)
    negative = ops.cast(ops.equal(labels, 0), key.dtype)
    violation = ops.cumsum(negative * key, axis=-1) - ops.cumsum(negative, axis=-1) * key
    return ops.relu(labels), ops.where(labels > 0, _floored(violation), ops.zeros_like(violation))


# At a margin of 0 the derivative is 1, as in `_floored`.
_violations = pair_sums(lambda lead: ops.relu(1.0 + lead), lambda lead: ops.cast(1.0 + lead >= 0, lead.dtype))


def _floored(x: Any) -> Any:
    """`max(0, x)` with a derivative of 1 at 0 on every backend."""
    return ops.where(x >= 0, x, ops.zeros_like(x))
