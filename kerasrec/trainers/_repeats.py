"""Repeated ids in batches: NumPy finds them for a block of batches while the device works on another."""

import math
from typing import Any, NamedTuple

import numpy as np

from kerasrec.trainers._keras import tree

# Fills the rest of the ids of a batch; it is outside of every table.
NO_ID = np.iinfo("int32").max


class Repeats(NamedTuple):
    """The results of `numpy.unique` for each batch of a block.

    Rows are read faster in the order of their ids, because neighbouring rows share pages of memory.

    Attributes:
        ids: `[S, R]` int32, the distinct ids of each batch in ascending order, then `NO_ID`.
        inverse: `[S, N]` int32, the position in `ids` of each id of a batch.
        count: `[S]` int32, number of distinct ids in a batch.
    """

    ids: Any
    inverse: Any
    count: Any


# By the index of a leaf of the batches: the number of ids, and the name of the table with as many rows.
Limits = dict[int, tuple[int, str]]


def repeats_of(run: dict[str, Any], limits: Limits) -> dict[int, Repeats]:
    """The repeats in the leaves of a run's stack; those found ahead are reused."""
    ahead, leaves = run.get("repeats", {}), tree.flatten(run["stack"])
    return {
        number: ahead[number] if number in ahead else find_repeats(np.asarray(leaves[number]), *limit)
        for number, limit in limits.items()
    }


def find_repeats(column: np.ndarray, limit: int, table: str) -> Repeats:
    """Find the ids that repeat in each batch.

    Args:
        column: `[S, B, ...]` integers.
        limit: int, number of ids; they are `0..limit - 1`.
        table: the name of the table with as many rows.

    Returns:
        `Repeats` with room for the maximum number of distinct ids of a batch.

    Raises:
        ValueError: if an id is outside the table.
    """
    n_batches = len(column)
    ids = column.reshape(n_batches, -1)
    n = ids.shape[1]
    if ids.size and (ids.min() < 0 or ids.max() >= limit):
        wrong = ids[(ids < 0) | (ids >= limit)]
        raise ValueError(
            f"Ids that read the table '{table}' must be in 0..{limit - 1}, its rows. "
            f"Received: {wrong.size} others, the first is {wrong[0]}."
        )
    # Id and place in one number: sorting numbers is several times as fast as an argsort.
    keys = ids.astype("int64")
    keys <<= 32
    keys |= np.arange(n)
    keys.sort(axis=1)
    ordered = (keys >> 32).astype("int32")
    places = np.bitwise_and(keys, 2**32 - 1, out=keys)
    new = np.empty(ids.shape, bool)
    new[:, :1] = True
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=new[:, 1:])
    rank = np.cumsum(new, axis=1, dtype="int32")
    rank -= 1
    count = rank[:, -1] + 1 if n else np.zeros(n_batches, "int32")
    found = np.full((n_batches, min(n, limit)), NO_ID, "int32")
    found[np.arange(found.shape[1]) < count[:, None]] = ordered[new]
    inverse = np.empty(ids.shape, "int32")
    places += np.arange(n_batches)[:, None] * n
    inverse.reshape(-1)[places] = rank
    return Repeats(found, inverse, count)


def most_of_one_owner(ids: np.ndarray, n_rows: int, n_owners: int) -> int:
    """The maximum number of ids of a batch whose rows are on one of several devices.

    Args:
        ids: `[S, R]`, ascending in each batch.
        n_rows: int, number of consecutive rows that each device holds.
        n_owners: int.
    """
    bounds = np.arange(n_owners + 1) * n_rows
    return max((int(np.diff(np.searchsorted(of, bounds)).max()) for of in ids), default=0)


def repeats_shapes(column_shape: tuple[int, ...], limit: int) -> Repeats:
    """The shapes of what `find_repeats` returns for a column of the given shape."""
    n_batches, n = column_shape[0], math.prod(column_shape[1:])
    return Repeats((n_batches, min(n, limit)), (n_batches, n), (n_batches,))
