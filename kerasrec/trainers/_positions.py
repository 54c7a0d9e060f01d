"""Sequences whose positions all learn at once: what a batch without `item` asks of a model."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasrec._inputs import input_names
from kerasrec._own_items import mark_own
from kerasrec.layers import AppendMasked, DotScore, LastPosition
from kerasrec.layers.id_limits import find_id_limits
from kerasrec.layers.towers import Towers, find_towers
from kerasrec.trainers._shared_items import SHARED

TARGET = "target"
PLACE = "place"


def asks_for_positions(names: tuple[str, ...], inputs: Any) -> bool:
    """Whether a batch is one of sequences: a model with histories, and no items.

    Args:
        names: of the model's inputs.
        inputs: the batch's.
    """
    return isinstance(inputs, dict) and "history" in names and "item" in names and "item" not in inputs


def of_positions(model: Any) -> Callable[..., Any]:
    """What scores, or represents, all positions of a batch of sequences.

    With `target` `[B, H]` and `shared_item` `[1, S]` it gives scores `[B * H, 1 + S]`: of each position's own
    target and of the shared items, by one matrix product. Without items it gives the vectors of the positions
    and of the whole catalogue, `[B * H + I, C]`, as `CatalogueCrossEntropy` takes them. With `place` `[B, P]`
    it does so for some of the positions of each row.

    Args:
        model: a functional `kerasrec.Model`.

    Raises:
        ValueError: if it does not factorise.
    """
    towers = find_towers(model)
    if towers is None or not isinstance(towers.score, DotScore) or set(towers.user.output) != {"user"}:
        raise ValueError(
            "A batch of sequences needs a model whose score is a dot product of a user's side, without bias, "
            f"and an item's side; `LastPosition` there trains all positions. Received: {model.name!r}, which "
            "has none."
        )
    layer = _Positions(towers, _side_of_positions(model, towers), find_id_limits(model)["item"][0])
    # A function: a layer would become one of the model's own.
    return lambda inputs, training: layer(inputs, training=training)


class _Positions(keras.layers.Layer):
    """One call around all calls: on JAX, each would else drop what the last added to the loss."""

    def __init__(self, towers: Towers, positions: tuple[keras.Model, dict[str, str]], n_items: int) -> None:
        super().__init__()
        self.autocast = False
        self._towers, self._n_items = towers, n_items
        self._positions, self._keys = positions

    def call(self, inputs: dict[str, Any], training: Any = None) -> Any:
        towers = self._towers
        given = {key: inputs[name] for key, name in self._keys.items()}
        vectors = self._positions(given, training=training)
        length = ops.shape(vectors)[1]
        vectors = ops.reshape(vectors, (-1, vectors.shape[-1]))  # [N, C]
        if PLACE in inputs:  # few places have a target
            places = ops.convert_to_tensor(inputs[PLACE])
            rows = ops.arange(ops.shape(places)[0], dtype="int32")[:, None]
            vectors = ops.take(vectors, ops.reshape(rows * length + places, (-1,)), axis=0)
        if SHARED not in inputs:
            return self._with_catalogue(vectors, training)
        shared, target = (ops.convert_to_tensor(inputs[name]) for name in (SHARED, TARGET))
        own = towers.item(ops.reshape(target, (-1, 1)), training=training)
        own = {name: x if len(x.shape) == 3 else x[:, None] for name, x in own.items()}
        parts = [
            towers.score(user=vectors, **own),
            towers.score(user=vectors, **towers.item(ops.reshape(shared, (1, -1)), training=training)),
        ]
        scores = ops.concatenate(parts, axis=1)
        for layer in towers.transforms:
            scores = layer(scores)
        mark_own(scores, 1)
        return scores

    def _with_catalogue(self, vectors: Any, training: Any) -> Any:
        items = self._towers.item(ops.arange(self._n_items, dtype="int32")[None], training=training)
        table = ops.reshape(items["item"], (self._n_items, -1))
        if "item_bias" in items:  # one more component, which is 1 at every position
            table = ops.concatenate([table, ops.reshape(items["item_bias"], (-1, 1))], axis=1)
            vectors = ops.concatenate([vectors, ops.ones_like(vectors[:, :1])], axis=1)
        return ops.concatenate([vectors, table], axis=0)


def _side_of_positions(model: Any, towers: Towers) -> tuple[keras.Model, dict[str, str]]:
    """The user's side up to its positions `[B, H, C]`, or as it is where it has but one vector.

    And of each of its inputs, which of the model's it is.
    """
    inputs = dict(zip(input_names(model), model.inputs, strict=True))
    inputs = {name: inputs[name] for name in towers.user_inputs}
    tensor = towers.user.output["user"]
    history = tensor._keras_history
    if isinstance(history.operation, LastPosition):
        (tensor,) = history.operation._inbound_nodes[history.node_index].input_tensors
    for layer in model.layers:
        if isinstance(layer, AppendMasked):
            inputs["history"] = layer.output
    # Keras wants the names of the tensors, of which one may stand inside the model.
    keys = {tensor.name: name for name, tensor in inputs.items()}
    return keras.Model({x.name: x for x in inputs.values()}, tensor, name="positions"), keys
