"""Which interactions are liked, and what a like counts: the one place that says so.

What `Interactions.at_least` kept is liked, whatever its sign. Without it, a value above 0 is.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from kerasrec.data.interactions import Interactions


def liked(values: np.ndarray, least: float | None) -> np.ndarray:
    """Which values are likes.

    Args:
        values: float32 `[n]`.
        least: what `at_least` was called with last, or `None`.

    Returns:
        bool `[n]`.
    """
    found: np.ndarray = values > 0 if least is None else values >= np.float32(least)
    return found


def gains(values: np.ndarray, least: float | None) -> np.ndarray:
    """What each value counts as a label, a weight or a gain: above 0 where it is liked, 0 where it is not.

    A value of 0 or below cannot be a weight. Where `at_least` let such values be likes, each like counts 1.

    Args:
        values: float32 `[n]`.
        least: as in `liked`.

    Returns:
        float32 `[n]`.
    """
    are = liked(values, least)
    if least is not None and least <= 0:
        return are.astype(np.float32)
    return np.where(are, values, np.float32(0))


def likes_of(interactions: "Interactions") -> "Interactions":
    """The likes alone, with what each counts as its value, which is above 0."""
    are = interactions.liked
    found = interactions if are.all() else interactions.take(are)
    least = interactions._meaning.least
    if least is None or least > 0:
        return found
    found = found._with(values=found.gains)
    found._meaning = replace(found._meaning, least=None)
    return found
