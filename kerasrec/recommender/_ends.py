"""Catalogues scored for users who have representations but no codes."""

import copy
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np

from kerasrec.evaluation._models import TowerScorer, outputs
from kerasrec.evaluation._ranker import Ranker
from kerasrec.evaluation._scorers import CatalogueScorer
from kerasrec.layers import Catalogue
from kerasrec.recommender._held import SEED
from kerasrec.recommender._sides import Sides

Ends = dict[str, np.ndarray]


def ranker_of(base: Ranker, sides: Sides, ends: Ends, n_items: int) -> Ranker:
    """A ranker whose users are the rows of `ends`.

    Args:
        base: the ranker of the model's own users, whose arranged items are used again where they can be.
        sides: of the model.
        ends: what the user's side gives, `[B, ...]` by name.
        n_items: int.
    """
    if isinstance(base.scorer, TowerScorer):
        ranker, rows = copy.copy(base), copy.copy(base.rows)
        rows.scorer = SimpleNamespace(users=lambda codes: ends["user"][codes])  # type: ignore[attr-defined]
        ranker.rows = rows
        return ranker
    candidates = base.layout.items[base.layout.items >= 0]
    scorer = CatalogueScorer(_Catalogue(sides, ends, n_items), n_items)
    return Ranker(scorer, SEED, candidates, base.name)


def finished(sides: Sides, ends: Ends, scores: np.ndarray) -> np.ndarray:
    """Scores `[B, k]` as the model gives them, from those that ranked the items."""
    if sides.towers is None:
        return scores
    if "user_bias" in ends:
        scores = scores + ends["user_bias"].reshape(-1, 1)
    for layer in sides.towers.transforms:
        if isinstance(layer, Catalogue):  # passes them through
            continue
        scores = keras.ops.convert_to_numpy(layer(scores))
    return scores


def takes_lists(model: keras.Model) -> bool:
    """Whether the items of a model come in lists."""
    return any(x.name == "item" and len(x.shape) == 2 and x.shape[1] is None for x in model.inputs)


class _Catalogue:
    """Scores `[B, I]` of rows of ends, by the score's own all-pairs form or by the model's head."""

    def __init__(self, sides: Sides, ends: Ends, n_items: int) -> None:
        self.sides, self.ends = sides, ends
        self.n_items = n_items
        self.items = outputs(sides.item, np.arange(n_items, dtype=np.int32))
        self.lists = takes_lists(sides.item)
        if self.lists:
            # `outputs` gives lists of one.
            self.items = {name: x[:, 0] for name, x in self.items.items()}

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        towers = self.sides.towers
        user = {name: x[rows] for name, x in self.ends.items()}
        if towers is not None:
            user.pop("user_bias", None)  # the same for all items
            return keras.ops.convert_to_numpy(towers.score.all_pairs(**user, **self.items))
        return np.concatenate(
            [self._one({name: x[row : row + 1] for name, x in user.items()}) for row in range(len(rows))]
        )

    def _one(self, user: dict[str, Any]) -> np.ndarray:
        if self.lists:
            inputs = {**user, **{name: x[None] for name, x in self.items.items()}}
        else:
            repeated = {name: np.repeat(x, self.n_items, axis=0) for name, x in user.items()}
            inputs = {**repeated, **self.items}
        scores = keras.ops.convert_to_numpy(self.sides.combined(inputs))
        return np.asarray(scores, np.float32).reshape(1, -1)
