"""Ratings as batches whose order follows from a seed and the number of the epoch, on every backend."""

from typing import Any

import keras
import numpy as np

from kerasrec.data import Interactions


class PairBatches(keras.utils.PyDataset):
    """Interactions in an order that a search can take up again in the middle.

    Args:
        interactions: `Interactions`.
        batch_size: int.
        seed: int.
    """

    def __init__(self, interactions: Interactions, batch_size: int, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.interactions = interactions
        self.batch_size = min(batch_size, len(interactions))
        self.seed = seed
        self._epoch = -1
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self.interactions) // self.batch_size)

    def on_epoch_end(self) -> None:
        """Draw another order."""
        self._epoch += 1
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(self._epoch,)))
        order = rng.permutation(len(self.interactions))
        self._users = self.interactions.users[order][:, None]
        self._items = self.interactions.items[order][:, None]
        self._values = self.interactions.values[order][:, None]

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return {"user": self._users[rows], "item": self._items[rows]}, self._values[rows]
