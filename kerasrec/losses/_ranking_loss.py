from contextvars import ContextVar
from typing import Any

import keras
from keras import ops

from kerasrec._arguments import positive_integer
from kerasrec._own_items import own_items
from kerasrec._precision import at_least_float32
from kerasrec.losses._shared_labels import are_shared, spread

# How many items of the lists at hand are a row's own; `None` where a positive may stand anywhere.
_n_own: ContextVar[int | None] = ContextVar("n_own", default=None)


# With more positives a list than this, pairs cost more than sorting.
FEW = 8


class RankingLoss(keras.losses.Loss):
    """What every ranking loss shares: labels and scores of lists, padding, and lists with nothing to rank.

    A subclass gives `loss_of(gains, positives, labels, scores)`, positives `[B, P]` with lists `[B, L]` of
    which those of label 0 are the negatives, to `[B]`; or `list_loss(labels, scores)`, `[B, L]` with `[B, L]`
    to `[B]`, where it needs lists whole. Scores of padding come to it as 0, so that whatever stands there
    reaches neither loss nor gradient.

    Where rows share their sampled items, labels may also be `[1, 1, N + S, 3]`, of the `N` rows' own items
    and of the `S` shared ones: label, item code and logarithm of the item's probability under the sampler. A
    shared item that is a row's own does not count there. `kerasrec.data.SequenceBatches` gives them so.

    Args:
        max_positives: int or `None`. Only so many entries of a list, those with the largest labels, count as
            positives, and the pairs of a batch then take memory `[B, max_positives, L]` instead of
            `[B, L, L]`. Set it to 1 where a list has one positive. Defaults to `None`, all of them.
        reduction: as in `keras.losses.Loss`, over lists. Defaults to `"sum_over_batch_size"`.
        name: str or `None`.
        dtype: as in `keras.losses.Loss`; half precision is raised to float32.

    Attributes:
        row_by_row: bool, the losses of parts of a batch of one size have the loss of the batch as their mean.
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
        # One item of its own a row, and items that the batch shares: the former is the positive, or else
        # there is nothing to rank. Taken apart first, lists are never put together.
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
            gains: labels of what counts as positive, `[B, P]`, 0 where a place is empty.
            positives: their scores, `[B, P]`.
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
            Labels `[B, P]`, 0 where a place is empty, and each column's entries `[B, P]`; `P` is the list's
            length, the number of a row's own items where the others are shared by the batch, or
            `max_positives` where that is smaller.
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
        """How many items of the lists at hand are a row's own: the only ones that can be positives.

        `None` where the batch shares no items, or in a call of `list_loss` by hand.
        """
        return _n_own.get()

    def own(self, *columns: Any) -> list[Any]:
        """The part of tensors `[B, L]` in which positives can stand."""
        return [column if self.n_own is None else column[:, : self.n_own] for column in columns]

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {**super().get_config(), "max_positives": self.max_positives}


def _without_padding(labels: Any, scores: Any) -> Any:
    return ops.where(labels >= 0, scores, ops.zeros_like(scores))
