import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasrec._arguments import whole_number
from kerasrec._inputs import PADDING
from kerasrec.data._events import events_of
from kerasrec.data._opened import search
from kerasrec.data.interactions import Interactions, check_interactions


class Sequences:
    """The items of each user in the order of time.

    Only likes count (`Interactions.liked`). If times are equal, or if there are none, the order of the rows
    is used. The same holds for rows without a time, which `Interactions` gives the time of the user's
    previous row.

    Args:
        interactions: `Interactions`.
        repeats: bool, whether an item that a user had several times is at each of its events, if the events
            are kept (`Interactions.events`). Otherwise it is only at the last one. Defaults to `True`.

    Attributes:
        items: int32 `[n]`, item codes, by user and then by time.
        times: int64 `[n]`, or `None`.
        starts: int64 `[U + 1]`; the items of user `u` are `items[starts[u]:starts[u + 1]]`.
        n_users: int.
        n_items: int, size of the catalogue.
        by_rows: bool, whether the order of the rows was used because there were no times.
        n_ties: int, number of items with the same time as the previous item of the user.

    Example:
        >>> from kerasrec.data import Interactions, Sequences
        >>> ids = {"user_ids": ["ann", "bob"], "item_ids": ["x", "y", "z"]}
        >>> sequences = Sequences(Interactions([0, 1, 0, 0], [1, 1, 2, 0], times=[3, 1, 2, 4], **ids))
        >>> sequences.latest([0, 1], length=4).tolist()
        [[-1, 2, 1, 0], [-1, -1, -1, 1]]
    """

    items: np.ndarray
    times: np.ndarray | None
    starts: np.ndarray
    n_items: int
    by_rows: bool
    # End of each user's items, if it is not the start of the next user's.
    _ends: np.ndarray | None = None
    _on_disk = False

    def __init__(self, interactions: Interactions, repeats: bool = True) -> None:
        check_interactions("interactions", interactions)
        liked = interactions.liked
        rows = interactions if liked.all() else interactions.take(liked)
        if repeats:
            rows, counted = events_of(rows)
            rows = rows if counted.all() else rows.take(counted)
        self._fill(rows, once=not repeats)

    @classmethod
    def of_rows(cls, interactions: Interactions) -> "Sequences":
        """The sequences of the rows that are likes, one item per row, whatever their events.

        Args:
            interactions: `Interactions`.

        Returns:
            `Sequences`.
        """
        found = cls.__new__(cls)
        liked = interactions.liked
        found._fill(interactions if liked.all() else interactions.take(liked), once=False)
        return found

    @classmethod
    def of_lists(cls, lists: Sequence[Any], n_items: int) -> "Sequences":
        """Sequences from a list of item codes per user, oldest first.

        Args:
            lists: item codes of each user.
            n_items: int, size of the catalogue.

        Returns:
            `Sequences`; the first list is user 0.

        Raises:
            ValueError: if a code is outside the catalogue.
        """
        found = cls.__new__(cls)
        found.starts = np.concatenate([[0], np.cumsum([len(items) for items in lists], dtype=np.int64)])
        found.items = np.concatenate([np.zeros(0, np.int32), *(np.asarray(x, np.int32) for x in lists)])
        found.times, found.by_rows = None, False
        found.n_items = whole_number("n_items", n_items)
        bad = found.items[(found.items < 0) | (found.items >= n_items)]
        if len(bad):
            raise ValueError(f"`lists` must have item codes from 0 to {n_items - 1}. Received: {bad[0]}.")
        return found

    @classmethod
    def of_arrays(
        cls, items: np.ndarray, starts: np.ndarray, times: np.ndarray | None, n_items: int
    ) -> "Sequences":
        """Sequences from these attributes, which may come from a file.

        Args:
            items: as the attribute.
            starts: as the attribute.
            times: as the attribute.
            n_items: as the attribute.

        Returns:
            `Sequences`.

        Raises:
            ValueError: if they do not match each other.
        """
        whole = (
            items.dtype.kind == starts.dtype.kind == "i" and items.ndim == starts.ndim == 1 and len(starts)
        )
        if (
            not whole
            or (starts[0], starts[-1]) != (0, len(items))
            or (np.diff(starts) < 0).any()
            or (len(items) and not 0 <= items.min() <= items.max() < n_items)
            or (times is not None and (times.shape != items.shape or times.dtype.kind != "i"))
        ):
            raise ValueError(
                f"`items`, `starts` and `times` must be sequences of {n_items} items. "
                f"Received: {items.shape} items and {starts.shape} starts."
            )
        found = cls.__new__(cls)
        found.items, found.starts, found.times = items, starts, times
        found.n_items, found.by_rows = n_items, False
        return found

    def _fill(self, rows: Interactions, once: bool) -> None:
        if rows._disk is not None:  # rows on disk are in this order, and each pair occurs once
            self._on_disk = True
            self.items, self.times = rows.items, rows.times
            self.starts, self.n_items, self.by_rows = rows._disk.starts, rows.n_items, rows.times is None
            return
        order = by_time(rows.users, rows.times)
        if once:
            order = order[_last(rows.users[order], rows.items[order], rows.n_items)]
        self.items = rows.items[order]
        self.times = None if rows.times is None else rows.times[order]
        counts = np.bincount(rows.users[order], minlength=rows.n_users)
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        self.n_items, self.by_rows = rows.n_items, rows.times is None

    @property
    def n_users(self) -> int:
        """Number of users, including those without items."""
        return len(self.starts) - 1

    @property
    def counts(self) -> np.ndarray:
        """Number of items of each user, `[U]`."""
        return np.diff(self.starts) if self._ends is None else self._ends - self.starts[:-1]

    @property
    def users(self) -> np.ndarray:
        """The user of each item, int32 `[n]`."""
        return np.repeat(np.arange(self.n_users, dtype=np.int32), self.counts)

    @property
    def n_ties(self) -> int:
        """Number of items with the same time as the user's previous item; the order of the rows was used."""
        if self.times is None:
            return len(self)
        same = (self.times[1:] == self.times[:-1]) & (self.users[1:] == self.users[:-1])
        return int(np.count_nonzero(same))

    def __len__(self) -> int:
        return len(self.items)

    def until(self, times: Any) -> "Sequences":
        """The items of each user up to and including a moment, which may differ by user.

        Args:
            times: `[U]`, in the unit of the times.

        Returns:
            `Sequences`; unchanged if there are no times.
        """
        if self.times is None:
            return self
        if self._on_disk:  # later items stay on disk and are not read
            found = self.__class__.__new__(self.__class__)
            found.__dict__ |= self.__dict__
            ends = self.starts[1:] if self._ends is None else self._ends
            until = np.asarray(times)
            found._ends = ends.copy()
            users = np.flatnonzero(until < np.iinfo(until.dtype).max)
            # The end is the position at which the next moment would be inserted.
            found._ends[users] = search(self.times, self.starts[users], ends[users], until[users] + 1)
            return found
        users = self.users
        kept = self.times <= np.asarray(times)[users]
        found = self.__class__.__new__(self.__class__)
        found.items, found.times = self.items[kept], self.times[kept]
        found.n_items, found.by_rows = self.n_items, False
        counts = np.bincount(users[kept], minlength=self.n_users)
        found.starts = np.concatenate([[0], np.cumsum(counts)])
        return found

    def latest(self, users: Any, length: int) -> np.ndarray:
        """The latest items of users, oldest first, padded on the left with -1.

        Args:
            users: user codes `[B]`.
            length: int.

        Returns:
            Item codes, int32 `[B, length]`.
        """
        users = np.asarray(users)
        ends = self.starts[users + 1] if self._ends is None else self._ends[users]
        return self.windows(ends, self.starts[users], length)

    def windows(self, ends: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
        """The `length` items before each of the given positions.

        Args:
            ends: positions in `items` `[B]`; the items at these positions are not included.
            starts: positions in `items` `[B]` of the first items that may be included.
            length: int.

        Returns:
            Item codes, int32 `[B, length]`, padded on the left with -1.
        """
        places = ends[:, None] - length + np.arange(length)
        there = places >= starts[:, None]
        if not len(self.items):
            return np.full(places.shape, PADDING, np.int32)
        found = self.items[np.where(there, places, 0)]
        found[~there] = PADDING
        return found


def by_time(users: np.ndarray, times: np.ndarray | None) -> np.ndarray:
    """Positions of rows sorted by user and then by time; equal or missing times keep the order of the rows.

    Args:
        users: user codes `[n]`.
        times: `[n]`, or `None`.
    """
    if times is None:
        return np.argsort(users, kind="stable")
    order = np.argsort(times, kind="stable")
    return order[np.argsort(users[order], kind="stable")]


def _last(users: np.ndarray, items: np.ndarray, n_items: int) -> np.ndarray:
    """Which rows are the last of their pair of user and item."""
    keys = users.astype(np.int64) * n_items + items
    _, first_from_behind = np.unique(keys[::-1], return_index=True)
    last = np.zeros(len(keys), bool)
    last[len(keys) - 1 - first_from_behind] = True
    return last


def say_that_rows_decide() -> None:
    """Warn that there are no times; from one place, so Python shows the warning once."""
    warnings.warn(
        "The interactions have no times, so the order of their rows is used. Load them with `time=` if the "
        "table has times.",
        stacklevel=1,
    )
