"""Batches of ratings on disk, for models with a pointwise loss."""

from typing import Any

import keras
import numpy as np

from kerasrec.data import Interactions
from kerasrec.data._access import meaning_of
from kerasrec.data._windows import WINDOW, Windows, window_of


class RatingBatches(keras.utils.PyDataset):
    """Pairs and their values, shuffled again in each epoch.

    Args:
        interactions: opened `Interactions`.
        batch_size: int, rows.
        seed: int.
        signs: whether values of pairs that are not likes are at most 0, for `Separation`.
            Defaults to `False`.

    Attributes:
        batches_in_thread: whether `kerasrec.Model.fit` makes the next batches in another thread.
        shuffles_itself: whether each epoch has a new order, so that `kerasrec.Model.fit` draws none.
    """

    batches_in_thread = True
    shuffles_itself = True

    def __init__(
        self, interactions: Interactions, batch_size: int, seed: int, signs: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._rows, self._signs = interactions, signs
        self.batch_size, self.seed = batch_size, seed
        self._window = window_of(None, True, len(interactions)) or WINDOW
        self._epoch = -1
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self._rows) // self.batch_size)

    def on_epoch_end(self) -> None:
        """Shuffle again."""
        self._epoch += 1
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(self._epoch,)))
        rows = self._rows
        self._order = Windows(len(rows), self._window, rng, (rows.users, rows.items, rows.values))

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        from kerasrec.data import _likes

        rows = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        values = self._rows.values[rows]
        if self._signs:
            least = meaning_of(self._rows).least
            liked = _likes.liked(values, least)
            values = np.where(liked, _likes.gains(values, least), np.minimum(values, 0))
        return {"user": self._rows.users[rows][:, None], "item": self._rows.items[rows][:, None]}, values
