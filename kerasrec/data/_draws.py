"""Random draws of many rows at once."""

from collections.abc import Callable
from typing import Any

import numpy as np

# Number of times that an unwanted draw is repeated.
ROUNDS = 8
# A row that takes more than this share of the pool is drawn with keys for the whole pool.
DENSE_SHARE = 0.25

Unwanted = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Pool:
    """The numbers `0..size-1`, equally likely or with given probabilities.

    Args:
        size: int.
        probabilities: `[size]`, or `None` if all are equal.
    """

    def __init__(self, size: int, probabilities: np.ndarray | None = None) -> None:
        self.size = size
        self.n_possible = size if probabilities is None else int(np.count_nonzero(probabilities))
        self._probabilities = probabilities
        if probabilities is not None:
            cumulative = np.cumsum(probabilities)
            cumulative /= cumulative[-1]
            self._cumulative = cumulative
            # The first candidate for each of `size` equal ranges of a uniform number.
            self._guide = np.searchsorted(cumulative, np.arange(size) / size, "right").astype(np.int32)
        self._draws_for: dict[int, int] = {}

    def draws_for(self, n: int) -> int:
        """Number of draws that usually contain `n` distinct wanted numbers; at most three times `n`."""
        if n not in self._draws_for:
            draws = n
            while draws < 3 * n and self._distinct(draws) < n + 2 * (draws - n) ** 0.5 + n / 16:
                draws += max(1, n // 32)
            self._draws_for[n] = draws
        return self._draws_for[n]

    def _distinct(self, draws: int) -> float:
        """Expected number of distinct numbers among `draws` draws."""
        if self._probabilities is None:
            return self.size * (1 - (1 - 1 / self.size) ** draws)
        return float(np.sum(1 - (1 - self._probabilities) ** draws))

    def draw(self, rng: np.random.Generator, shape: int | tuple[int, ...]) -> np.ndarray:
        """Independent draws, int32."""
        if self._probabilities is None:
            return rng.integers(0, self.size, shape, np.int32)
        uniform = rng.random(shape)
        drawn = self._guide[(uniform * self.size).astype(np.int32)]
        # Inverse of the cumulative distribution: most draws are found at once or one place further on.
        drawn += self._cumulative[drawn] <= uniform
        left = np.flatnonzero(self._cumulative[drawn] <= uniform)
        drawn.ravel()[left] = np.searchsorted(self._cumulative, uniform.ravel()[left], "right")
        return drawn

    def keys(self, rng: np.random.Generator, n_rows: int) -> np.ndarray:
        """Keys `[n_rows, size]`; the smallest of a row are draws without replacement, except infinite ones.

        References:
            Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006.
        """
        keys = rng.standard_exponential((n_rows, self.size))
        if self._probabilities is not None:
            with np.errstate(divide="ignore"):
                keys /= self._probabilities
        return keys


def with_replacement(
    rng: np.random.Generator, pool: Pool, n_rows: int, n: int, unwanted: Unwanted
) -> tuple[np.ndarray, np.ndarray]:
    """Draw `n` numbers per row; unwanted draws are repeated.

    Args:
        rng: generator.
        pool: `Pool` to draw from.
        n_rows: int.
        n: number of draws per row.
        unwanted: tells which draws `[m, ...]` are not allowed in rows `[m, 1]` or `[m]`.

    Returns:
        Draws and whether they are good, `[n_rows, n]`.
    """
    drawn = pool.draw(rng, (n_rows, n))
    bad = np.flatnonzero(unwanted(np.arange(n_rows)[:, None], drawn))
    flat = drawn.ravel()
    for _ in range(ROUNDS):
        if not len(bad):
            break
        again = pool.draw(rng, len(bad))
        flat[bad] = again
        bad = bad[unwanted(bad // n, again)]
    good = np.ones(drawn.shape, bool)
    good.ravel()[bad] = False
    return drawn, good


def without_replacement(
    rng: np.random.Generator, pool: Pool, n_rows: int, n: int, unwanted: Unwanted
) -> tuple[np.ndarray, np.ndarray]:
    """Draw `n` distinct numbers per row, distributed like one draw after the other.

    Arguments and results are those of `with_replacement`. If the pool is too small, some draws are not good.
    """
    lacking = n - pool.size
    if lacking > 0:
        drawn, good = without_replacement(rng, pool, n_rows, pool.size, unwanted)
        return np.pad(drawn, ((0, 0), (0, lacking))), np.pad(good, ((0, 0), (0, lacking)))
    if n > DENSE_SHARE * pool.n_possible:
        keys = pool.keys(rng, n_rows)
        everything = np.broadcast_to(np.arange(pool.size, dtype=np.int32), keys.shape)
        keys[unwanted(np.arange(n_rows)[:, None], everything)] = np.inf
        drawn = np.argpartition(keys, n - 1, axis=1)[:, :n].astype(np.int32)
        return drawn, np.isfinite(np.take_along_axis(keys, drawn, axis=1))
    # Skip repeated and unwanted draws; make enough draws at once for most rows.
    drawn = pool.draw(rng, (n_rows, pool.draws_for(n)))
    good = ~(_repeats(drawn) | unwanted(np.arange(n_rows)[:, None], drawn))
    rank = np.cumsum(good, axis=1, dtype=np.int32)
    is_enough = rank[:, -1] >= n
    chosen = good & (rank <= n)
    if is_enough.all():
        return drawn[chosen].reshape(n_rows, n), np.ones((n_rows, n), bool)
    result = np.empty((n_rows, n), drawn.dtype), np.ones((n_rows, n), bool)
    result[0][is_enough] = drawn[is_enough][chosen[is_enough]].reshape(-1, n)
    rest = np.flatnonzero(~is_enough)
    good_first = np.argsort(~good[rest], axis=1, kind="stable")[:, :n]
    some, are_good = (np.take_along_axis(x[rest], good_first, axis=1) for x in (drawn, good))
    result[0][rest], result[1][rest] = _drawn_again(rng, pool, rest, some, are_good, unwanted)
    return result


def _drawn_again(
    rng: np.random.Generator,
    pool: Pool,
    where: np.ndarray,
    drawn: np.ndarray,
    good: np.ndarray,
    unwanted: Unwanted,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws `[R, n]` of the rows `where`; draws that are not good are repeated."""
    rows, new = np.arange(len(where)), ~good
    for _ in range(ROUNDS):
        entries = drawn[rows]
        entries[new] = pool.draw(rng, int(np.count_nonzero(new)))
        bad = _repeats(entries, new)
        bad[new] |= unwanted(where[rows[np.nonzero(new)[0]]], entries[new])
        drawn[rows], good[rows] = entries, ~bad
        left = bad.any(axis=1)
        rows, new = rows[left], bad[left]
        if not len(rows):
            break
    return drawn, good


def _repeats(entries: np.ndarray, new: np.ndarray | None = None) -> np.ndarray:
    """Which entries equal an earlier one of their row; with `new`, which new ones equal any earlier one."""
    n = entries.shape[1]
    bits = n.bit_length()
    shift = bits + (new is not None)  # number of bits below the entry
    small = int(entries.max(initial=0)).bit_length() + shift < 32
    packed: Any = entries.astype(np.int32 if small else np.int64)
    if new is not None:
        packed <<= 1
        packed |= new
    packed <<= bits
    packed |= np.arange(n, dtype=packed.dtype)
    packed.sort(axis=1)
    same = (packed[:, 1:] ^ packed[:, :-1]) < 1 << shift
    repeats = np.zeros(entries.shape, bool)
    rows, places = np.nonzero(same)
    repeats[rows, packed[rows, places + 1] & ((1 << bits) - 1)] = True
    return repeats
