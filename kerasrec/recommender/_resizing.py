"""A functional model with more users or items: the same graph, larger tables, unchanged old rows."""

from typing import Any

import keras
import numpy as np

from kerasrec._forks import check_fork
from kerasrec.data import Features
from kerasrec.layers import (
    Catalogue,
    FeatureDropout,
    FeatureEmbedding,
    FeatureLookup,
    FrequencyRegularization,
    SequenceEmbedding,
)
from kerasrec.layers._representation import Representation
from kerasrec.recommender._model_parts import sides_of_layers
from kerasrec.recommender._reading import check_features, without_rows

_TABLES = (FeatureEmbedding, FeatureLookup, FrequencyRegularization, keras.layers.Embedding)


class Growth:
    """Numbers of entities and features of one side before and after.

    Args:
        before: number of entities before.
        after: number of entities after.
        features: `Features` of all entities after, or `None` if the model reads only identities.
        columns: number of columns of the features before. Defaults to `0`.
    """

    def __init__(self, before: int, after: int, features: Features | None = None, columns: int = 0) -> None:
        self.before, self.after, self.features = before, after, features
        self.columns = (columns, features.n_features) if features is not None else (before, after)
        # New entities begin at 0, like weights without any training.
        self.unlearned = np.empty(0, int)
        if features is not None:
            self.unlearned = without_rows(features.matrix[:before, :columns])


def resized(
    model: keras.Model, growth: dict[str, Growth], edges: tuple[np.ndarray, np.ndarray] | None = None
) -> keras.Model:
    """The model for more users, items or both; new rows and their optimizer slots are 0.

    In a table of a sequential model, new rows are the mean of the others.

    Args:
        model: functional `keras.Model`, which stays unchanged.
        growth: by side, `"user"` and `"item"`.
        edges: users and items of the edges of a graph. Defaults to `None`: its current edges.

    Returns:
        A new `keras.Model`, compiled like the old one, with its optimizer's state.
    """
    check_fork()
    sides = sides_of_layers(model)
    pairs: dict[int, tuple[Any, Any]] = {}

    def larger(layer: Any) -> Any:
        if not isinstance(layer, keras.layers.Layer):
            return layer  # an operation, which has no weights
        if id(layer) not in pairs:  # a shared layer stays shared
            pairs[id(layer)] = layer, _larger(layer, sides.get(layer.name, set()), growth)
            if edges is not None and is_of_a_graph(layer):
                config = {**pairs[id(layer)][1].get_config(), "n_edges": len(edges[0])}
                pairs[id(layer)] = layer, type(layer).from_config(config)
        return pairs[id(layer)][1]

    grown = keras.models.clone_model(model, clone_function=larger)
    for old, new in pairs.values():
        if isinstance(new, FeatureLookup) and new.n != old.n:
            continue  # made from the new matrix
        if edges is not None and is_of_a_graph(new):
            _with_edges(old, new, edges)
            continue
        table = _table_of_features(old, sides, growth)
        for before, after in zip(old.variables, new.variables, strict=True):
            value = _padded(before, tuple(after.shape))
            if table is not None and before is table[0]:
                value[table[1]] = 0
            if isinstance(old, SequenceEmbedding) and before is old.embeddings:
                # A score of 0 may be above the scores of most items, so new items get the mean.
                value[old.n :] = value[: old.n].mean(axis=0)
            after.assign(value)
    if model.compiled:
        _compile(model, grown, growth)
    return grown


def is_of_a_graph(layer: Any) -> bool:
    """Whether a layer holds the edges between users and items.

    Args:
        layer: layer of a model.
    """
    return hasattr(layer, "n_edges")


def _with_edges(old: Any, new: Any, edges: tuple[np.ndarray, np.ndarray]) -> None:
    """Copy the tables of a layer to another one with other edges."""
    for before, after in zip(old.trainable_variables, new.trainable_variables, strict=True):
        after.assign(_padded(before, tuple(after.shape)))
    new.fill(*edges)


