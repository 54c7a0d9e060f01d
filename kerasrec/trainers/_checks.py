"""Checks of the data before a compiled call reads it."""

from typing import Any

import keras
import numpy as np

from kerasrec._inputs import MASKED, input_names
from kerasrec._lazy_rows import LazyStack
from kerasrec.layers.id_limits import find_id_limits
from kerasrec.layers.rating_scale import RatingScale
from kerasrec.trainers._keras import tree
from kerasrec.trainers._positions import TARGET
from kerasrec.trainers._shared_items import SHARED


class DataCheck:
    """Refuses ids outside their table, ratings outside their scale and weights that are not finite.

    A compiled program would silently clip such an id, or compute NaN from it.

    Args:
        model: a `keras.Model`; a model without a graph is not checked.
        targets: bool, whether to check the ratings, too.
    """

    def __init__(self, model: Any, targets: bool = False) -> None:
        self._limits = find_id_limits(model)
        self._names = input_names(model)
        self._scale = _output_scale(model) if targets else None

    def __call__(self, data: Any) -> None:
        """Check samples on the host.

        Args:
            data: `x`, `(x, y)` or `(x, y, sample_weight)` of NumPy arrays.

        Raises:
            ValueError: with the column, the number of invalid entries and the first of them.
        """
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        shared = isinstance(x, dict) and SHARED in x and SHARED not in self._names
        for column, (limit, layer) in self._limits.items():
            given = [(column, self._column(x, column))]
            if shared and column == "item":
                given += [(name, x.get(name)) for name in (SHARED, TARGET)]
            for column, ids in given:
                if ids is None:
                    continue
                ids = np.asarray(ids)
                if ids.dtype.kind == "f" and (broken := ids[ids != np.floor(ids)]).size:
                    raise ValueError(
                        f"Ids of column '{column}' must be whole numbers, because they are rows of layer "
                        f"'{layer}'. Received: {broken.size} others, the first is {broken[0]}."
                    )
                # In a history, two codes below 0 mark padding and masked items.
                low = MASKED if column == "history" else 0
                _refuse(
                    ids,
                    low,
                    limit - 1,
                    f"Ids of column '{column}' must be in {low}..{limit - 1}, the rows of layer '{layer}'",
                )
        for weights in tree.flatten(sample_weight):
            if weights is not None and not np.isfinite(weights).all():
                wrong = np.asarray(weights)[~np.isfinite(weights)]
                raise ValueError(
                    f"`sample_weight` must be finite. Received: {wrong.size} others, the first is {wrong[0]}."
                )
        leaves = tree.flatten(y)
        one = len(leaves) == 1 and leaves[0] is not None
        own = one and isinstance(leaves[0], LazyStack)  # made by kerasrec's batches
        if one and not own and shared and "item" in x and self._names:
            _check_shared_labels(np.asarray(leaves[0]), np.shape(x["item"])[-1], np.shape(x[SHARED])[-1])
        if self._scale is not None and one:
            ratings = np.asarray(leaves[0])
            weights = tree.flatten(sample_weight)
            if len(weights) == 1 and weights[0] is not None:
                weight = np.asarray(weights[0])
                weight = weight.reshape(weight.shape + (1,) * (ratings.ndim - weight.ndim))
                ratings = ratings[np.broadcast_to(weight != 0, ratings.shape)]
            _refuse(
                ratings,
                self._scale.minimum,
                self._scale.maximum,
                f"Ratings must be in {self._scale.minimum}..{self._scale.maximum}, "
                f"the scale of layer '{self._scale.name}'",
            )

    def _column(self, x: Any, column: str) -> Any:
        if isinstance(x, dict):
            return x.get(column)
        leaves = tree.flatten(x)
        return leaves[self._names.index(column)] if len(leaves) == len(self._names) else None


def check_arrays(check: DataCheck, *data: Any) -> None:
    """Check data that are passed to Keras's own functions, if they are arrays in memory.

    Args:
        check: the check.
        *data: `x`, or `x, y, sample_weight`.
    """
    leaves = [leaf for leaf in tree.flatten(data) if leaf is not None]
    if all(hasattr(leaf, "__array__") and not hasattr(leaf, "tocsr") for leaf in leaves):
        check(tree.map_structure(lambda leaf: None if leaf is None else np.asarray(leaf), data))


def _check_shared_labels(labels: np.ndarray, n_own: int, n_shared: int) -> None:
    """Labels `[..., P + S]`, or `[..., P + S, 3]`."""
    n_columns = n_own + n_shared
    if labels.shape[-1] != n_columns and labels.shape[-2:] == (n_columns, 3):
        labels = labels[..., 0]
    if n_own and labels.shape[-1] == n_columns and labels[..., n_own:].max(initial=0) > 0:
        wrong = labels[..., n_own:]
        raise ValueError(
            f"Labels of `{SHARED}`, the last {n_shared} of a row, must be 0 or -1; pass positives as the "
            f"row's own items. Received: {np.count_nonzero(wrong > 0)} above 0, "
            f"the first is {wrong[wrong > 0][0]}."
        )


def _refuse(values: np.ndarray, low: float, high: float, rule: str) -> None:
    if not values.size or (values.min() >= low and values.max() <= high):
        return
    wrong = values[~((values >= low) & (values <= high))]
    raise ValueError(f"{rule}. Received: {wrong.size} others, the first is {wrong[0]}.")


def _output_scale(model: Any) -> RatingScale | None:
    """The rating scale at the end of a model, if there is one."""
    try:
        tensor = model.outputs[0]
    except (AttributeError, TypeError, IndexError):
        return None
    while True:
        history = tensor._keras_history
        if isinstance(history.operation, RatingScale):
            return history.operation
        sources = history.operation._inbound_nodes[history.node_index].input_tensors
        if not getattr(history.operation, "keeps_order", False) or len(sources) != 1:
            return None
        tensor = sources[0]
