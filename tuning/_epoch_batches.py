"""Batches that depend only on the seed and the epoch, so a search can resume in the middle of a trial."""

from typing import Any

import keras
import numpy as np

from kerasrec.data import Impressions, Interactions


class PairBatches(keras.utils.PyDataset):
    """Ratings in an order that depends only on a seed and the epoch, on every backend.

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
        order = _order(len(self.interactions), self.seed, self._epoch)
        self._users = self.interactions.users[order][:, None]
        self._items = self.interactions.items[order][:, None]
        self._values = self.interactions.values[order][:, None]

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return {"user": self._users[rows], "item": self._items[rows]}, self._values[rows]


class ClickBatches(keras.utils.PyDataset):
    """Impressions in an order that depends only on a seed and the epoch, on every backend.

    Args:
        impressions: `Impressions`.
        targets: target of each row, `[n]`.
        batch_size: int.
        seed: int.
    """

    def __init__(
        self, impressions: Impressions, targets: np.ndarray, batch_size: int, seed: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.impressions = impressions
        self.targets = targets[:, None]
        self.batch_size = min(batch_size, len(impressions))
        self.seed = seed
        self._epoch = -1
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self.impressions) // self.batch_size)

    def on_epoch_end(self) -> None:
        """Draw another order."""
        self._epoch += 1
        self._places = _order(len(self.impressions), self.seed, self._epoch)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        rows = self._places[index * self.batch_size : (index + 1) * self.batch_size]
        inputs = {name: x[rows] for name, x in self.impressions.inputs.items()}
        weights = self.impressions.weights
        return (inputs, self.targets[rows]) + (() if weights is None else (weights[rows],))


def _order(n_rows: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the rows in an epoch."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(epoch,)))
    return rng.permutation(n_rows)


class EpochBatches(keras.utils.PyDataset):
    """Batches whose order changes only in `go_to`, not when Keras inspects them before training.

    Args:
        batches: a `keras.utils.PyDataset` with a new order after each `on_epoch_end`.
        epoch: int, the first epoch.
    """

    def __init__(self, batches: keras.utils.PyDataset, epoch: int) -> None:
        super().__init__()
        self.batches = batches
        self._epoch = 0
        self.go_to(epoch)

    def go_to(self, epoch: int) -> None:
        """Advance to a later epoch."""
        while self._epoch < epoch:
            self.batches.on_epoch_end()
            self._epoch += 1

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Any:
        return self.batches[index]


class TellEpoch(keras.callbacks.Callback):
    """Advances batches to the current epoch.

    Args:
        batches: `EpochBatches`.
    """

    def __init__(self, batches: EpochBatches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Advance the batches."""
        self.batches.go_to(epoch)