def _larger(layer: Any, sides: set[str], growth: dict[str, Growth]) -> Any:
    config = layer.get_config()
    side = _side_of(layer, sides)
    if hasattr(layer, "n_entries") or is_of_a_graph(layer):  # depends on the numbers of users and of items
        return type(layer).from_config(
            {**config, "n_users": growth["user"].after, "n_items": growth["item"].after}
        )
    if side is None or growth[side].before == growth[side].after:
        if side is None and "n_items" in config and not isinstance(layer, Catalogue):
            config["n_items"] = growth["item"].after
        return type(layer).from_config(config)
    own = growth[side]
    if isinstance(layer, FeatureLookup):
        if own.features is None:
            return FeatureLookup.from_config({**config, "n": own.after})
        return _longer(layer, own, side)
    if isinstance(layer, FeatureDropout) and own.features is not None:
        return FeatureDropout.from_config({**config, "columns": _with_new_identities(layer.columns, own)})
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


def _side_of(layer: Any, sides: set[str]) -> str | None:
    """The side whose entities are the rows of a layer; for a history, items."""
    if "history" not in sides:
        return next(iter(sides)) if len(sides) == 1 and sides <= {"user", "item"} else None
    reads_ids = isinstance(layer, _TABLES) or hasattr(layer, "id_limit")
    return "item" if reads_ids and sides <= {"item", "history"} else None


def _longer(layer: FeatureLookup, own: Growth, side: str) -> FeatureLookup:
    """The table of all features, with the width limit of the old one."""
    matrix: Any = own.features.matrix  # type: ignore[union-attr]
    old = matrix[: own.before]
    cut = layer.n_values is not None and layer.n_values < old.nnz
    if layer.n_values is not None:
        check_features(layer, old, side)
    settings = {"name": layer.name, "trainable": layer.trainable, "dtype": layer.dtype_policy}
    return FeatureLookup.from_matrix(matrix, layer.width if cut else None, **settings)


def _with_new_identities(columns: list[list[int]], own: Growth) -> list[list[int]]:
    """Columns to drop, including the indicators of new entities if those of old ones are dropped."""
    features: Any = own.features
    identities = np.array(features.columns_of("id") if features.has_identity else [], int)
    old, new = identities[identities < own.columns[0]], identities[identities >= own.columns[0]]
    dropped = [any(start <= column < stop for start, stop in columns) for column in old]
    if not len(new) or not len(old) or not all(dropped):
        return columns
    return [*columns, [int(new[0]), int(new[-1]) + 1]]


def _table_of_features(layer: Any, sides: Any, growth: dict[str, Growth]) -> tuple[Any, np.ndarray] | None:
    """The variable of a representation with one row per feature, and the rows without any training."""
    if not isinstance(layer, Representation) or not layer.variables:
        return None
    for side in sides.get(layer.name, set()) & {"user", "item"}:
        own, first = growth[side], layer.variables[0]
        if len(own.unlearned) and layer.n_features == own.columns[0] == first.shape[0] and first.ndim == 2:
            return first, own.unlearned
    return None


def value_of(variable: Any) -> np.ndarray:
    """A copy of a variable's value; NumPy warns if it copies TensorFlow's variables themselves.

    Args:
        variable: variable of a model or an optimizer.
    """
    check_fork()
    return keras.ops.convert_to_numpy(keras.ops.copy(variable)).copy()


def _padded(variable: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A variable's value in a larger shape."""
    value = value_of(variable)
    if value.shape == shape:
        return value
    padded = np.zeros(shape, value.dtype)
    if variable.name == "factors":  # entities without features
        padded[:] = 1
    elif variable.name.endswith("starts"):  # rows of a history or a graph; new ones are empty
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
    """The config of a loss with the new number of items."""
    if isinstance(config, dict):
        return {
            key: after if key == "n_items" and value == before else _renumbered(value, before, after)
            for key, value in config.items()
        }
    if isinstance(config, (list, tuple)):
        return type(config)(_renumbered(value, before, after) for value in config)
    return config
