"""Scores of the catalogue for users who have representations but no codes."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasrec.evaluation._models import outputs
from kerasrec.layers import Catalogue, FeatureLookup
from kerasrec.recommender._model_parts import ModelParts

Ends = dict[str, np.ndarray]


def score_of_ends(sides: ModelParts, ends: Ends, n_items: int) -> Callable[[np.ndarray], np.ndarray]:
    """A function from rows of `ends` to scores `[B, I]`, by the all-pairs form of the score or by the head.

    Args:
        sides: of the model.
        ends: outputs of the user's side, `[B, ...]` by name.
        n_items: int.
    """
    items = outputs(sides.item, np.arange(n_items, dtype=np.int32))
    lists = takes_lists(sides.item)
    if lists:
        items = {name: x[:, 0] for name, x in items.items()}  # `outputs` gives lists of one

    def of_head(user: Ends) -> np.ndarray:
        if lists:
            inputs = {**user, **{name: x[None] for name, x in items.items()}}
        else:
            inputs = {**{name: np.repeat(x, n_items, axis=0) for name, x in user.items()}, **items}
        return np.asarray(keras.ops.convert_to_numpy(sides.combined(inputs)), np.float32).reshape(1, -1)

    def score(rows: np.ndarray) -> np.ndarray:
        if sides.towers is None:
            each = ({name: x[row : row + 1] for name, x in ends.items()} for row in rows)
            return np.concatenate([of_head(user) for user in each])
        # The bias is the same for all items.
        user = {name: x[rows] for name, x in ends.items() if name != "user_bias"}
        return keras.ops.convert_to_numpy(sides.towers.score.all_pairs(**user, **items))

    return score


def finished(sides: ModelParts, ends: Ends, scores: np.ndarray) -> np.ndarray:
    """Scores `[B, k]` of the model, from the scores that ranked the items."""
    if sides.towers is None:
        return scores
    if "user_bias" in ends:
        scores = scores + ends["user_bias"].reshape(-1, 1)
    for layer in sides.towers.transforms:
        if not isinstance(layer, Catalogue):  # the model passes them through
            scores = keras.ops.convert_to_numpy(layer(scores))
    return scores


def takes_lists(model: keras.Model) -> bool:
    """Whether a model takes lists of items."""
    return any(x.name == "item" and len(x.shape) == 2 and x.shape[1] is None for x in model.inputs)


def side_of_features(side: keras.Model, matrix: Any) -> Ends:
    """The outputs of one side of a model for other rows of features than those of its own entities."""

    def replaced(layer: Any) -> Any:
        if isinstance(layer, FeatureLookup):
            # Wide enough even if all rows are identities or empty.
            return FeatureLookup.from_matrix(matrix) if matrix.nnz else _Empty(matrix.shape[0])
        return layer

    return outputs(
        keras.models.clone_model(side, clone_function=replaced), np.arange(matrix.shape[0], dtype=np.int32)
    )


class _Empty(FeatureLookup):
    """Entities without any feature."""

    def call(self, codes: Any) -> dict[str, Any]:
        """Bags of weight 0."""
        bag = super().call(codes)
        return {
            "indices": keras.ops.zeros_like(bag["indices"]),
            "weights": keras.ops.zeros_like(bag["weights"]),
        }
