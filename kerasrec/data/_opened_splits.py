"""Splits of opened interactions, each in one pass over blocks of whole users."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from kerasrec.data._events import events_of
from kerasrec.data._folder import blocks
from kerasrec.data._opened import BLOCK_ROWS, Block, disk_of, made_of, user_blocks
from kerasrec.data._opened_parts import parts
from kerasrec.data.interactions import Interactions

Split = tuple[Interactions, Interactions]
# Says which rows of a block of interactions are in the test part.
Which = Callable[[Interactions, Block], np.ndarray]
# Number of ranges in which a pass counts times.
_RANGES = 1 << 16


def by_mask(interactions: Interactions, which: Which) -> Split:
    """A split of rows.

    Args:
        interactions: opened `Interactions`.
        which: says which rows are in the test part.
    """

    def cut(part: Interactions, block: Block) -> list[Interactions]:
        test = which(part, block)
        return [part.take(~test), part.take(test)]

    train, test = parts(interactions, cut, 2)
    return train, test


def by_events(interactions: Interactions, which: Which) -> Split:
    """A split of events; the events of a pair are combined within each part.

    Args:
        interactions: opened `Interactions`.
        which: says which events are in the test part.
    """

    def cut(part: Interactions, block: Block) -> list[Interactions]:
        test = which(part, block)
        if part._events is None:
            return [part.take(~test), part.take(test)]
        events, _ = events_of(part)
        return [made_of(events.take(side), part._meaning) for side in (~test, test)]

    train, test = parts(interactions, cut, 2)
    return train, test


def random_rows(interactions: Interactions, n_test: int, seed: int | None) -> Split:
    """`n_test` rows at random; every set of rows is equally likely.

    Args:
        interactions: opened `Interactions`.
        n_test: int.
        seed: int or `None`.
    """
    rng = np.random.default_rng(seed)
    sizes = [block.rows.stop - block.rows.start for block in user_blocks(disk_of(interactions).starts)]
    left, n_left = len(interactions), n_test
    of_block: Iterator[int] = iter(())
    drawn = []
    for size in sizes:
        drawn.append(int(rng.hypergeometric(size, left - size, n_left)) if n_left else 0)
        left, n_left = left - size, n_left - drawn[-1]
    of_block = iter(drawn)

    def which(part: Interactions, block: Block) -> np.ndarray:
        test = np.zeros(len(part), bool)
        test[rng.choice(len(part), next(of_block), replace=False, shuffle=False)] = True
        return test

    return by_mask(interactions, which)


def generator(seed: int | None) -> Callable[[Block], np.random.Generator]:
    """A source of randomness for each block.

    Args:
        seed: int, or `None` for a new one every time.
    """
    entropy = np.random.SeedSequence(seed).entropy
    return lambda block: np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(block.begin,)))


def counted_of_users(interactions: Interactions) -> np.ndarray:
    """Number of events of each user, `[U]`, without those of pairs that `at_least` left out."""
    events, counted = events_of(interactions)
    starts = disk_of(events).starts
    if counted.all():
        return np.diff(starts)
    found = np.zeros(events.n_users, np.int64)
    for block in user_blocks(starts):
        users = events.users[block.rows][counted[block.rows]] - block.begin
        found[block.begin : block.end] = np.bincount(users, minlength=block.end - block.begin)
    return found


def moment_of(times: np.ndarray, counted: np.ndarray, size: Callable[[int], int]) -> Any:
    """The start of the test part: the earliest of the latest `size(n)` times, but never the first time.

    Args:
        times: int64 `[n]`.
        counted: which of them count, bool `[n]`.
        size: gives the number of times in test from the number of all times.

    Returns:
        int, or `None` if there are no two different times.
    """
    n = int(np.count_nonzero(counted))
    places = list(blocks(len(times), BLOCK_ROWS))

    def each() -> Iterator[np.ndarray]:
        for rows in places:
            some = times[rows][counted[rows]]
            if len(some):
                yield some

    low, high = min(int(x.min()) for x in each()), max(int(x.max()) for x in each())
    if low == high:
        return None
    second = min(int(x[x > low].min(initial=high)) for x in each())
    rank = n - size(n)
    begin, width = low, high - low + 1
    while width > 1:
        step = -(-width // _RANGES)
        counts = np.zeros(-(-width // step), np.int64)
        below = 0
        for some in each():
            below += int(np.count_nonzero(some < begin))
            inside = some[(some >= begin) & (some - begin < width)]
            counts += np.bincount((inside - begin) // step, minlength=len(counts))
        place = int(np.searchsorted(below + np.cumsum(counts), rank, "right"))
        begin, width = begin + place * step, min(step, begin + width - (begin + place * step))
    return max(begin, second)
