"""Orders of very many rows, read one window at a time."""

import warnings
from collections.abc import Sequence

import numpy as np

# Rows of a window of interactions on disk.
WINDOW = 1 << 20
# Number of random stretches in a window, enough to represent the whole.
_STRETCHES = 64
# Read in order, a window is made once.
_TOO_OFTEN = 4


class Windows:
    """A pseudo-random order of `0..n-1`, of which one window at a time is in memory.

    Stretches of neighbours are put in a random order; several of them form a window, which is shuffled.
    Reading in this order reads each stretch of the disk once and keeps only the window in memory.

    Args:
        n: int.
        window: approximate size of a window.
        rng: generator.
        columns: arrays `[n]` that will be read. Defaults to `()`.
    """

    def __init__(
        self, n: int, window: int, rng: np.random.Generator, columns: Sequence[np.ndarray] = ()
    ) -> None:
        self._n, self._columns = n, columns
        self._stretch = max(1, window // _STRETCHES)
        self._order = rng.permutation(-(-n // self._stretch))
        sizes = np.minimum(self._stretch, n - self._order * self._stretch)
        groups = np.add.reduceat(sizes, np.arange(0, len(sizes), _STRETCHES))
        self._ends = np.cumsum(groups)
        self._seeds = rng.integers(0, 2**63, len(groups))
        self._held: dict[int, np.ndarray] = {}
        self._n_made = 0

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, part: slice) -> np.ndarray:
        begin, end, _ = part.indices(self._n)
        if end <= begin:
            return np.zeros(0, np.int64)
        first = int(np.searchsorted(self._ends, begin, "right"))
        last = int(np.searchsorted(self._ends, end - 1, "right"))
        found = [self._window(number) for number in range(first, last + 1)]
        offset = int(self._ends[first] - len(found[0]))
        whole = found[0] if len(found) == 1 else np.concatenate(found)
        return whole[begin - offset : end - offset]

    def _window(self, number: int) -> np.ndarray:
        held = self._held.get(number)
        if held is not None:
            return held
        stretches = np.sort(self._order[number * _STRETCHES : (number + 1) * _STRETCHES])
        begins = stretches * self._stretch
        ends = np.minimum(begins + self._stretch, self._n)
        for column in self._columns:
            for begin, end in zip(begins, ends, strict=True):
                column[begin:end].max()  # read in order now; later accesses are in random order
        rows = np.concatenate([np.arange(begin, end) for begin, end in zip(begins, ends, strict=True)])
        np.random.default_rng(self._seeds[number]).shuffle(rows)
        self._n_made += 1
        if self._n_made == _TOO_OFTEN * len(self._seeds):
            warnings.warn(
                "Windows of data on disk are read again and again, because batches are not read in their own "
                "order, which is random already: pass `shuffle=False` to `fit` of `keras.Model`, or use "
                f"`kerasrec.Model`. Received: {self._n_made} readings of {len(self._seeds)} windows.",
                stacklevel=2,
            )
        # A batch may span two windows, and several threads may use neighbouring ones.
        self._held = {k: x for k, x in self._held.items() if abs(k - number) <= 2} | {number: rows}
        return rows


def window_of(window: int | None, on_disk: bool, n: int) -> int | None:
    """The window to read in, or `None` for none.

    Args:
        window: requested window, or `None`.
        on_disk: whether the rows are on disk.
        n: number of rows.
    """
    if window is None:
        window = WINDOW if on_disk else None
    return None if window is None or window >= n else window
