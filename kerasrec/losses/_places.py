"""Labels by place: the positives of a batch as `[1, N, 3]`; all other entries of its lists are negatives."""

from typing import Any

from keras import ops


def by_places(y_true: Any, y_pred: Any) -> bool:
    """Whether labels are given by place: `[1, N, 3]` with scores `[B, L]`."""
    true, pred = (tuple(getattr(y, "shape", ())) for y in (y_true, y_pred))
    # The length of an axis with one row may be unknown while a step is traced.
    return len(true) == 3 and len(pred) == 2 and true[0] in (1, None) and true[2] == 3


def columns(y_true: Any, shape: Any) -> tuple[Any, Any, Any]:
    """Rows and places in scores of this shape `[B, L]`, int32, and labels `[N]`; padding has label 0."""
    # Keras builds a model with labels of ones, which may be places outside the scores.
    rows, places = (ops.minimum(ops.cast(y_true[0, :, i], "int32"), shape[i] - 1) for i in (0, 1))
    return rows, places, y_true[0, :, 2]


def spread(y_true: Any, shape: Any) -> Any:
    """Labels in the shape of the scores, `[B, L]`."""
    rows, places, labels = columns(y_true, shape)
    indices = ops.stack([rows, places], axis=1)
    return ops.scatter_update(ops.zeros(shape, labels.dtype), indices, labels, reduction="add")
