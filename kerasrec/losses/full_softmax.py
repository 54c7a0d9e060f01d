from typing import Any

import keras
from keras import ops

from kerasrec._arguments import positive_number
from kerasrec._custom_gradient import custom_gradient
from kerasrec._precision import at_least_float32
from kerasrec.losses._places import by_places, columns, spread
from kerasrec.losses._ranking_loss import RankingLoss


@keras.saving.register_keras_serializable("kerasrec")
class FullSoftmax(RankingLoss):
    """The multinomial negative log likelihood of a list's positives among all of its entries.

    The loss of a list is, with `P` its entries of label > 0, `V` its entries of label >= 0, `y_p` a label and
    `t` the temperature,

        sum_{p in P} y_p * [log(sum_{j in V} exp(s_j / t)) - s_p / t]

    Lists hold the whole catalogue, one row per user with all its positives at once; for a sample of it see
    `SampledSoftmax`. A list without positives or without negatives has loss 0.

    Args:
        temperature: float, divides the scores. Defaults to `1.0`.
        reduction: as in `keras.losses.Loss`, over lists. Defaults to `"sum_over_batch_size"`.
        name: str or `None`. Defaults to `None`.
        dtype: as in `keras.losses.Loss`; half precision is raised to float32. Defaults to `None`.

    Labels may also be given as positions, which avoids an array with the shape of the scores: `[1, N, 3]` has
    the row, the position in the list and the label of each positive of the batch. Entries with label 0 are
    ignored. `CatalogueBatches` uses this form.

    Call arguments:
        y_true: labels `[B, I]`: > 0 positive and its weight, 0 negative, -1 left out; or `[1, N, 3]`: rows,
            places and labels of the positives, all others being negatives.
        y_pred: scores `[B, I]`.
        sample_weight: `[B]` or `[B, 1]`, one weight per list, or `None`.

    Returns:
        The reduced loss; with `reduction=None` the loss of each list, `[B]`.

    Raises:
        ValueError: if `temperature` is not a finite number above 0, or the shapes are wrong.

    Example:
        >>> import numpy as np, kerasrec
        >>> loss = kerasrec.losses.FullSoftmax()
        >>> round(float(loss(np.array([[1.0, 0.0, 1.0, 0.0]]), np.zeros((1, 4)))), 4)  # 2 * log(4)
        2.7726

    References:
        Liang et al., "Variational autoencoders for collaborative filtering", 2018, eq. 2.
    """

    takes_catalogue = True  # `losses._names` reads it

    def __init__(
        self,
        temperature: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction=reduction, name=name, dtype=dtype)
        self.temperature = positive_number("temperature", temperature)

    @property
    def dtype(self) -> Any:
        """At least float32, which both places and sums need."""
        return "float32" if self._dtype in ("float16", "bfloat16") else self._dtype

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The reduced loss; a Keras mask leaves entries out, which labels by place cannot do."""
        if getattr(y_pred, "_keras_mask", None) is not None and by_places(y_true, y_pred):
            y_true = spread(ops.convert_to_tensor(y_true, self.dtype), ops.shape(y_pred))
        return super().__call__(y_true, y_pred, sample_weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each list, `[B]`."""
        if not by_places(y_true, y_pred):
            return super().call(y_true, y_pred)
        scores, y_true = at_least_float32(y_pred), at_least_float32(y_true)
        if self.temperature != 1:
            scores = scores / self.temperature
        n_lists, size = ops.shape(scores)
        rows, _, labels = columns(y_true, (n_lists, size))
        n_positive = ops.segment_sum(ops.cast(labels > 0, scores.dtype), rows, n_lists)
        # A list without negatives has loss 0.
        ranks = ops.cast(n_positive < size, scores.dtype)
        labels = ops.relu(labels) * ops.take(ranks, rows, axis=0)
        entries = ops.concatenate([y_true[0, :, :2], labels[:, None]], axis=1)
        return _multinomial(scores, ops.stop_gradient(entries))

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


@custom_gradient
def _multinomial(scores: Any, entries: Any) -> tuple[Any, Any]:
    """The loss of each list, `[B]`, in few passes over the scores `[B, I]`; `entries` are `[N, 3]`.

    The gradient is the softmax times the sum of the list's labels, minus the labels at their places.
    """
    rows, places, labels = columns(entries[None], ops.shape(scores))
    n_lists, size = ops.shape(scores)
    largest = ops.max(scores, axis=-1, keepdims=True)
    powers = ops.exp(scores - largest)
    total = ops.sum(powers, axis=-1)
    given = ops.take(ops.reshape(scores, (-1,)), rows * size + places, axis=0)
    weights = ops.segment_sum(labels, rows, n_lists)
    loss = weights * (ops.log(total) + largest[:, 0]) - ops.segment_sum(labels * given, rows, n_lists)

    def gradient(*args: Any, upstream: Any = None) -> tuple[Any, Any]:
        if upstream is None:
            (upstream,) = args
        whole = powers * (upstream * weights / total)[:, None]
        at_places = -labels * ops.take(upstream, rows, axis=0)
        indices = ops.stack([rows, places], axis=1)
        return ops.scatter_update(whole, indices, at_places, reduction="add"), ops.zeros_like(entries)

    return loss, gradient
