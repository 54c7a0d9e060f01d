"""The time at which a split by time cuts."""

from typing import Any

import numpy as np

from kerasrec.data._columns import are_dates, nanoseconds
from kerasrec.data._split_sizes import check_count, check_size
from kerasrec.data.interactions import Interactions, check_interactions


def check_times(interactions: Interactions) -> None:
    """Refuse interactions without times."""
    check_interactions("interactions", interactions)
    if interactions.times is None:
        raise ValueError(
            "A split by time needs times: load the interactions with `time=`. Received: no times."
        )


def times_of(events: Interactions) -> np.ndarray:
    """The times of events, int64 `[n]`; none if there are no events."""
    return np.empty(0, np.int64) if events.times is None else events.times


def moment_of(at: Any, events: Interactions) -> int:
    """The argument `at` in the unit of the times."""
    import pandas as pd

    column = pd.Series([at])
    if are_dates(column) and not events._meaning.dates:
        raise ValueError(
            "`at` must be a number in the unit of the times, which are numbers; to split at a date, convert "
            f"them with `pandas.to_datetime` before loading. Received: at={at!r}."
        )
    return int(nanoseconds(column, "at")[0])


def check_sides(moment: Any, at: Any, events: Interactions) -> None:
    """Refuse a time that leaves one side without events."""
    import pandas as pd

    times = times_of(events)
    low, high = times.min(), times.max()
    if low < moment <= high:
        return
    dates = events._meaning.dates
    if dates and at is not None and not are_dates(pd.Series([at])):
        raise ValueError(
            "`at` must be a date, as the times are: pass a date such as "
            f"{str(pd.Timestamp(high).date())!r}. Received: at={at!r}."
        )
    shown = pd.Timestamp if dates else int
    raise ValueError(
        f"`at` must leave interactions on both sides. Received: at={at!r}, that is {shown(moment)}; "
        f"the times go from {shown(low)} to {shown(high)}."
    )


def moment_by_size(times: np.ndarray, test_size: Any) -> Any:
    """The start of the test part: the earliest of the latest times, but never the first time of all."""
    check_count(len(times), "interactions")
    ordered = np.sort(times)
    steps = np.flatnonzero(np.diff(ordered))
    check_count(1 + len(steps), "different times")
    n_test = check_size(test_size, len(times), "interactions")
    return max(ordered[len(times) - n_test], ordered[steps[0] + 1])
