"""Interactions grouped by user, read as padded rows."""

import numpy as np

from kerasrec.data.interactions import Interactions


class ByUser:
    """The items of each user with their labels.

    Args:
        interactions: `Interactions`.
        labels: `[n]`.
        rng: generator that shuffles each user's items once, unless they are on disk.

    Attributes:
        counts: number of items of each user, `[U]`.
        largest: largest number of items of a user.
    """

    def __init__(self, interactions: Interactions, labels: np.ndarray, rng: np.random.Generator) -> None:
        self.counts = interactions._user_counts
        self.largest = int(self.counts.max(initial=0))
        self._starts = np.cumsum(self.counts) - self.counts
        if interactions._disk is not None:  # in the order of time
            self._items, self._labels = interactions.items, labels
            return
        order = rng.permutation(len(interactions))
        order = order[np.argsort(interactions.users[order], kind="stable")]
        self._items, self._labels = interactions.items[order], labels[order]

    def rows(
        self, users: np.ndarray, width: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Up to `width` items of each user, starting at a random one and going round if there are more.

        Args:
            users: codes `[B]`.
            width: int.
            rng: generator.

        Returns:
            Items, labels, and whether there is an entry, `[B, width]`.
        """
        if not width:
            none = np.zeros((len(users), 0), bool)
            return none.astype(self._items.dtype), none.astype(self._labels.dtype), none
        counts = self.counts[users]
        there = np.arange(width) < counts[:, None]
        around = np.maximum(counts, 1)
        begin = np.where(counts > width, rng.integers(0, around), 0)
        place = self._starts[users][:, None] + (begin[:, None] + np.arange(width)) % around[:, None]
        place[~there] = 0
        return self._items[place], self._labels[place], there
