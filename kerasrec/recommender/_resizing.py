"""A functional model with more users or items: the same graph, larger tables, old rows bit for bit."""

from typing import Any

import keras
import numpy as np

from kerasrec.layers import (
    Catalogue,
    FeatureEmbedding,
    FeatureLookup,
    FrequencyRegularization,
)
from kerasrec.layers._representation import Representation
from kerasrec.recommender._sides import sides_of_layers


class Growth:
    """How many entities and features one side has before and after.

    Args:
        before: int, entities.
        after: int, entities.
        matrix: feature matrix `[after, F]` of all, or `None` where the model reads identities alone.
        columns: int, columns of the matrix before. Defaults to `0`.
    """

    def __init__(self, before: int, after: int, matrix: Any = None, columns: int = 0) -> None:
        self.before, self.after, self.matrix = before, after, matrix
        self.columns = (columns, matrix.shape[1]) if matrix is not None else (before, after)


def resized(model: keras.Model, growth: dict[str, Growth]) -> keras.Model:
    """The model for more users, items or both; rows that are new are 0, and so are their optimizer slots.

    Args:
        model: functional `keras.Model`, whose weights stay as they are.
        growth: by side, `"user"` and `"item"`.

    Returns:
        A new `keras.Model`, compiled as the old one, with its optimizer's state.
    """
    sides = sides_of_layers(model)
    pairs: dict[int, tuple[Any, Any]] = {}

    def larger(layer: Any) -> Any:
        if not isinstance(layer, keras.layers.Layer):
            return layer  # an operation, which has no weights
        if id(layer) not in pairs:  # a shared layer stays one
            pairs[id(layer)] = layer, _larger(layer, sides.get(layer.name, set()), growth)
        return pairs[id(layer)][1]

    grown = keras.models.clone_model(model, clone_function=larger)
    for old, new in pairs.values():
        if isinstance(new, FeatureLookup) and new.n != old.n:
            continue  # made from the new matrix
        for before, after in zip(old.variables, new.variables, strict=True):
            after.assign(_padded(before, tuple(after.shape)))
    if model.compiled:
        _compile(model, grown, growth)
    return grown


def _larger(layer: Any, sides: set[str], growth: dict[str, Growth]) -> Any:
    config = layer.get_config()
    side = next(iter(sides)) if len(sides) == 1 else None
    if hasattr(layer, "n_entries"):  # scores of histories know both
        return type(layer).from_config(
            {**config, "n_users": growth["user"].after, "n_items": growth["item"].after}
        )
    if side is None or growth[side].before == growth[side].after:
        if side is None and "n_items" in config and not isinstance(layer, Catalogue):
            config["n_items"] = growth["item"].after
        return type(layer).from_config(config)
    own = growth[side]
    if isinstance(layer, FeatureLookup):
        if layer.n_values is None:
            return FeatureLookup.from_config({**config, "n": own.after})
        return FeatureLookup.from_matrix(own.matrix, name=layer.name)
    if isinstance(layer, (FeatureEmbedding, FrequencyRegularization)) and layer.n == own.before:
        return type(layer).from_config({**config, "n": own.after})
    if type(layer) is keras.layers.Embedding and layer.input_dim == own.before:
        return keras.layers.Embedding.from_config({**config, "input_dim": own.after})
    if isinstance(layer, Representation) and layer.n_features == own.columns[0]:
        return type(layer).from_config({**config, "n_features": own.columns[1]})
    limit = getattr(layer, "id_limit", getattr(layer, "input_dim", None))
    if limit is not None or any(own.before in tuple(v.shape) for v in layer.variables):
        raise ValueError(
            f"The tables of a model must be of kerasrec's layers or `keras.layers.Embedding` to grow. "
            f"Received: layer {layer.name!r} of type {type(layer).__name__}, sized for {own.before} {side}s."
        )
    return type(layer).from_config(config)


def _padded(variable: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A variable's value in a larger shape."""
    value = keras.ops.convert_to_numpy(variable)
    if value.shape == shape:
        return value
    padded = np.zeros(shape, value.dtype)
    if variable.name == "factors":  # of entities that nothing is known of
        padded[:] = 1
    elif variable.name == "starts":  # rows of a history; new ones are empty
        padded[:] = value[-1]
    padded[tuple(slice(0, n) for n in value.shape)] = value
    return padded


def _compile(model: keras.Model, grown: keras.Model, growth: dict[str, Growth]) -> None:
    config = model.get_compile_config()
    items = growth["item"]
    grown.compile_from_config({**config, "loss": _renumbered(config.get("loss"), items.before, items.after)})
    if model.optimizer is None or not model.optimizer.built:
        return
    if not grown.optimizer.built:
        grown.optimizer.build(grown.trainable_variables)
    for before, after in zip(model.optimizer.variables, grown.optimizer.variables, strict=True):
        after.assign(_padded(before, tuple(after.shape)))


def _renumbered(config: Any, before: int, after: int) -> Any:
    """A loss's settings, where they say how many items there are."""
    if isinstance(config, dict):
        return {
            key: after if key == "n_items" and value == before else _renumbered(value, before, after)
            for key, value in config.items()
        }
    if isinstance(config, (list, tuple)):
        return type(config)(_renumbered(value, before, after) for value in config)
    return config
