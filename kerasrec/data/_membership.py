"""Whether a user has an item, for millions of pairs at once."""

from typing import Any

import numpy as np

# An odd multiplier that spreads keys (Knuth's multiplicative hashing with the golden ratio).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_BITS_A_PAIR = 16
# A table of all codes is worth its memory up to so many codes an entry that is looked up.
_CODES_AN_ENTRY = 16


class Membership:
    """Pairs of user and item, behind a bit table that answers most of the noes.

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
        slots = np.sort(self._slots(self._keys))
        bytes_ = (slots >> np.uint64(3)).view(np.int64)
        starts = np.flatnonzero(np.diff(bytes_, prepend=-1))
        self._table = np.zeros(1 << (log_bits - 3), np.uint8)
        self._table[bytes_[starts]] = np.bitwise_or.reduceat(self._bit(slots), starts)

    def __call__(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """`users` and `items` broadcast; the answer has their common shape."""
        keys = np.ascontiguousarray(users.astype(np.int64) * self._n_items + items)
        slots = self._slots(keys)
        found = (self._table[(slots >> np.uint64(3)).view(np.int64)] & self._bit(slots)) != 0
        # The table may say yes by chance, never no.
        maybe = np.flatnonzero(found)
        wanted = keys.ravel()[maybe]
        place = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        found.ravel()[maybe] = self._keys[place] == wanted
        return found

    def _slots(self, keys: np.ndarray) -> np.ndarray:
        slots = keys.view(np.uint64) * _GOLDEN
        slots >>= self._shift
        return slots

    @staticmethod
    def _bit(slots: np.ndarray) -> np.ndarray:
        return np.left_shift(np.uint8(1), slots.astype(np.uint8) & np.uint8(7))


class Holders:
    """Which users have which of a few items.

    One walk over the items of these users, or over the users of these items, whichever is shorter.

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
        self._users_of: Any = self._items_of.tocsc()

    def __call__(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Whether users `[B]` have items `[S]`: `[B, S]`."""
        users, row_of = np.unique(users, return_inverse=True)
        items, column_of = np.unique(items, return_inverse=True)
        if _degree(self._users_of, items) < _degree(self._items_of, users):
            columns, rows = _places(self._users_of, items, users)
        else:
            rows, columns = _places(self._items_of, users, items)
        n = len(column_of)
        has = np.zeros((len(users), n), bool)
        if len(items) == n:  # each item once: where it is asked for
            where = np.empty(n, np.intp)
            where[column_of] = np.arange(n)
            has.ravel()[rows * n + where[columns]] = True
        else:
            has[rows, columns] = True
            has = has[:, column_of]
        return has[row_of]


def _degree(matrix: Any, lines: np.ndarray) -> int:
    """How many entries these lines of a compressed matrix have."""
    return int(np.sum(matrix.indptr[lines + 1] - matrix.indptr[lines]))


def _places(matrix: Any, lines: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The entries of lines of a compressed matrix that are among the wanted ones, which rise.

    Returns:
        Places in `lines` and in `wanted`.
    """
    starts = matrix.indptr[lines]
    counts = matrix.indptr[lines + 1] - starts
    ends = np.cumsum(counts)
    line = np.repeat(np.arange(len(lines)), counts)
    entries = matrix.indices[np.arange(ends[-1]) + np.repeat(starts - (ends - counts), counts)]
    n = max(matrix.shape)
    if n <= _CODES_AN_ENTRY * len(entries):
        # Where each of them is among the wanted ones: several times as fast as a search.
        place_of = np.full(n, -1, np.int32)
        place_of[wanted] = np.arange(len(wanted))
        place = place_of[entries]
        found = place >= 0
    else:
        place = np.minimum(np.searchsorted(wanted, entries), len(wanted) - 1)
        found = wanted[place] == entries
    return line[found], place[found]
