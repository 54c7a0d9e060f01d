"""Scores of a row's own items and of items that the whole batch shares."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasrec._own_items import mark_own
from kerasrec.layers.towers import Towers

SHARED = "shared_item"


def scorer(towers: Towers | None) -> Callable[..., Any]:
    """A function that scores a row's own items and shared items.

    If the model factorises, the shared items are represented once and scored by one matrix product.
    Otherwise they become items of every row.

    Args:
        towers: the model's towers, or `None` if it does not factorise.

    Returns:
        A function that returns scores `[B, P + S]`. Its arguments are the graph (a function of the inputs),
        the inputs with `item` `[B, P]` and `shared_item` `[1, S]`, and `training`.
    """
    by_towers = None if towers is None else _ByTowers(towers)

    def score(graph: Callable[[Any], Any], inputs: dict[str, Any], training: Any) -> Any:
        inputs = dict(inputs)
        own, shared = (ops.convert_to_tensor(inputs.pop(name)) for name in ("item", SHARED))
        if shared.shape[0] != 1:  # a data set may not know the length of the first axis
            shared = ops.reshape(shared, (1, -1))
        if by_towers is None:
            scores = graph({**inputs, "item": _side_by_side(own, shared, next(iter(inputs.values()), own))})
        else:
            scores = by_towers(inputs, own, shared, training=training)
        if isinstance(own.shape[1], int) and own.shape[1] > 0:
            mark_own(scores, own.shape[1])
        return scores

    return score


class _ByTowers(keras.layers.Layer):
    """One call around all tower calls: on JAX, separate calls would drop the losses of those before.

    The item tower is called separately for own and for shared items. A mean over the rows, as in
    `FrequencyRegularization`, is then a mean over the rows' own items, and counts the shared items once.
    """

    def __init__(self, towers: Towers) -> None:
        super().__init__()
        self.autocast = False
        self._towers = towers

    def call(self, inputs: Any, own: Any, shared: Any, training: Any = None) -> Any:
        towers = self._towers
        arguments = towers.represent_user(inputs, training=training)
        parts = [
            towers.score(**arguments, **towers.item(items, training=training)) for items in (own, shared)
        ]
        scores = ops.concatenate(parts, axis=1)
        for layer in towers.transforms:
            scores = layer(scores)
        return scores


def _side_by_side(own: Any, shared: Any, column: Any) -> Any:
    """Items `[B, P + S]`; `column` has as many rows as the batch."""
    n_rows = ops.shape(column)[0]
    lists = [ops.broadcast_to(items, (n_rows, ops.shape(items)[1])) for items in (own, shared)]
    return ops.concatenate(lists, axis=1)
