"""Checks of arguments that many classes share."""

import math
import numbers
from typing import Any


def positive_integer(name: str, value: Any) -> int:
    """`value` as an int of at least 1, or a `ValueError` that names it."""
    if not _is_number(value) or not 1 <= value < float("inf") or int(value) != value:
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}.")
    if value >= 2**31:
        raise ValueError(f"`{name}` must be below 2^31: ids are int32. Received: {name}={value!r}.")
    return int(value)


def whole_number(name: str, value: Any) -> int:
    """`value` as an int of at least 0, or a `ValueError` that names it."""
    if not _is_number(value) or not 0 <= value < float("inf") or int(value) != value:
        raise ValueError(f"`{name}` must be a whole number of at least 0. Received: {name}={value!r}.")
    return int(value)


def positive_number(name: str, value: Any) -> float:
    """`value` as a finite float above 0, or a `ValueError` that names it."""
    if not _is_number(value) or not 0 < value < float("inf"):
        raise ValueError(f"`{name}` must be a finite number above 0. Received: {name}={value!r}.")
    return float(value)


def finite_number(name: str, value: Any) -> float:
    """`value` as a finite float, or a `ValueError` that names it."""
    if not _is_number(value) or not math.isfinite(value):
        raise ValueError(f"`{name}` must be a finite number. Received: {name}={value!r}.")
    return float(value)


def share(name: str, value: Any) -> float:
    """`value` as a float from 0 to 1, or a `ValueError` that names it."""
    if not _is_number(value) or not 0 <= value <= 1:
        raise ValueError(f"`{name}` must be a share, from 0 to 1. Received: {name}={value!r}.")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
