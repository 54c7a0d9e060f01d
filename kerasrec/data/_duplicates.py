"""Several events of one user with one item."""

from typing import NamedTuple

import numpy as np


class Merged(NamedTuple):
    """One event of each pair.

    Args:
        kept: rows of the events that are kept, in their order.
        values: float32, what their values come to.
        counts: int64, how many events each stands for.
        owner: of every event, its place in `kept`.
    """

    kept: np.ndarray
    values: np.ndarray
    counts: np.ndarray
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
        keys: int64, one number for a pair of user and item.
        values: float32.
        times: int64, or `None`; the last event of a key is the latest one, of equal ones the last row.
        policy: `"last"`, `"mean"` or `"sum"` of the values.
        counts: int64, how many events each value is the mean of. Defaults to `None`: one.

    Returns:
        `Merged`; `None` where no key comes twice.
    """
    if not repeats(keys):
        return None
    order = np.argsort(keys, kind="stable") if times is None else np.lexsort((times, keys))
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    ends = np.append(starts[1:], len(order))
    last = order[ends - 1]
    n_events = ends - starts if counts is None else np.add.reduceat(counts[order], starts)
    merged = values[last]
    if policy != "last":
        parts = values[order].astype(np.float64)
        if policy == "mean" and counts is not None:
            parts *= counts[order]
        total = np.add.reduceat(parts, starts)
        with np.errstate(over="ignore"):
            merged = (total if policy == "sum" else total / n_events).astype(np.float32)
    in_order = np.argsort(last)
    place = np.empty(len(last), np.int64)
    place[in_order] = np.arange(len(last))
    owner = np.empty(len(order), np.int32 if len(last) < 2**31 else np.int64)
    owner[order] = np.repeat(place, ends - starts)
    return Merged(last[in_order], merged[in_order], n_events[in_order], owner)


def repeats(keys: np.ndarray) -> bool:
    """Whether a key comes twice."""
    ordered = np.sort(keys)
    return bool((ordered[1:] == ordered[:-1]).any())


def first_repeat(keys: np.ndarray) -> tuple[int, int]:
    """How many rows repeat an earlier key, and the first of these rows."""
    _, first = np.unique(keys, return_index=True)
    again = np.ones(len(keys), bool)
    again[first] = False
    return int(again.sum()), int(np.argmax(again))
