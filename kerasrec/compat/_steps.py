"""The batches of a fit: each has some users, all items, and the interactions between them."""

import warnings
from typing import Any

import keras
import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.compat._bags import Bags
from kerasrec.compat._read import is_matrix, read_matrices
from kerasrec.compat.errors import BatchNonSparseInputException
from kerasrec.data import _draws


def read_batches(
    interactions: Any, user_features: Any, item_features: Any, user_batch_size: int | None
) -> list[tuple[Any, Any, Any]]:
    """Interactions, user features and item features of each batch, as CSR matrices with matching shapes."""
    if user_batch_size is not None:
        for name, raw in (("interactions", interactions), ("user_features", user_features)):
            if not is_matrix(raw):
                raise BatchNonSparseInputException(name, type(raw).__name__)
    interactions = read_matrices("interactions", interactions)
    user_features = read_matrices("user_features", user_features)
    item_features = read_matrices("item_features", item_features)
    if len(interactions) != len(user_features):
        raise ValueError(
            "`interactions` and `user_features` must have the same number of batches. "
            f"Received: {len(interactions)} and {len(user_features)}."
        )
    if len(item_features) not in (1, len(user_features)):
        raise ValueError(
            "`item_features` must have one batch, or as many as `user_features`. "
            f"Received: {len(item_features)} and {len(user_features)}."
        )
    if len(item_features) == 1:
        item_features *= len(user_features)
    batches = list(zip(interactions, user_features, item_features, strict=True))
    for batch in batches:
        _check_rows(*batch)
    if user_batch_size is None:
        return batches
    ((matrix, users, items),) = batches
    starts = range(0, users.shape[0], user_batch_size)
    return [(matrix[s : s + user_batch_size], users[s : s + user_batch_size], items) for s in starts]


def _check_rows(interactions: Any, user_features: Any, item_features: Any) -> None:
    rows = user_features.shape[0], item_features.shape[0]
    if interactions.shape != rows:
        transposed = " They look transposed." if interactions.shape == rows[::-1] else ""
        raise ValueError(
            "`interactions` must have one row per row of `user_features` and one column per row of "
            f"`item_features`.{transposed} Received: interactions {interactions.shape}, {rows[0]} rows of "
            f"user features, {rows[1]} of item features."
        )


def sample_size(
    loss_graph: Any, n_sampled_items: int | None, batches: list[tuple[Any, Any, Any]]
) -> int | None:
    """Number of items sampled for each user; `None` if the loss takes no sample."""
    name = type(loss_graph).__name__
    if not loss_graph.is_sample_based:
        if n_sampled_items is not None:
            warnings.warn(f"`n_sampled_items` has no effect: {name} takes no sample.", stacklevel=4)
        return None
    if n_sampled_items is None:
        raise ValueError(
            f"`n_sampled_items` must be given for {name}, which takes a sample. "
            "Received: n_sampled_items=None."
        )
    n_sampled_items = positive_integer("n_sampled_items", n_sampled_items)
    n_items = min(items.shape[0] for _, _, items in batches)
    if n_sampled_items > n_items and not loss_graph.is_sampled_with_replacement:
        raise ValueError(
            "`n_sampled_items` must be at most the number of items, which are sampled without replacement. "
            f"Received: n_sampled_items={n_sampled_items} of {n_items}."
        )
    return n_sampled_items


class Steps(keras.utils.PyDataset):
    """The batches that `TensorRecModel.fit` takes.

    Args:
        batches: the result of `read_batches`.
        loss_graph: the loss.
        padded: bool, whether interactions may be padded to the longest batch.
        alpha: float, weight of the regularisation in a batch.
        n_sampled_items: int, items sampled per user, or `None` if the loss takes no sample.
        seed: ints, for the samples.
    """

    def __init__(
        self,
        batches: list[tuple[Any, Any, Any]],
        loss_graph: Any,
        padded: bool,
        alpha: float,
        n_sampled_items: int | None,
        seed: tuple[int, int],
    ) -> None:
        super().__init__()
        self._n_sampled_items = n_sampled_items
        self._replace = loss_graph.is_sampled_with_replacement
        self._seed = seed
        self._epoch = 0
        self._n_items = [items.shape[0] for _, _, items in batches]
        pairs = [_pairs(matrix, loss_graph.ignores_negatives) for matrix, _, _ in batches]
        n_pairs = max(1, *(len(values) for _, _, values in pairs)) if padded else None
        user_bags, item_bags = (
            Bags([users for _, users, _ in batches]),
            Bags([items for _, _, items in batches]),
        )
        laid_out: dict[int, Any] = {}  # the same items are laid out once
        self._steps = []
        for (_, users, items), (x_user, x_item, values) in zip(batches, pairs, strict=True):
            if id(items) not in laid_out:
                laid_out[id(items)] = item_bags(items)
            padding = (0, 0 if n_pairs is None else n_pairs - len(values))
            x = {
                "alpha": np.full(1, alpha, np.float32),
                "user": user_bags(users),
                "item": laid_out[id(items)],
                "x_user": np.pad(x_user, padding),
                "x_item": np.pad(x_item, padding),
                "weights": np.pad(np.ones(len(values), np.float32), padding),
            }
            self._steps.append((x, np.pad(values, padding)))

    def __len__(self) -> int:
        return len(self._steps)

    def on_epoch_begin(self) -> None:
        """Draw a new sample; not in `on_epoch_end`, which Keras also calls without an epoch."""
        self._epoch += 1

    def __getitem__(self, index: int) -> tuple[dict[str, Any], np.ndarray]:
        x, y = self._steps[index]
        if self._n_sampled_items is not None:
            x = {**x, "sample": self.sample(index)}
        return x, y

    def sample(self, index: int) -> np.ndarray:
        """Items `[B, S]`, int32, the same each time the batch is read in an epoch."""
        rng = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(self._epoch, index)))
        n_users, n_items = len(self._steps[index][0]["user"]["order"]), self._n_items[index]
        draw = _draws.with_replacement if self._replace else _draws.without_replacement
        drawn, _ = draw(
            rng,
            _draws.Pool(n_items),
            n_users,
            self._n_sampled_items or 0,
            lambda rows, drawn: np.zeros(drawn.shape, bool),
        )
        return drawn


def _pairs(interactions: Any, positives_only: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Users, items and values of the interactions."""
    matrix = interactions.tocoo()
    kept = matrix.data > 0 if positives_only else slice(None)
    return matrix.row[kept].astype(np.int32), matrix.col[kept].astype(np.int32), matrix.data[kept]
