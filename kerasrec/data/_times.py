"""Times as whole numbers, and their units."""

from typing import Any

import numpy as np

from kerasrec.data import _columns
from kerasrec.data._columns import shown

# Units of numbers since 1970, with the range of numbers for times from 1973 to 2286.
UNITS = {
    "seconds": (1e8, 1e10),
    "milliseconds": (1e11, 1e13),
    "microseconds": (1e14, 1e16),
    "nanoseconds": (1e17, 1e19),
}


def times_of(times: Any, users: np.ndarray) -> tuple[np.ndarray, bool]:
    """Times as int64, and whether they are nanoseconds read from dates.

    Args:
        times: whole numbers or datetimes `[n]`.
        users: user codes `[n]`.
    """
    if isinstance(times, np.ndarray) and times.dtype == np.int64:
        return times, False
    import pandas as pd

    return _columns.times(pd.Series(times), "times", users)


def check_same(known: np.ndarray, dates: bool, new: np.ndarray, new_dates: bool, name: Any) -> None:
    """Refuse further times of another type or unit than the earlier ones.

    Args:
        known: int64, the earlier times.
        dates: whether they were dates.
        new: int64, the further ones.
        new_dates: whether they are dates.
        name: name of the column, for messages.
    """
    if dates != new_dates:
        before, came = ("dates", "numbers") if dates else ("numbers", "dates")
        remedy = (
            "convert the column with `pandas.to_datetime(column, unit=...)`"
            if dates
            else "convert the column to numbers of the same unit"
        )
        raise ValueError(
            f"Column {name!r} must have {before}, like the earlier events; {remedy}. "
            f"Received: {came}, the first is {_first(new, new_dates)}."
        )
    if dates or not len(known) or not len(new):
        return
    units = unit_of(known), unit_of(new)
    if None not in units and units[0] != units[1]:
        raise ValueError(
            f"Column {name!r} must have the unit of the earlier events, which seem to be {units[0]} since "
            f"1970 (the last is {shown(known.max())}). Received: {shown(new[0])} first, which seem to be "
            f"{units[1]}; divide or multiply the column."
        )


def check_unit(times: np.ndarray, name: Any) -> None:
    """Refuse a column of times in several units.

    Args:
        times: int64.
        name: name of the column, for messages.
    """
    if not len(times) or unit_of(times) is not None:
        return
    parts = {unit: (times >= least) & (times < most) for unit, (least, most) in UNITS.items()}
    counts = {unit: int(part.sum()) for unit, part in parts.items() if part.any()}
    if len(counts) < 2 or sum(counts.values()) < len(times):
        return  # the numbers are not times since 1970
    firsts = {unit: times[part.argmax()] for unit, part in parts.items() if part.any()}
    rarest = min(counts, key=lambda unit: counts[unit])
    check_one_unit(counts, firsts, name, f" in row {int(parts[rarest].argmax())}")


def check_one_unit(counts: dict[str, int], firsts: dict[str, Any], name: Any, where: str = "") -> None:
    """Refuse times in several units.

    Args:
        counts: number of times in each unit.
        firsts: first time in each unit.
        name: name of the column, for messages.
        where: place of the first time in the rarest unit. Defaults to `""`.
    """
    if len(counts) < 2:
        return
    rarest = min(counts, key=lambda unit: counts[unit])
    listed = " and ".join(f"{count:,} that seem to be {unit}" for unit, count in counts.items())
    raise ValueError(
        f"Column {name!r} must have one unit; divide or multiply the other rows. Received: {listed} "
        f"since 1970, first {shown(firsts[rarest])}{where}."
    )


def in_unit(moment: Any, unit: str) -> int:
    """A moment as the number of whole seconds, milliseconds and so on since 1970.

    Args:
        moment: `pandas.Timestamp`.
        unit: as `unit_of` gives it.
    """
    return int(moment.value) // {"seconds": 10**9, "milliseconds": 10**6, "microseconds": 10**3}.get(unit, 1)


def unit_of(times: np.ndarray) -> str | None:
    """The unit in which all times lie between 1973 and 2286; `None` if there is none.

    Args:
        times: int64, at least one.
    """
    low, high = float(times.min()), float(times.max())
    found = (unit for unit, (least, most) in UNITS.items() if least <= low and high < most)
    return next(found, None)


def _first(times: np.ndarray, dates: bool) -> str:
    import pandas as pd

    return str(pd.Timestamp(times[0])) if dates else shown(times[0])
