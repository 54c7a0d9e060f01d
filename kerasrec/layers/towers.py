"""The two towers of a factorised model, found in its graph."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from kerasrec._inputs import input_names
from kerasrec.layers.score import Score


@dataclass(frozen=True)
class Towers:
    """The user tower, the item tower and the score of a factorised model.

    Attributes:
        user: `keras.Model` from the inputs of the user's side to a dict of the score's user arguments. It
            takes user codes `[B, 1]` if these are its only input, otherwise a dict by name.
        item: `keras.Model` from item codes `[B, 1]` to a dict of the score's item arguments.
        score: the `Score` layer; `score.all_pairs(**user_outputs, **item_outputs)` is `[U, I]`.
        transforms: layers after the score; each keeps the order of the scores.
        user_inputs: names of the inputs of the user's side. Defaults to `("user",)`.
    """

    user: keras.Model
    item: keras.Model
    score: Score
    transforms: tuple[keras.layers.Layer, ...]
    user_inputs: tuple[str, ...] = ("user",)

    def represent_user(self, inputs: Mapping[str, Any], training: Any = None) -> Any:
        """The score's user arguments.

        Args:
            inputs: dict by name with the inputs of the user's side; others are ignored.
            training: as in Keras. Defaults to `None`.

        Returns:
            A dict by argument.
        """
        return self.user(self.of_user(inputs), training=training)

    def of_user(self, inputs: Mapping[str, Any]) -> Any:
        """What `user` takes: codes if these are its only input, otherwise a dict by name.

        Args:
            inputs: dict by name with the inputs of the user's side; others are ignored.

        Returns:
            The user codes `[B, 1]`, or a dict of the inputs in `user_inputs`.
        """
        if self.user_inputs == ("user",):
            return inputs["user"]
        return {name: inputs[name] for name in self.user_inputs}


def find_towers(model: keras.Model) -> Towers | None:
    """The towers of a model, or `None` if it does not factorise.

    A functional model factorises if it has an input `item` and exactly one `Score` layer. Each argument of
    this layer must depend on `item` only or on other inputs only (`user`, `history`, columns of the user or
    of the event). All layers after it must keep the order of the scores, which they declare by
    `keeps_order = True`.

    Args:
        model: any `keras.Model`.

    Returns:
        `Towers`, or `None`.
    """
    try:
        inputs = dict(zip(input_names(model), model.inputs, strict=True))
    except (AttributeError, TypeError, ValueError):  # subclassed models have no graph
        return None
    if "item" not in inputs or len(inputs) < 2:
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
    of_user: set[str] = set()
    for name, argument in arguments.items():
        reached = _reached(argument, inputs)
        if not reached or (len(reached) > 1 and "item" in reached):
            return None
        side = "item" if "item" in reached else "user"
        sides[side][name] = argument
        of_user |= reached - {"item"}
    if not sides["user"] or not sides["item"]:
        return None
    names = tuple(name for name in inputs if name in of_user)
    given = inputs["user"] if names == ("user",) else {name: inputs[name] for name in names}
    return Towers(
        user=keras.Model(given, sides["user"], name="user_tower"),
        item=keras.Model(inputs["item"], sides["item"], name="item_tower"),
        score=score,
        transforms=tuple(transforms),
        user_inputs=names,
    )


def _reached(tensor: Any, inputs: dict[str, Any]) -> set[str]:
    """The inputs that a tensor depends on."""
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
    return reached
