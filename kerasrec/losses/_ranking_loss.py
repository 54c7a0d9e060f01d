from contextvars import ContextVar
from typing import Any

import keras
from keras import ops

from kerasrec._arguments import positive_integer
from kerasrec._own_items import own_items
from kerasrec._precision import at_least_float32
from kerasrec.losses._shared_labels import are_shared, spread

# How many items of the current lists are a row's own; `None` if positives can be anywhere.
_n_own: ContextVar[int | None] = ContextVar("n_own", default=None)


# With more positives per list than this, computing all pairs costs more than sorting.
FEW = 8


class RankingLoss(keras.losses.Loss):
    """The base class of ranking losses: labels and scores of lists, padding, and lists with nothing to rank.

    A subclass defines `loss_of(gains, positives, labels, scores)`, which returns `[B]` for positives `[B, P]`
    and lists `[B, L]`, whose entries of label 0 are the negatives. If it needs whole lists, it defines
    `list_loss(labels, scores)` instead, which returns `[B]` for `[B, L]` and `[B, L]`. Scores of padding are
    passed as 0, so that padding affects neither loss nor gradient.

    If rows share their sampled items, labels may also be `[1, 1, N + S, 3]`, for the own items of `N` rows
    and `S` shared items: label, item code and logarithm of the item's probability under the sampler. A shared
    item does not count for a row whose own item it is. `kerasrec.data.SequenceBatches` makes such labels.

    Args:
        max_positives: int or `None`, maximum number of positives of a list: the entries with the largest
            labels. The pairs of a batch then take memory `[B, max_positives, L]` instead of `[B, L, L]`. Set
            it to 1 if a list has one positive. Defaults to `None`: all positives.
        reduction: as in `keras.losses.Loss`, over lists. Defaults to `"sum_over_batch_size"`.
        name: str or `None`.
        dtype: as in `keras.losses.Loss`; half precision is raised to float32.

    Attributes:
        row_by_row: bool, whether the loss of a batch is the mean of the losses of equal parts of it.
    """

    row_by_row = True

    def __init__(
        self,
        max_positives: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.max_positives = (
            None if max_positives is None else positive_integer("max_positives", max_positives)
        )

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The reduced loss; `sample_weight` is `[B]` or `[B, 1]`, and entries masked by Keras are padding."""
        if sample_weight is not None:
            shape = tuple(getattr(sample_weight, "shape", ()))
            if len(shape) > 1 and shape[1:] != (1,):
                raise ValueError(
                    f"`sample_weight` of {type(self).__name__} must have shape [batch] or [batch, 1]: one "
                    f"weight per list; weight entries through their labels. Received: shape={shape}."
                )
        mask, n_own = getattr(y_pred, "_keras_mask", None), own_items(y_pred)
        y_true = ops.convert_to_tensor(y_true, dtype=self.dtype)
        y_pred = ops.convert_to_tensor(y_pred, dtype=self.dtype)
        if mask is not None:
            y_true = ops.where(mask if len(y_true.shape) == 2 else mask[:, :, None], y_true, -1)
            y_pred = y_pred * 1  # a new tensor, without the mask, which Keras would apply to the lists
        token = _n_own.set(n_own)
        try:
            return super().__call__(y_true, y_pred, sample_weight)
        finally:
            _n_own.reset(token)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each list, `[B]`."""
        if are_shared(y_true):
            y_true = spread(at_least_float32(y_true), y_pred)
        if len(y_true.shape) != 2 or len(y_pred.shape) != 2 or y_true.shape[1] != y_pred.shape[1]:
            raise ValueError(
                f"{type(self).__name__} takes labels and scores of one shape [batch, list]; "
                "`kerasrec.data.RankingBatches` makes such lists, and `CatalogueBatches` if `dense`. "
                f"Received: y_true {tuple(y_true.shape)}, y_pred {tuple(y_pred.shape)}."
            )
        labels, scores = at_least_float32(y_true), at_least_float32(y_pred)
        if self.n_own != 1 or type(self).loss_of is RankingLoss.loss_of:
            return self.list_loss(labels, _without_padding(labels, scores))
        # A row has one item of its own, which is the positive if there is anything to rank, and items shared
        # by the batch. They are split first, so that the whole lists are never made.
        (own, labels), (positives, scores) = (ops.split(x, [1], axis=1) for x in (labels, scores))
        positives, scores = _without_padding(own, positives), _without_padding(labels, scores)
        return self.loss_of(ops.relu(own), positives, labels, scores)

    def list_loss(self, labels: Any, scores: Any) -> Any:
        """`[B, L]` with `[B, L]` to `[B]`."""
        gains, positives = self.positives(labels, scores)
        return self.loss_of(gains, positives, labels, scores)

    def loss_of(self, gains: Any, positives: Any, labels: Any, scores: Any) -> Any:
        """The loss of each list, `[B]`.

        Args:
            gains: labels of the positives, `[B, P]`; 0 for an empty place.
            positives: scores of the positives, `[B, P]`.
            labels: `[B, L]`; entries of label 0 are the negatives.
            scores: `[B, L]`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `loss_of` or `list_loss`.")

    def positives(self, labels: Any, *columns: Any) -> tuple[Any, ...]:
        """The entries that count as positives.

        Args:
            labels: `[B, L]`.
            *columns: further tensors `[B, L]`, e.g. the scores.

        Returns:
            Labels `[B, P]`, 0 for an empty place, and the entries of each column `[B, P]`. `P` is the length
            of a list, or the number of a row's own items if the batch shares the others; and at most
            `max_positives`.
        """
        labels, *own = self.own(labels, *columns)
        if self.max_positives is not None and (self.n_own is None or self.n_own > self.max_positives):
            size = ops.shape(labels)[1]
            k = (
                min(self.max_positives, size)
                if isinstance(size, int)
                else ops.minimum(self.max_positives, size)
            )
            labels, places = ops.top_k(labels, k)
            own = [ops.take_along_axis(column, places, axis=1) for column in own]
        return ops.relu(labels), *own

    @property
    def n_own(self) -> int | None:
        """How many items of the current lists are a row's own, which alone can be positives.

        `None` if the batch shares no items, or if `list_loss` is called directly.
        """
        return _n_own.get()

    def own(self, *columns: Any) -> list[Any]:
        """The part of tensors `[B, L]` that can contain positives."""
        return [column if self.n_own is None else column[:, : self.n_own] for column in columns]

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {**super().get_config(), "max_positives": self.max_positives}


def _without_padding(labels: Any, scores: Any) -> Any:
    return ops.where(labels >= 0, scores, ops.zeros_like(scores))
