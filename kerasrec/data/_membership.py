"""Whether a user has an item, for millions of pairs at once."""

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
_CODES_AN_ENTRY = 16


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
        self._lines = _Lines(disk.starts, disk.by_item, (interactions.n_users, interactions.n_items))

    def __call__(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Whether users `[B]` have items `[S]`: `[B, S]`."""
        shape = len(users) + 1, len(items) + 1
        rows, columns, same = _places(self._lines, users, items)
        has = np.zeros(shape, bool)
        has.ravel()[rows.astype(np.int64) * shape[1] + columns] = True
        return has[:-1, :-1][:, same]


class _Lines:
    """The parts of a compressed matrix on disk that `_places` reads.

    Args:
        starts: int64 `[U + 1]`.
        items: int32 `[n]`.
        shape: shape of the matrix.
    """

    def __init__(self, starts: np.ndarray, items: np.ndarray, shape: tuple[int, int]) -> None:
        self._starts, self._items, self.shape = starts, items, shape

    def __getitem__(self, lines: np.ndarray) -> "_SomeLines":
        begins = self._starts[lines]
        counts = self._starts[lines + 1] - begins
        ends = np.concatenate([[0], np.cumsum(counts)])
        return _SomeLines(ends, self._items[np.arange(ends[-1]) + np.repeat(begins - ends[:-1], counts)])


class _SomeLines(NamedTuple):
    """Some lines of a compressed matrix."""

    indptr: np.ndarray
    indices: np.ndarray


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
        self._items_of: Any = sparse.csr_matrix((there, (users, items)), (n_users, n_items))
        self._users_of: Any = self._items_of.T.tocsr()

    def __call__(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Whether users `[B]` have items `[S]`: `[B, S]`."""
        shape = len(users) + 1, len(items) + 1
        by_items = _degree(self._users_of, items) < _degree(self._items_of, users)
        if by_items:
            columns, rows, same = _places(self._users_of, items, users)
        else:
            rows, columns, same = _places(self._items_of, users, items)
        has = np.zeros(shape, bool)
        if has.size >= 2**31:
            rows = rows.astype(np.int64)
        has.ravel()[rows * shape[1] + columns] = True
        has = has[:-1, :-1]
        return has[same] if by_items else has[:, same]


def _degree(matrix: Any, lines: np.ndarray) -> int:
    """The number of entries of these lines of a compressed matrix."""
    return int(np.sum(matrix.indptr[lines + 1] - matrix.indptr[lines]))


def _places(matrix: Any, lines: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the entries of some lines of a compressed matrix among wanted codes.

    Returns:
        For each entry, its place in `lines` and its place in `wanted` (`len(wanted)` if it is not there); and
        for each wanted code, the place that represents it and its duplicates.
    """
    found = matrix[lines]
    line = np.repeat(np.arange(len(lines), dtype=np.int32), np.diff(found.indptr))
    n = matrix.shape[1]
    if n <= _CODES_AN_ENTRY * len(line):
        # A table of all codes is several times faster than a search.
        place_of = np.full(n, len(wanted), np.int32)
        place_of[wanted] = np.arange(len(wanted), dtype=np.int32)
        return line, place_of[found.indices], place_of[wanted]
    wanted, first, inverse = np.unique(wanted, return_index=True, return_inverse=True)
    rank = np.minimum(np.searchsorted(wanted, found.indices), len(wanted) - 1)
    place = np.where(wanted[rank] == found.indices, first[rank], len(inverse))
    return line, place, first[inverse]
