"""Several events of one user with one item."""

from typing import NamedTuple

import numpy as np


class Merged(NamedTuple):
    """One event of each pair.

    Args:
        kept: rows of the events to keep, in their order.
        values: float32, the combined values.
        counts: int64, number of events in each mean; `None` for other policies.
        owner: place of every event in `kept`.
    """

    kept: np.ndarray
    values: np.ndarray
    counts: np.ndarray | None
    owner: np.ndarray


def resolve(
    keys: np.ndarray,
    values: np.ndarray,
    times: np.ndarray | None,
    policy: str,
    counts: np.ndarray | None = None,
) -> Merged | None:
    """Keep one event of each key.

    Args:
        keys: int64, one number per pair of user and item.
        values: float32.
        times: int64, or `None`. The last event of a key is the latest one; of equal times, the last row.
        policy: `"last"`, `"mean"` or `"sum"` of the values.
        counts: int64, number of events in each value. Defaults to `None`: one.

    Returns:
        `Merged`, or `None` if no key occurs twice.
    """
    ordered = np.sort(keys)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(again):
        return None
    # Sort only the events of repeated pairs by time.
    several = again[np.minimum(np.searchsorted(again, keys), len(again) - 1)] == keys
    rows = np.flatnonzero(several)
    order = np.lexsort((keys[rows],) if times is None else (times[rows], keys[rows]))
    rows = rows[order]
    starts = np.flatnonzero(np.diff(keys[rows], prepend=-1))
    ends = np.append(starts[1:], len(rows))
    last = rows[ends - 1]
    n_events = np.ones(len(keys), np.int64) if counts is None and policy == "mean" else counts
    result = values.copy()
    if policy != "last":
        parts = values[rows].astype(np.float64)
        if policy == "mean" and n_events is not None:
            parts *= n_events[rows]
        total = np.add.reduceat(parts, starts)
        if policy == "mean" and n_events is not None:
            n_events = n_events.copy()
            n_events[last] = np.add.reduceat(n_events[rows], starts)
            total /= n_events[last]
        with np.errstate(over="ignore"):
            result[last] = total.astype(np.float32)
    several[last] = False
    kept = ~several
    owner = np.cumsum(kept, dtype=np.int32 if len(kept) < 2**31 else np.int64) - 1
    owner[rows] = np.repeat(owner[last], ends - starts)
    return Merged(np.flatnonzero(kept), result[kept], None if n_events is None else n_events[kept], owner)


def repeats(keys: np.ndarray) -> bool:
    """Whether a key occurs twice."""
    ordered = np.sort(keys)
    return bool((ordered[1:] == ordered[:-1]).any())


def first_repeat(keys: np.ndarray) -> tuple[int, int]:
    """The number of rows that repeat an earlier key, and the first of them."""
    _, first = np.unique(keys, return_index=True)
    again = np.ones(len(keys), bool)
    again[first] = False
    return int(again.sum()), int(np.argmax(again))
