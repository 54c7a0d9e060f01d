"""The inputs that a model needs, found from the model: their names, and the length of its histories."""

from collections.abc import Collection
from typing import Any

# Entries of a history for padding, and for an item to be predicted.
PADDING = -1
MASKED = -2


def input_names(model: Any) -> tuple[str, ...]:
    """The names of a model's inputs, in the order of `model.inputs`; none for a model without a graph.

    Args:
        model: any `keras.Model`, or the names themselves.
    """
    if isinstance(model, (list, tuple)):
        return tuple(model)
    try:
        inputs = list(model.inputs)
    except (AttributeError, TypeError, ValueError):  # subclassed models have no graph
        return ()
    struct = getattr(model, "_inputs_struct", None)
    # Keras flattens a dict in the order of its keys.
    return tuple(sorted(struct) if isinstance(struct, dict) else (tensor.name for tensor in inputs))


def by_history_alone(names: Collection[str]) -> bool:
    """Whether a model knows users only by their history, so that it also works for users without a code.

    Args:
        names: names of its inputs.
    """
    return "history" in names and "user" not in names


def history_length(model: Any) -> int | None:
    """The number of latest items of a history that a model uses; `None` if it uses all.

    This is the length of its input `history`, or the smallest `history_length` of its layers.

    Args:
        model: any `keras.Model`, or the names of its inputs, which have no lengths.
    """
    names = input_names(model)
    lengths = [getattr(layer, "history_length", None) for layer in getattr(model, "layers", ())]
    if "history" in names and hasattr(model, "inputs"):
        lengths.append(model.inputs[names.index("history")].shape[1])
    return min((length for length in lengths if length is not None), default=None)


def sequence_targets(model: Any) -> str:
    """The targets that a sequential model learns: those that a layer names, or the item after a history.

    Args:
        model: any `keras.Model`.
    """
    said = {getattr(layer, "sequence_targets", None) for layer in getattr(model, "layers", ())}
    return next((targets for targets in ("masked", "next") if targets in said), "last")


def history_is_ordered(model: Any) -> bool:
    """Whether the order of a history matters to a model: none of its layers has `unordered_history`.

    Args:
        model: any `keras.Model`, or the names of its inputs.
    """
    return not any(getattr(layer, "unordered_history", False) for layer in getattr(model, "layers", ()))


def optional_inputs(model: Any) -> dict[str, tuple[int, ...]]:
    """The shapes, without the batch axis, of the optional inputs, which are 0 if not given.

    Args:
        model: any `keras.Model`, or the names of its inputs.
    """
    if isinstance(model, (list, tuple)):
        return {}
    tensors = zip(input_names(model), getattr(model, "inputs", None) or (), strict=False)
    return {
        name: tuple(tensor.shape[1:])
        for name, tensor in tensors
        if getattr(tensor._keras_history.operation, "optional", False)
    }
