"""Whether a user has an item, for millions of pairs at once."""

import numpy as np

# An odd multiplier that spreads keys (Knuth's multiplicative hashing with the golden ratio).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_BITS_A_PAIR = 16


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
