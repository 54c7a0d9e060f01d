from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data._access import is_opened
from kerasrec.data._opened import disk_of, search

if TYPE_CHECKING:
    from kerasrec.data import Interactions


class Ragged:
    """Items by user: rows of different lengths in one array, each ascending and without duplicates.

    Args:
        users: user codes `[n]`.
        items: item codes `[n]`.
        n_users: int.
        values: values `[n]`; of repeated pairs the largest value is kept. Defaults to `None`: ones.

    Attributes:
        starts: int64 `[n_users + 1]`; the row of user `u` is `starts[u]:starts[u + 1]`.
        items: int32, item codes row after row.
        values: float32, value of each entry of `items`.
    """

    def __init__(self, users: Any, items: Any, n_users: int, values: Any = None) -> None:
        keys = _keys(users, items)
        order: Any = None
        if values is None:
            keys = np.sort(keys)  # several times faster than `argsort`
        else:
            values, order, unsorted = np.asarray(values), np.argsort(keys), keys
            keys = unsorted[order]
        new = keys[1:] != keys[:-1]
        if not new.all():
            first = np.concatenate([[True], new])
            if values is not None:
                order = np.lexsort((-values, unsorted))[first]
            keys = keys[first]
        self._sorted: np.ndarray | None = keys  # `None` for rows on disk
        self.items = keys.astype(np.int32)  # the lower half
        self.values = np.ones(len(keys), np.float32) if values is None else values[order]
        if n_users == 1:
            self.starts = np.array([0, len(keys)])
        else:
            self.starts = np.searchsorted(keys, np.arange(n_users + 1) << 32)

    @classmethod
    def of(cls, interactions: "Interactions") -> "Ragged":
        """The items of each user; those of opened interactions stay on disk.

        Args:
            interactions: `Interactions`.
        """
        if not is_opened(interactions):
            return cls(interactions.users, interactions.items, interactions.n_users)
        found = cls.__new__(cls)
        disk = disk_of(interactions)
        found.starts, found.items = disk.starts, disk.by_item
        found.values, found._sorted = np.broadcast_to(np.float32(1), found.items.shape), None
        return found

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def longest(self) -> int:
        """Length of the longest row."""
        return int(np.diff(self.starts).max(initial=0))

    def counts(self, users: np.ndarray) -> np.ndarray:
        """Length of the row of each of these users."""
        return self.starts[users + 1] - self.starts[users]

    def index(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The entries of some users, row after row.

        Args:
            users: user codes `[B]`.

        Returns:
            The position in `users` of each entry's user, and the index of the entry in `items` and `values`.
        """
        if len(users) == 1:  # in a fraction of the time
            index = np.arange(self.starts[users[0]], self.starts[users[0] + 1])
            return np.zeros(len(index), np.int64), index
        counts = self.counts(users)
        rows = np.repeat(np.arange(len(users)), counts)
        shift = self.starts[users] - (np.cumsum(counts) - counts)
        return rows, np.arange(len(rows)) + np.repeat(shift, counts)

    def find(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Index in `items` and `values` of each pair; -1 if it is absent (or the item is -1)."""
        if not len(self):
            return np.full(np.broadcast_shapes(users.shape, items.shape), -1)
        if self._sorted is None:
            users, items = np.broadcast_arrays(users, items)
            owners, wanted = users.ravel(), items.ravel()
            ends = self.starts[owners + 1]
            index = search(self.items, self.starts[owners], ends, wanted)
            there = index < ends
            there[there] = self.items[index[there]] == wanted[there]
            return np.where(there, index, -1).reshape(users.shape)
        keys = _keys(users, items)
        index = np.minimum(np.searchsorted(self._sorted, keys), len(self) - 1)
        return np.where(self._sorted[index] == keys, index, -1)


def _keys(users: Any, items: Any) -> np.ndarray:
    return (np.asarray(users, np.int64) << 32) | np.asarray(items, np.int64)
