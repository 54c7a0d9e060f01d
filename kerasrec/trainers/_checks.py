"""What is checked of the data before a compiled call sees them."""

from typing import Any

import keras
import numpy as np

from kerasrec.layers.rating_scale import RatingScale


class DataCheck:
    """Refuses ids outside their table and ratings outside their scale.

    A compiled program would clip such an id, or spread NaN from it, without a word.

    Args:
        model: a `keras.Model`; one without a graph is not checked.
        targets: bool, check the ratings too.
    """

    def __init__(self, model: Any, targets: bool = False) -> None:
        self._limits = _id_limits(model)
        self._scale = _output_scale(model) if targets else None

    def __call__(self, data: Any) -> None:
        """Check samples on the host.

        Args:
            data: `x`, `(x, y)` or `(x, y, sample_weight)` of NumPy arrays.

        Raises:
            ValueError: naming the column, how many entries are wrong and the first of them.
        """
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        for column, (limit, layer) in self._limits.items():
            ids = x.get(column) if isinstance(x, dict) else None
            if ids is not None:
                _refuse(
                    np.asarray(ids),
                    0,
                    limit - 1,
                    f"Ids of column '{column}' must be in 0..{limit - 1}, the rows of layer '{layer}'",
                )
        if self._scale is not None and y is not None:
            y = np.asarray(y)
            if sample_weight is not None:
                weight = np.asarray(sample_weight)
                counted = np.broadcast_to(weight.reshape(weight.shape + (1,) * (y.ndim - weight.ndim)) != 0, y.shape)
                y = y[counted]
            _refuse(
                y,
                self._scale.minimum,
                self._scale.maximum,
                f"Ratings must be in {self._scale.minimum}..{self._scale.maximum}, "
                f"the scale of layer '{self._scale.name}'",
            )


def _refuse(values: np.ndarray, low: float, high: float, rule: str) -> None:
    if not values.size or (values.min() >= low and values.max() <= high):
        return
    wrong = values[~((values >= low) & (values <= high))]
    raise ValueError(f"{rule}. Received: {wrong.size} others, the first is {wrong[0]}.")


def _id_limits(model: Any) -> dict[str, tuple[int, str]]:
    """For each input that a table is read by, the table's rows and its layer's name."""
    limits: dict[str, tuple[int, str]] = {}
    try:
        inputs = {id(tensor): tensor.name for tensor in model.inputs}
    except (AttributeError, TypeError):  # subclassed models have no graph
        return limits
    for layer in model.layers:
        limit = getattr(layer, "n", None) or getattr(layer, "input_dim", None)
        if not isinstance(limit, int):
            continue
        for node in layer._inbound_nodes:
            for tensor in node.input_tensors:
                name = inputs.get(id(tensor))
                if name is not None and limit < limits.get(name, (limit + 1,))[0]:
                    limits[name] = (limit, layer.name)
    return limits


def _output_scale(model: Any) -> RatingScale | None:
    """The rating scale that a model ends in, if it does."""
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
