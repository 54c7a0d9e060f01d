"""Sums of pair losses over the negatives of a list, in few passes over the scores."""

from collections.abc import Callable
from typing import Any

from keras import ops

from kerasrec._custom_gradient import custom_gradient

PairSums = Callable[[Any, Any, Any, Any], Any]


def pair_sums(
    value: Callable[[Any], Any], slope: Callable[[Any], Any], taken: Callable[[Any, Any], Any] | None = None
) -> PairSums:
    """A function that returns, for each positive of a list, the sum of pair losses over the negatives.

    Its gradient is written by hand, because a backend's own would keep several arrays as large as all pairs.

    Args:
        value: elementwise function of the lead of the negative's score over the positive's.
        slope: its derivative.
        taken: function of the labels of positives and of entries (broadcast) that says whether a pair counts.
            Defaults to `None`: pairs with an entry of label 0 count.

    Returns:
        A function of labels `[B, P]` and scores `[B, P]` of positives, and labels `[B, L]` and scores
        `[B, L]` of lists, that returns sums `[B, P]`.
    """

    @custom_gradient
    def sums(gains: Any, positives: Any, labels: Any, scores: Any) -> tuple[Any, Any]:
        single = positives.shape[1] == 1  # XLA does not vectorise loops over three axes
        if single:
            leads, entries, of = scores - positives, labels, gains
        else:
            leads, entries, of = (
                scores[:, None, :] - positives[:, :, None],
                labels[:, None, :],
                gains[:, :, None],
            )
        counts = ops.equal(entries, 0) if taken is None else taken(of, entries)
        slopes = ops.where(counts, slope(leads), ops.zeros_like(leads))
        steepness = ops.sum(slopes, axis=-1, keepdims=single)

        def gradient(*args: Any, upstream: Any = None) -> tuple[Any, Any, Any, Any]:
            if upstream is None:
                (upstream,) = args
            of_scores = upstream * slopes if single else ops.sum(upstream[:, :, None] * slopes, axis=1)
            return ops.zeros_like(gains), -upstream * steepness, ops.zeros_like(labels), of_scores

        values = ops.where(counts, value(leads), ops.zeros_like(leads))
        return ops.sum(values, axis=-1, keepdims=single), gradient

    return sums


def softplus(x: Any) -> Any:
    """`log(1 + exp(x))`, with one exponential and one logarithm."""
    return ops.relu(x) + ops.log1p(ops.exp(-ops.abs(x)))


def counted(taken: Any, dtype: Any) -> Any:
    """The number of taken entries on the last axis, at least 1."""
    return ops.maximum(ops.sum(ops.cast(taken, dtype), axis=-1), 1.0)
