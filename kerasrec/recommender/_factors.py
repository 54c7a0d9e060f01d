"""A factorised model as plain arrays: everything that lists need, without Keras."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrec.data import ModelInputs
from kerasrec.evaluation._scorers import FactorScorer

# Users' vectors are kept in memory up to this size.
_USER_BYTES = 1 << 30


@dataclass(frozen=True)
class Factors:
    """The vectors of a model whose score is a dot product, and the scales after it.

    Attributes:
        user: float32 `[U, C]`.
        item: float32 `[I, C]`.
        user_bias: float32 `[U]`, or `None`.
        item_bias: float32 `[I]`, or `None`.
        scales: lowest and highest rating of each scale after the score.
    """

    user: np.ndarray
    item: np.ndarray
    user_bias: np.ndarray | None = None
    item_bias: np.ndarray | None = None
    scales: tuple[tuple[float, float], ...] = ()

    @property
    def n_bytes(self) -> int:
        """Size of the arrays."""
        tables = (self.user, self.item, self.user_bias, self.item_bias)
        return sum(table.nbytes for table in tables if table is not None)

    def check(self, n_users: int, n_items: int) -> None:
        """Refuse tables with other numbers of users and items."""
        shapes = {"user": self.user.shape, "item": self.item.shape}
        width = self.user.shape[-1]
        expected: dict[str, tuple[int, ...]] = {"user": (n_users, width), "item": (n_items, width)}
        for name, bias, n in (("user", self.user_bias, n_users), ("item", self.item_bias, n_items)):
            if bias is not None:
                shapes[f"{name}_bias"], expected[f"{name}_bias"] = bias.shape, (n,)
        tables = (self.user, self.item, self.user_bias, self.item_bias)
        if shapes != expected or any(x is not None and x.dtype != np.float32 for x in tables):
            raise ValueError(
                f"vectors must be float32, one for each of {n_users} users and {n_items} items; there are "
                + ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            )

    @property
    def users(self) -> dict[str, np.ndarray]:
        """The outputs of the model's user side by name."""
        bias = {} if self.user_bias is None else {"user_bias": self.user_bias[:, None]}
        return {"user": self.user, **bias}

    def of_users(self, user: np.ndarray, user_bias: np.ndarray | None) -> "Factors":
        """The same items with other users."""
        return Factors(user, self.item, user_bias, self.item_bias, self.scales)

    def finish(self, codes: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Scores `[B, k]` of the model, from the scores that ranked the items."""
        if self.user_bias is not None:
            scores = scores + self.user_bias[codes, None]
        for low, high in self.scales:
            # A score of -100 must not overflow.
            with np.errstate(over="ignore"):
                scores = low + (high - low) / (1 + np.exp(-scores))
        return scores


class HeldScorer(FactorScorer):
    """Ranks by factors in memory, so that a list takes one matrix product.

    Args:
        factors: `Factors`.
    """

    def __init__(self, factors: Factors) -> None:
        super().__init__(lambda codes: factors.user[codes], factors.item, factors.item_bias)
        self.factors = factors

    def finish(self, users: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Scores as the model gives them."""
        return self.factors.finish(users, scores)


def factors_of(model: Any, n_users: int, n_items: int, inputs: ModelInputs | None = None) -> Factors | None:
    """The factors of a model; `None` if plain arrays cannot represent it.

    Args:
        model: `keras.Model`.
        n_users: int.
        n_items: int.
        inputs: `ModelInputs`. Defaults to `None`: user codes only.
    """
    from kerasrec.evaluation._models import item_outputs, user_outputs
    from kerasrec.layers import Catalogue, DotScore, RatingScale, find_towers

    towers = find_towers(model)
    # A subclass may compare or scale differently.
    if towers is None or type(towers.score) is not DotScore:
        return None
    scales = [layer for layer in towers.transforms if not isinstance(layer, Catalogue)]
    n_components = towers.user.output["user"].shape[-1]
    if not all(type(layer) is RatingScale for layer in scales) or 4 * n_components * n_users > _USER_BYTES:
        return None
    user = user_outputs(towers, np.arange(n_users, dtype=np.int32), inputs)
    item = item_outputs(towers, np.arange(n_items, dtype=np.int32))
    biases = [side.get(name) for side, name in ((user, "user_bias"), (item, "item_bias"))]
    user_bias, item_bias = (None if x is None else x.reshape(-1) for x in biases)
    bounds = tuple((layer.minimum, layer.maximum) for layer in scales)
    return Factors(user["user"], item["item"], user_bias, item_bias, bounds)
