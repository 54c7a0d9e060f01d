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
_CODES_AN_ENTRY = 256


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

    def __call__(self, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As of `Holders`."""
        return _places(self._lines, users, items)


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

    def __call__(self, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of the users `[B]` have which of the items `[S]`: places in `users`, and in `items`."""
        if self._users_of.counts(items).sum() < self._items_of.counts(users).sum():
            columns, rows = _places(self._users_of, items, users)
            return rows, columns
        return _places(self._items_of, users, items)


def _places(matrix: _Lines, lines: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where some lines of a compressed matrix have wanted codes: places in `lines`, and in `wanted`."""
    counts = matrix.counts(lines)
    ends = np.cumsum(counts)
    codes = matrix.codes[np.arange(ends[-1]) + np.repeat(matrix.starts[lines] - ends + counts, counts)]
    line = np.repeat(np.arange(len(lines)), counts)
    # Code and place in one number: sorting numbers is faster than an argsort.
    keys = wanted.astype(np.int64) << 32 | np.arange(len(wanted))
    keys.sort()
    ordered, order = keys >> 32, keys & (2**32 - 1)
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    distinct, times = ordered[starts], np.diff(starts, append=len(wanted))
    if matrix.n_codes <= _CODES_AN_ENTRY * len(codes):
        # A table of all codes is several times faster than a search.
        number_of = np.full(matrix.n_codes, -1, np.int32)
        number_of[distinct] = np.arange(len(distinct))
        number = number_of[codes]
        entries = np.flatnonzero(number >= 0)
    else:
        number = np.minimum(np.searchsorted(distinct, codes), len(distinct) - 1)
        entries = np.flatnonzero(distinct[number] == codes)
    # Each entry once for each time that its code is wanted.
    number = number[entries]
    repeated = times[number]
    ends = np.cumsum(repeated)
    place = np.arange(repeated.sum()) + np.repeat(starts[number] - ends + repeated, repeated)
    return np.repeat(line[entries], repeated), order[place]
