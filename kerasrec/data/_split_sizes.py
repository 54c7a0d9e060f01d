"""Sizes of the test part of a split."""

import math
from numbers import Integral, Real
from typing import Any

SIZE_RULE = (
    "`test_size` must be a share between 0 and 1 or a whole number, and leave something on both sides."
)


def is_whole(x: Any) -> bool:
    """Whether it is a whole number."""
    return isinstance(x, Integral) and not isinstance(x, bool)


def is_share(x: Any) -> bool:
    """Whether it is a share between 0 and 1."""
    return isinstance(x, Real) and not is_whole(x) and 0 < float(x) < 1


def check_count(n: int, what: str) -> None:
    """Refuse to split fewer than two things."""
    if n < 2:
        raise ValueError(f"A split needs at least two {what}. Received: {n}.")


def check_size(test_size: Any, n: int, what: str) -> int:
    """The size of the test part of `n` things."""
    if is_whole(test_size):
        n_test = int(test_size)
    else:
        n_test = math.ceil(test_size * n) if is_share(test_size) else 0
    if not 0 < n_test < n:
        raise ValueError(f"{SIZE_RULE} Received: test_size={test_size!r} of {n} {what}.")
    return n_test
