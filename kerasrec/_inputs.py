"""What a model is called with, read off the model: the names of its inputs, and how much history it takes."""

from collections.abc import Collection
from typing import Any

# What stands in a history where there is no item, and where an item is to be guessed.
PADDING = -1
MASKED = -2


def input_names(model: Any) -> tuple[str, ...]:
    """The model's inputs as its data name them, in the order of `model.inputs`; none without a graph.

    Args:
        model: any `keras.Model`; or the names themselves.
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
    """Whether a model knows a user only by the history, so that it takes those of users without a code.

    Args:
        names: its inputs.
    """
    return "history" in names and "user" not in names


def history_length(model: Any) -> int | None:
    """The most items of a history that a model looks at, the latest ones; `None` where it looks at all.

    That is the length of its input `history`, or the least `history_length` that one of its layers has.

    Args:
        model: any `keras.Model`; or the names of its inputs, which say nothing of lengths.
    """
    names = input_names(model)
    lengths = [getattr(layer, "history_length", None) for layer in getattr(model, "layers", ())]
    if "history" in names and hasattr(model, "inputs"):
        lengths.append(model.inputs[names.index("history")].shape[1])
    return min((length for length in lengths if length is not None), default=None)


def sequence_targets(model: Any) -> str:
    """What a model of histories learns from sequences: what its layers say, else the item after a history.

    Args:
        model: any `keras.Model`.
    """
    said = {getattr(layer, "sequence_targets", None) for layer in getattr(model, "layers", ())}
    return next((targets for targets in ("masked", "next") if targets in said), "last")


def history_is_ordered(model: Any) -> bool:
    """Whether the order of a history makes a difference to a model: no layer says `unordered_history`.

    Args:
        model: any `keras.Model`; or the names of its inputs.
    """
    return not any(getattr(layer, "unordered_history", False) for layer in getattr(model, "layers", ()))


def optional_inputs(model: Any) -> dict[str, tuple[int, ...]]:
    """The shapes, without the batch's axis, of the inputs that need not be given: they are 0 then.

    Args:
        model: any `keras.Model`; or the names of its inputs.
    """
    if isinstance(model, (list, tuple)):
        return {}
    tensors = zip(input_names(model), getattr(model, "inputs", None) or (), strict=False)
    return {
        name: tuple(tensor.shape[1:])
        for name, tensor in tensors
        if getattr(tensor._keras_history.operation, "optional", False)
    }
