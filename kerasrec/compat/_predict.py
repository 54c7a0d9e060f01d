"""Representations and scores of a fitted model, in blocks of rows."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerasrec.compat._bags import Bags
from kerasrec.compat._model import TensorRecModel
from kerasrec.compat._read import read_matrices

# Number of scores in a block of users, and number of rows in a block of representations.
_SCORES = 2**22
_ROWS = 2**14


def represent(model: TensorRecModel, name: str, features: Any) -> dict[str, np.ndarray]:
    """Arguments of the score by name, for all rows of `user_features` or `item_features`."""
    of_users = name == "user_features"
    layers = model.represent_users if of_users else model.represent_items
    parts = []
    for matrix in read_matrices(name, features):
        check_columns(name, matrix, model.n_user_features if of_users else model.n_item_features)
        for start in range(0, matrix.shape[0], _ROWS):
            block = matrix[start : start + _ROWS]
            inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, Bags([block])(block))
            parts.append({key: keras.ops.convert_to_numpy(x) for key, x in layers(inputs).items()})
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def scores(model: TensorRecModel, user_features: Any, item_features: Any) -> Iterator[np.ndarray]:
    """Scores of every user for every item, in blocks of users."""
    users = represent(model, "user_features", user_features)
    items = represent(model, "item_features", item_features)
    rows = max(1, _SCORES // (len(items["item"]) * len(model.user_reprs)))
    for start in range(0, len(users["user"]), rows):
        block = {name: x[start : start + rows] for name, x in users.items()}
        yield keras.ops.convert_to_numpy(model.mixture.all_pairs(**block, **items))


def ranks(scores: np.ndarray) -> np.ndarray:
    """Ranks by row, 1 for the best item; ties go to the first item."""
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.empty(scores.shape, np.int32)
    np.put_along_axis(ranks, order, np.arange(1, scores.shape[1] + 1, dtype=np.int32)[None], axis=1)
    return ranks


def similar(
    model: TensorRecModel, items: np.ndarray, ids: np.ndarray, n: int
) -> list[list[tuple[int, float]]]:
    """The `n` items most similar to each of the items `ids`, with their scores, best first."""
    found = []
    rows = max(1, _SCORES // len(items))
    for start in range(0, len(ids), rows):
        scores = keras.ops.convert_to_numpy(model.score.all_pairs(items[ids[start : start + rows]], items))
        best = np.argsort(-scores, axis=1, kind="stable")[:, :n]
        found += [
            [(int(item), float(row[item])) for item in order] for row, order in zip(scores, best, strict=True)
        ]
    return found


def check_columns(name: str, matrix: Any, n_features: int) -> None:
    """Refuse features other than those of the first fit."""
    if matrix.shape[1] != n_features:
        transposed = " They look transposed." if matrix.shape[0] == n_features else ""
        raise ValueError(
            f"`{name}` must have {n_features} columns, the features of the first fit.{transposed} "
            f"Received: shape={matrix.shape}."
        )


def tastes_first(x: np.ndarray) -> np.ndarray:
    """Representations in the original's form: `[U, C]`, or `[T, U, C]` for several tastes `[U, T, C]`."""
    return x if x.ndim == 2 else x.transpose(1, 0, 2)
