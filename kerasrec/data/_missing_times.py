"""Fills in missing times by the order of the rows."""

import warnings
from typing import Any

import numpy as np

from kerasrec._callers import callers_level


def placed(times: np.ndarray, missing: np.ndarray, users: np.ndarray) -> np.ndarray:
    """Fill in each missing time with the time of the user's last earlier row that has one.

    Without such a row, the time of the user's first later row is used; if the user has no time at all, the
    earliest of all times. Rows of equal times keep their order, so the row stays where it is.

    Args:
        times: int64 `[n]`; entries of `missing` rows are ignored.
        missing: bool `[n]`, not everywhere true.
        users: user codes `[n]`.
    """
    order = np.argsort(users, kind="stable")
    ordered, known = users[order], ~missing[order]
    places = np.arange(len(order))
    before = np.maximum.accumulate(np.where(known, places, -1))
    after = np.minimum.accumulate(np.where(known, places, len(order))[::-1])[::-1]
    own_before = (before >= 0) & (ordered[before] == ordered)
    own_after = (after < len(order)) & (ordered[np.minimum(after, len(order) - 1)] == ordered)
    source = np.where(own_before, before, np.where(own_after, after, 0))
    found = np.where(own_before | own_after, times[order][source], times[~missing].min())
    result = np.empty_like(times)
    result[order] = found
    return result


def say(name: Any, n_missing: int, n_rows: int) -> None:
    """Warn of rows without a time, once for each line that reads such a table.

    Args:
        name: name of the column.
        n_missing: number of rows without a time.
        n_rows: number of rows.
    """
    warnings.warn(
        f"Column {name!r} lacks the time of {n_missing:,} of {n_rows:,} rows; each of these gets the time of "
        "the user's previous row.",
        stacklevel=callers_level(),
    )


def no_times(name: Any, n_rows: int) -> ValueError:
    """The error for a column without any time.

    Args:
        name: name of the column.
        n_rows: number of rows.
    """
    return ValueError(
        f"Column {name!r} must have times; leave `time` out if there are none. "
        f"Received: {n_rows:,} rows without one."
    )
