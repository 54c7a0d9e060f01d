"""Labels by their places: the positives of a batch as `[1, N, 3]`; all else in its lists is negative."""

from typing import Any

from keras import ops


def by_places(y_true: Any, y_pred: Any) -> bool:
    """Whether labels stand at places: `[1, N, 3]` beside scores `[B, L]`."""
    true, pred = (tuple(getattr(y, "shape", ())) for y in (y_true, y_pred))
    # Where a batch has one row, its length is unknown while a step is traced.
    return len(true) == 3 and len(pred) == 2 and true[0] in (1, None) and true[2] == 3


def columns(y_true: Any, shape: Any) -> tuple[Any, Any, Any]:
    """Rows and places in scores `[B, L]` of that shape, int32, and labels `[N]`; padding has label 0."""
    # Keras builds a model with labels of ones, which may lie outside of the scores.
    rows, places = (ops.minimum(ops.cast(y_true[0, :, i], "int32"), shape[i] - 1) for i in (0, 1))
    return rows, places, y_true[0, :, 2]


def spread(y_true: Any, shape: Any) -> Any:
    """Labels `[B, L]`, the shape of the scores."""
    rows, places, labels = columns(y_true, shape)
    indices = ops.stack([rows, places], axis=1)
    return ops.scatter_update(ops.zeros(shape, labels.dtype), indices, labels, reduction="add")
