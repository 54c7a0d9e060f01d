"""Outputs of a model for inputs that have shapes but no values."""

from typing import Any

import keras

from kerasrec.trainers._keras import Functional
from kerasrec.trainers._shared_items import SHARED


def shapes_alone(inputs: Any) -> bool:
    """Whether inputs have no values: on PyTorch, Keras infers shapes with tensors on the device `"meta"`.

    Args:
        inputs: inputs of a model, by name.
    """
    if keras.backend.backend() != "torch" or not isinstance(inputs, dict):
        return False
    return any(getattr(x, "is_meta", False) for x in inputs.values())


def outputs_of_shapes(model: Any, inputs: dict[str, Any]) -> Any:
    """Outputs without values, from the shapes that each layer declares.

    Keras would call every layer. If a layer needs values, Keras calls it again with ids of 1, which are
    unknown to a model with a single user or item.

    Args:
        model: a functional `kerasrec.Model`.
        inputs: inputs by name; `shared_item` is appended to the items of every row.
    """
    import torch

    shapes = {name: tuple(x.shape) for name, x in inputs.items()}
    if SHARED in shapes and "item" in shapes:
        n_rows, n_own = shapes["item"]
        shapes["item"] = (n_rows, n_own + shapes.pop(SHARED)[1])
    known = {
        tensor.name: keras.KerasTensor(shapes[tensor.name], dtype=tensor.dtype) for tensor in model.inputs
    }
    found = Functional.compute_output_spec(model, known)
    return keras.tree.map_structure(
        lambda x: torch.empty(tuple(x.shape), dtype=getattr(torch, x.dtype), device="meta"), found
    )
