"""Whether a user has an item, for millions of pairs at once."""

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kerasrec.data._opened import disk_of, search, user_blocks

if TYPE_CHECKING:
    from kerasrec.data.interactions import Interactions

# An odd multiplier that spreads keys (Knuth's multiplicative hashing with the golden ratio).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_BITS_A_PAIR = 16
_BITS_A_PAIR_ON_DISK = 8
# A table of all codes is worth its memory up to this many codes per entry to look up.
_CODES_AN_ENTRY = 256
_of_thread = threading.local()


class Membership:
    """Pairs of user and item; a bit table rules out most absent pairs.

    Args:
        users: codes `[n]`.
        items: codes `[n]`.
        n_items: int.
    """

    def __init__(self, users: np.ndarray, items: np.ndarray, n_items: int) -> None:
        self._n_items = np.int64(n_items)
        self._keys = np.sort(users.astype(np.int64) * n_items + items)
        log_bits = max(int(np.ceil(np.log2(_BITS_A_PAIR * len(self._keys)))), 3)
        self._shift = np.uint64(64 - log_bits)
        slots = np.sort(_slots(self._keys, self._shift))
        bytes_ = (slots >> np.uint64(3)).view(np.int64)
        starts = np.flatnonzero(np.diff(bytes_, prepend=-1))
        self._table = np.zeros(1 << (log_bits - 3), np.uint8)
        self._table[bytes_[starts]] = np.bitwise_or.reduceat(_bit(slots), starts)

    def __call__(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Which pairs are present; `users` and `items` are broadcast to a common shape."""
        keys = np.ascontiguousarray(users.astype(np.int64) * self._n_items + items)
        slots = _slots(keys, self._shift)
        found = (self._table[(slots >> np.uint64(3)).view(np.int64)] & _bit(slots)) != 0
        # The bit table has false positives, but no false negatives.
        maybe = np.flatnonzero(found)
        wanted = keys.ravel()[maybe]
        place = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        found.ravel()[maybe] = self._keys[place] == wanted
        return found


def _slots(keys: np.ndarray, shift: np.uint64) -> np.ndarray:
    slots = keys.view(np.uint64) * _GOLDEN
    slots >>= shift
    return slots


def _bit(slots: np.ndarray) -> np.ndarray:
    return np.left_shift(np.uint8(1), slots.astype(np.uint8) & np.uint8(7))


class DiskMembership:
    """`Membership` of pairs on disk, with the bit table in memory.

    Args:
        interactions: opened `Interactions`.
    """

    def __init__(self, interactions: "Interactions") -> None:
        disk = disk_of(interactions)
        self._starts, self._items = disk.starts, disk.by_item
        self._n_items = np.int64(interactions.n_items)
        log_bits = max(int(np.ceil(np.log2(_BITS_A_PAIR_ON_DISK * len(self._items)))), 3)
        self._shift = np.uint64(64 - log_bits)
        self._table = np.zeros(1 << (log_bits - 3), np.uint8)
        for block in user_blocks(self._starts):
            keys = interactions.users[block.rows] * self._n_items + self._items[block.rows]
            slots = np.sort(_slots(keys, self._shift))
            bytes_ = (slots >> np.uint64(3)).view(np.int64)
            starts = np.flatnonzero(np.diff(bytes_, prepend=-1))
            self._table[bytes_[starts]] |= np.bitwise_or.reduceat(_bit(slots), starts)

    def __call__(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Which pairs are present; `users` and `items` are broadcast to a common shape."""
        users, items = np.broadcast_arrays(users, items)
        slots = _slots(np.ascontiguousarray(users * self._n_items + items), self._shift)
        found = (self._table[(slots >> np.uint64(3)).view(np.int64)] & _bit(slots)) != 0
        maybe = np.flatnonzero(found)
        user, item = users.ravel()[maybe], items.ravel()[maybe]
        ends = self._starts[user + 1]
        place = search(self._items, self._starts[user], ends, item)
        there = place < ends
        there[there] = self._items[place[there]] == item[there]
        found.ravel()[maybe] = there
        return found


class DiskHolders:
    """`Holders` of pairs on disk, by one pass over the items of these users.

    Args:
        interactions: opened `Interactions`.
    """

    def __init__(self, interactions: "Interactions") -> None:
        disk = disk_of(interactions)
        self._lines = _Lines(disk.starts, disk.by_item, interactions.n_items)

    def mark(self, labels: np.ndarray, users: np.ndarray, items: np.ndarray) -> None:
        """As of `Holders`."""
        _mark(labels, len(items), *_places(self._lines, users, items))


class _Lines(NamedTuple):
    """The lines of a compressed matrix.

    Attributes:
        starts: `[U + 1]`.
        codes: int32 `[n]`.
        n_codes: int.
    """

    starts: np.ndarray
    codes: np.ndarray
    n_codes: int

    def counts(self, lines: np.ndarray) -> np.ndarray:
        """The number of entries of some lines."""
        return np.asarray(self.starts[lines + 1] - self.starts[lines])


class Holders:
    """Which users have which of a few items.

    One pass over the items of these users, or over the users of these items, whichever is shorter.

    Args:
        users: codes `[n]`.
        items: codes `[n]`.
        n_users: int.
        n_items: int.
    """

    def __init__(self, users: np.ndarray, items: np.ndarray, n_users: int, n_items: int) -> None:
        from scipy import sparse

        there = np.ones(len(users), np.int8)
        items_of: Any = sparse.csr_matrix((there, (users, items)), (n_users, n_items))
        users_of: Any = items_of.T.tocsr()
        self._items_of = _Lines(items_of.indptr, items_of.indices, n_items)
        self._users_of = _Lines(users_of.indptr, users_of.indices, n_users)

    def mark(self, labels: np.ndarray, users: np.ndarray, items: np.ndarray) -> None:
        """Set labels to -1 where users have items.

        Args:
            labels: `[B, P + S]`, in which the `S` last columns are the same in all rows.
            users: `[B]`.
            items: `[S]`.
        """
        if self._users_of.counts(items).sum() >= self._items_of.counts(users).sum():
            _mark(labels, len(items), *_places(self._items_of, users, items))
            return
        columns, rows, same = _places(self._users_of, items, users)
        _mark(labels, len(items), rows, columns)
        other = np.flatnonzero(same != np.arange(len(users)))
        labels[other, -len(items) :] = labels[same[other], -len(items) :]


def _mark(
    labels: np.ndarray, n_items: int, rows: np.ndarray, columns: np.ndarray, same: np.ndarray | None = None
) -> None:
    """Set entries of the last columns to -1, and those of columns with the same item.

    Args:
        labels: contiguous, `[B, P + S]`.
        n_items: int, `S`.
        rows: rows of the entries.
        columns: columns of the entries, among the last ones.
        same: `[S]`, the column that represents the item of each column. Defaults to `None`: itself.
    """
    width = labels.shape[1]
    labels.reshape(-1)[rows.astype(np.int64) * width + (width - n_items) + columns] = -1
    if same is not None:
        other = np.flatnonzero(same != np.arange(n_items))
        of_items = labels[:, width - n_items :]
        of_items[:, other] = np.minimum(of_items[:, other], of_items[:, same[other]])


def _empty_table(n: int) -> np.ndarray:
    """A table of at least `n` entries, all -1, which the caller must restore: filling it takes longer."""
    table: np.ndarray | None = getattr(_of_thread, "table", None)
    if table is None or len(table) < n:
        table = _of_thread.table = np.full(n, -1, np.int32)
    return table


def _places(
    matrix: _Lines, lines: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find wanted codes in some lines of a compressed matrix.

    Returns:
        For each wanted entry of the lines, its place in `lines` and its place in `wanted`; and for each
        wanted code, the place that represents it and its duplicates.
    """
    counts = matrix.counts(lines)
    ends = np.cumsum(counts)
    codes = matrix.codes[np.arange(ends[-1]) + np.repeat(matrix.starts[lines] - ends + counts, counts)]
    line = np.repeat(np.arange(len(lines), dtype=np.int32), counts)
    if matrix.n_codes <= _CODES_AN_ENTRY * len(codes):
        # A table of all codes is several times faster than a search.
        place_of = _empty_table(matrix.n_codes)
        place_of[wanted] = np.arange(len(wanted), dtype=np.int32)
        place, same = place_of[codes], place_of[wanted]
        place_of[wanted] = -1
        found = np.flatnonzero(place >= 0)
        return line[found], place[found], same
    distinct, first, inverse = np.unique(wanted, return_index=True, return_inverse=True)
    number = np.minimum(np.searchsorted(distinct, codes), len(distinct) - 1)
    found = np.flatnonzero(distinct[number] == codes)
    return line[found], first[number[found]], first[inverse]
