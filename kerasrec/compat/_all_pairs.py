"""Scores of every user of a batch for every item: as sums in bounded memory, or as an array."""

from typing import Any

import keras
from keras import ops

from kerasrec.layers import CosineScore, DotScore, Score
from kerasrec.layers._unit_length import unit_length

# Number of scores in a block.
_BLOCK = 2**22


class AllPairs:
    """Scores of every user for every item.

    Args:
        score: the score layer.
        user: the layer's user arguments by name, `[B, ...]`.
        item: the layer's item arguments by name, `[I, ...]`.
    """

    def __init__(self, score: Score, user: dict[str, Any], item: dict[str, Any]) -> None:
        self.score = score
        self.user = user
        self.item = item

    def array(self) -> Any:
        """Scores `[B, I]`."""
        return self.score.all_pairs(**self.user, **self.item)

    def sums(self, shift: Any) -> tuple[Any, Any]:
        """The sums of `score - shift` and of its square over all pairs, without keeping an array `[B, I]`.

        A dot product plus biases is a dot product of longer vectors, for which

            sum_ui (x_u . y_i)    = (sum_u x_u) . (sum_i y_i)
            sum_ui (x_u . y_i)**2 = sum_cd (X' X)_cd * (Y' Y)_cd

        Other scores are summed in blocks of users, which are recomputed for the gradient.
        """
        if type(self.score) in (DotScore, CosineScore):
            return self._sums_of_products(shift)
        return self._sums_in_blocks(shift)

    def _sums_of_products(self, shift: Any) -> tuple[Any, Any]:
        x, y = self.user["user"], self.item["item"]
        if type(self.score) is CosineScore:
            x, y = unit_length(x), unit_length(y)
        user_bias = self.user.get("user_bias", ops.zeros_like(x[:, :1]))
        item_bias = self.item.get("item_bias", ops.zeros_like(y[:, :1]))
        x = ops.concatenate([x, user_bias - shift, ops.ones_like(user_bias)], axis=1)
        y = ops.concatenate([y, ops.ones_like(item_bias), item_bias], axis=1)
        total = ops.sum(ops.sum(x, axis=0) * ops.sum(y, axis=0))
        squares = ops.sum(ops.matmul(ops.transpose(x), x) * ops.matmul(ops.transpose(y), y))
        return total, squares

    def _sums_in_blocks(self, shift: Any) -> tuple[Any, Any]:
        n_users, n_items = ops.shape(self.user["user"])[0], ops.shape(self.item["item"])[0]
        rows = _at_least_one(_BLOCK // n_items)
        n_blocks = (n_users + rows - 1) // rows
        padding = n_blocks * rows - n_users
        names, items = list(self.user), list(self.item)

        def blocks(x: Any) -> Any:
            x = ops.pad(x, [(0, padding)] + [(0, 0)] * (len(x.shape) - 1))
            return ops.reshape(x, (n_blocks, rows, *x.shape[1:]))

        def block_sums(there: Any, *tensors: Any) -> Any:
            user = dict(zip(names, tensors, strict=False))
            item = dict(zip(items, tensors[len(names) :], strict=True))
            scores = (self.score.all_pairs(**user, **item) - shift) * there[:, None]
            return ops.stack([ops.sum(scores), ops.sum(ops.square(scores))])

        again = keras.remat(block_sums)
        there = ops.ones_like(ops.reshape(self.user["user"], (n_users, -1))[:, 0])
        split = tuple(blocks(x) for x in (there, *self.user.values()))
        sums = ops.map(lambda block: again(*block, *self.item.values()), split)
        total = ops.sum(sums, axis=0)
        return total[0], total[1]


def _at_least_one(n: Any) -> Any:
    return max(1, n) if isinstance(n, int) else ops.maximum(n, 1)
