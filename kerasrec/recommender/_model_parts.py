"""A model split into a part for users, a part for items, and the rest."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np

from kerasrec._inputs import input_names
from kerasrec.evaluation._models import outputs
from kerasrec.layers import Towers, find_towers


@dataclass(frozen=True)
class ModelParts:
    """The parts of a model for users and for items, and the rest that combines them.

    Attributes:
        user: `keras.Model`, user codes `[B, 1]` to a dict of representations.
        item: `keras.Model`, item codes `[B, 1]` to a dict of representations.
        ends: outputs of both parts, by name.
        output: the model's own output tensor.
        towers: `Towers`, or `None` if the rest is not a score.
    """

    user: keras.Model
    item: keras.Model
    ends: dict[str, Any]
    output: Any
    towers: Towers | None

    def combined(self, ends: dict[str, Any]) -> Any:
        """The model's output for representations by name."""
        return self._head([ends[name] for name in self.ends], training=False)

    @cached_property
    def _head(self) -> keras.Model:
        return keras.Model(list(self.ends.values()), self.output)

    def table(self, side: str, codes: np.ndarray) -> np.ndarray:
        """The representation `[n, C]` of entities; biases are left out if there is anything else."""
        found = outputs(getattr(self, side), codes)
        if self.towers is not None:
            found = {name: x for name, x in found.items() if not name.endswith("_bias")} or found
        return np.concatenate([x.reshape(len(codes), -1) for x in found.values()], axis=1)


def find_sides(model: keras.Model) -> ModelParts | None:
    """The sides of a model; `None` if it combines users and items before representing them."""
    towers = find_towers(model)
    if towers is not None:
        named = {**towers.user.output, **towers.item.output}
        return ModelParts(towers.user, towers.item, named, model.outputs[0], towers)
    try:
        inputs = dict(zip(input_names(model), model.inputs, strict=True))
        output = model.outputs[0]
    except (AttributeError, TypeError, IndexError, ValueError):  # subclassed models have no graph
        return None
    if set(inputs) != {"user", "item"}:
        return None
    reached = _reached(output, {id(tensor): name for name, tensor in inputs.items()})
    ends: dict[str, dict[str, Any]] = {"user": {}, "item": {}}
    for tensor, sides in reached.values():
        if sides != {"user", "item"}:
            continue
        for source in _sources(tensor):
            own = reached[id(source)][1]
            if len(own) == 1:
                side = next(iter(own))
                ends[side].setdefault(f"{side}_{source._keras_history.operation.name}", source)
    raw = any(
        tensor is source for end in ends.values() for tensor in end.values() for source in inputs.values()
    )
    if raw or not all(ends.values()):
        return None
    return ModelParts(
        keras.Model(inputs["user"], ends["user"], name="user_side"),
        keras.Model(inputs["item"], ends["item"], name="item_side"),
        {**ends["user"], **ends["item"]},
        output,
        None,
    )


def _reached(output: Any, inputs: dict[int, str]) -> dict[int, tuple[Any, set[str]]]:
    """All tensors before the output, and the inputs on which each depends."""
    found: dict[int, tuple[Any, set[str]]] = {}
    todo = [output]
    while todo:
        tensor = todo[-1]
        sources = [] if id(tensor) in inputs else _sources(tensor)
        missing = [source for source in sources if id(source) not in found]
        if missing:
            todo.extend(missing)
            continue
        todo.pop()
        name = inputs.get(id(tensor))
        sides = {name} if name else set().union(*(found[id(source)][1] for source in sources))
        found[id(tensor)] = tensor, sides
    return found


def _sources(tensor: Any) -> list[Any]:
    history = tensor._keras_history
    return list(history.operation._inbound_nodes[history.node_index].input_tensors)


def sides_of_layers(model: keras.Model) -> dict[str, set[str]]:
    """The inputs that each layer of a functional model depends on, by the layer's name."""
    inputs = {id(tensor): name for name, tensor in zip(input_names(model), model.inputs, strict=True)}
    found: dict[str, set[str]] = {}
    for tensor, sides in _reached(model.outputs[0], inputs).values():
        found.setdefault(tensor._keras_history.operation.name, set()).update(sides)
    return found
