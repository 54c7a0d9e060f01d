"""Batches of sequences, without `item`, in which all positions are trained at once."""

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
    """Whether a batch has sequences: the model has histories, and the batch no items.

    Args:
        names: names of the model's inputs.
        inputs: inputs of the batch.
    """
    return isinstance(inputs, dict) and "history" in names and "item" in names and "item" not in inputs


def of_positions(model: Any) -> Callable[..., Any]:
    """A function that computes scores or vectors of all positions of a batch of sequences.

    With `target` `[B, H]` and `shared_item` `[1, S]` it returns scores `[B * H, 1 + S]`: those of each
    position's own target and, by one matrix product, of the shared items. Without items it returns the
    vectors of the positions and of the whole catalogue, `[B * H + I, C]`, for `CatalogueCrossEntropy`. With
    `place` `[B, P]` it uses only these positions of each row.

    Args:
        model: a functional `kerasrec.Model`.

    Raises:
        ValueError: if the model does not factorise.
    """
    towers = find_towers(model)
    if towers is None or not isinstance(towers.score, DotScore) or set(towers.user.output) != {"user"}:
        raise ValueError(
            "A batch of sequences needs a model whose score is a dot product of a user's side, without bias, "
            "and an item's side; `LastPosition` in the user's side trains all positions. Received: "
            f"{model.name!r}, which has no such score."
        )
    layer = _Positions(towers, _side_of_positions(model, towers), find_id_limits(model)["item"][0])
    # A function, because Keras would track a layer as part of the model.
    return lambda inputs, training: layer(inputs, training=training)


class _Positions(keras.layers.Layer):
    """One layer call around all calls: on JAX, each separate call would drop the losses of the one before."""

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
        if PLACE in inputs:  # only a few positions have a target
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
        if "item_bias" in items:  # the bias becomes another component, which is 1 at every position
            table = ops.concatenate([table, ops.reshape(items["item_bias"], (-1, 1))], axis=1)
            vectors = ops.concatenate([vectors, ops.ones_like(vectors[:, :1])], axis=1)
        return ops.concatenate([vectors, table], axis=0)


def _side_of_positions(model: Any, towers: Towers) -> tuple[keras.Model, dict[str, str]]:
    """The user side up to its positions `[B, H, C]`, or unchanged if it has a single vector.

    The second value maps each of its inputs to an input of the model.
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
    # Keras needs the names of the tensors, one of which may be inside the model.
    keys = {tensor.name: name for name, tensor in inputs.items()}
    return keras.Model({x.name: x for x in inputs.values()}, tensor, name="positions"), keys
