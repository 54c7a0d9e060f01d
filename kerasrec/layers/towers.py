"""The two towers of a factorised model, read off its graph."""

from dataclasses import dataclass
from typing import Any

import keras

from kerasrec.layers.score import Score


@dataclass(frozen=True)
class Towers:
    """A factorised model, taken apart.

    Attributes:
        user: `keras.Model`, user codes `[B, 1]` to a dict of the score's user arguments.
        item: `keras.Model`, item codes `[B, 1]` to a dict of the score's item arguments.
        score: the `Score` layer; `score.all_pairs(**user_outputs, **item_outputs)` is `[U, I]`.
        transforms: layers behind the score; each keeps the order of the scores.
    """

    user: keras.Model
    item: keras.Model
    score: Score
    transforms: tuple[keras.layers.Layer, ...]


def find_towers(model: keras.Model) -> Towers | None:
    """The towers of a model, or `None` where it does not factorise.

    A model factorises where it is functional, has inputs `user` and `item` and exactly one `Score` layer,
    each of whose arguments depends on one of the two inputs alone, and where only layers that keep the
    order of the scores stand behind that layer (they have an attribute `keeps_order` that is true).

    Args:
        model: any `keras.Model`.

    Returns:
        `Towers`, or `None`.
    """
    try:
        inputs = {tensor.name: tensor for tensor in model.inputs}
    except (AttributeError, TypeError):  # subclassed models have no graph
        return None
    if set(inputs) != {"user", "item"}:
        return None
    scores = [layer for layer in model.layers if isinstance(layer, Score)]
    if len(scores) != 1:
        return None
    score = scores[0]

    transforms: list[keras.layers.Layer] = []
    tensor = model.outputs[0]
    while (layer := tensor._keras_history.operation) is not score:
        sources = layer._inbound_nodes[tensor._keras_history.node_index].input_tensors
        if not getattr(layer, "keeps_order", False) or len(sources) != 1:
            return None
        transforms.insert(0, layer)
        tensor = sources[0]

    arguments = score.arguments_by_name(score._inbound_nodes[tensor._keras_history.node_index])
    sides: dict[str, dict[str, Any]] = {"user": {}, "item": {}}
    for name, argument in arguments.items():
        side = _side(argument, inputs)
        if side is None:
            return None
        sides[side][name] = argument
    if not sides["user"] or not sides["item"]:
        return None
    return Towers(
        user=keras.Model(inputs["user"], sides["user"], name="user_tower"),
        item=keras.Model(inputs["item"], sides["item"], name="item_tower"),
        score=score,
        transforms=tuple(transforms),
    )


def _side(tensor: Any, inputs: dict[str, Any]) -> str | None:
    """The one input that a tensor depends on; `None` where it is both or neither."""
    reached: set[str] = set()
    todo, done = [tensor], set()
    while todo:
        current = todo.pop()
        if id(current) in done:
            continue
        done.add(id(current))
        for name, source in inputs.items():
            if current is source:
                reached.add(name)
        history = current._keras_history
        todo.extend(history.operation._inbound_nodes[history.node_index].input_tensors)
    return reached.pop() if len(reached) == 1 else None
