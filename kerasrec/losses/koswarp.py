from typing import Any

import keras
from keras import ops

from kerasrec._arguments import positive_integer
from kerasrec.losses.warp import WARP


@keras.saving.register_keras_serializable("kerasrec")
class KOSWARP(WARP):
    """WARP on only the k-th best positive of each list.

    The positives of a list are ordered by score, and the loss of the list is `WARP`'s loss of the `k`-th
    positive, or of the last one if there are fewer. A list contains positives of one user, all or a sample,
    and negatives. A list without positives or without negatives has loss 0.

    Args:
        n_items: int, the number of items of the catalogue.
        k: int, which positive counts: 1 is the one with the highest score. Defaults to `5`.
        max_sampled: int, the most negatives tried, or `None`: all at once, as in `WARP`. Defaults to `10`.
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
        ValueError: if `n_items`, `k` or `max_sampled` is not a positive integer, or the shapes are wrong.

    Example:
        >>> import numpy as np, kerasrec
        >>> loss = kerasrec.losses.KOSWARP(n_items=101, k=2)
        >>> round(float(loss(np.array([[1.0, 1.0, 0.0]]), np.array([[2.0, 9.0, 1.5]]))), 4)  # 0.5 * log(100)
        2.3026

    References:
        Weston, Yee and Weiss, "Learning to rank recommendations with the k-order statistic loss", 2013,
        section 3; the defaults as in Kula, "LightFM", 2015.
    """

    def __init__(
        self,
        n_items: int,
        k: int = 5,
        max_sampled: int | None = 10,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(n_items, max_sampled=max_sampled, reduction=reduction, name=name, dtype=dtype)
        self.k = positive_integer("k", k)

    def positives(self, labels: Any, *columns: Any) -> tuple[Any, ...]:
        """The single positive that counts: label and score, `[B, 1]`."""
        labels, scores = self.own(labels, *columns)
        positive = labels > 0
        place = ops.stop_gradient(ops.where(positive, -scores, float("inf")))
        last = ops.sum(ops.cast(positive, "int32"), axis=-1, keepdims=True) - 1
        chosen = ops.take_along_axis(ops.argsort(place, axis=-1), ops.clip(last, 0, self.k - 1), axis=-1)
        return ops.relu(ops.take_along_axis(labels, chosen, axis=-1)), ops.take_along_axis(
            scores, chosen, axis=-1
        )

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        config = super().get_config()
        del config["max_positives"]
        return {**config, "k": self.k}
