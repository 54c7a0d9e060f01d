"""How large the ids of a model's inputs may be, inferred from its graph."""

from typing import Any

import keras

from kerasrec._inputs import input_names

_SAME_VALUES = ("Cast", "ExpandDims", "Flatten", "Reshape", "Squeeze")


def find_id_limits(model: Any) -> dict[str, tuple[int, str]]:
    """For each input that is used as an id: the number of rows of the smallest table, and its layer's name.

    Tables are those of `keras.layers.Embedding` and of layers with an attribute `id_limit`, or a method
    `id_limit_of` of the arguments of a call, also inside nested models.

    Args:
        model: any `keras.Model`.

    Returns:
        Rows and layer by the name of the input; empty for a model without a graph.

    Example:
        >>> import kerasrec
        >>> model = kerasrec.zoo.RecommenderV1(n_users=3, n_items=4)
        >>> kerasrec.layers.find_id_limits(model)
        {'user': (3, 'user_embedding'), 'item': (4, 'item_embedding')}
    """
    limits: dict[str, tuple[int, str]] = {}
    if not _has_graph(model):
        return limits
    names = input_names(model)
    name_of = {id(tensor): name for name, tensor in zip(names, model.inputs, strict=True)}

    def note(tensor: Any, limit: int, layer: str) -> None:
        name = name_of.get(id(_origin(tensor)))
        if name is not None and limit < limits.get(name, (limit + 1,))[0]:
            limits[name] = (limit, layer)

    for layer in model.layers:
        if _has_graph(layer):
            inner = find_id_limits(layer)
            for node in layer._inbound_nodes:
                for name, tensor in zip(input_names(layer), node.input_tensors, strict=False):
                    if name in inner:
                        note(tensor, *inner[name])
            continue
        for node in layer._inbound_nodes:
            limit = _limit(layer, node)
            if limit is not None:
                for tensor in node.input_tensors:
                    note(tensor, limit, layer.name)
    return limits


def _limit(layer: Any, node: Any) -> int | None:
    """The number of rows of the table that a layer reads in one of its calls; `None` if there is none."""
    if isinstance(layer, keras.layers.Embedding):
        return layer.input_dim
    if hasattr(layer, "id_limit_of"):  # the tables of both sides
        return layer.id_limit_of(**node.arguments.kwargs)
    return getattr(layer, "id_limit", None)


def _has_graph(model: Any) -> bool:
    if not isinstance(model, keras.Model) or isinstance(model, keras.Sequential):
        return False
    try:
        return bool(model.inputs)
    except (AttributeError, TypeError):  # subclassed models
        return False


def _origin(tensor: Any) -> Any:
    """The tensor that a tensor was made from by changing its shape or type."""
    while type(tensor._keras_history.operation).__name__ in _SAME_VALUES:
        history = tensor._keras_history
        (tensor,) = history.operation._inbound_nodes[history.node_index].input_tensors
    return tensor
