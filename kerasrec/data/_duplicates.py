"""Several events of one user with one item."""

from typing import Any

import numpy as np

POLICIES = ("error", "last", "mean", "sum")


def resolve(
    keys: np.ndarray, values: np.ndarray, times: np.ndarray | None, policy: str
) -> tuple[np.ndarray, np.ndarray] | None:
    """Keep one event of each key.

    Args:
        keys: int64, one number for a pair of user and item.
        values: float32.
        times: int64, or `None`; the last event of a key is the latest one, of equal ones the last row.
        policy: `"last"`, `"mean"` or `"sum"` of the values.

    Returns:
        The rows kept, in their order, and their values; `None` where no key comes twice.
    """
    if not repeats(keys):
        return None
    order = np.argsort(keys, kind="stable") if times is None else np.lexsort((times, keys))
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    last = order[np.append(starts[1:], len(order)) - 1]
    merged = values[last]
    if policy != "last":
        total = np.add.reduceat(values[order].astype(np.float64), starts)
        counts = np.diff(starts, append=len(order))
        with np.errstate(over="ignore"):
            merged = (total if policy == "sum" else total / counts).astype(np.float32)
    in_order = np.argsort(last)
    return last[in_order], merged[in_order]


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


def check_policy(policy: Any) -> None:
    """Refuse an unknown policy."""
    if policy not in POLICIES:
        raise ValueError(
            f"`duplicates` must be one of {', '.join(POLICIES)}. Received: duplicates={policy!r}."
        )
