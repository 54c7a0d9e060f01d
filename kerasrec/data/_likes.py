"""The only place that decides which interactions are likes, and how much a like counts.

Everything that `Interactions.at_least` kept is a like, whatever its sign; otherwise values above 0 are.
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
        least: value of the last call of `at_least`, or `None`.

    Returns:
        bool `[n]`.
    """
    found: np.ndarray = values > 0 if least is None else values >= np.float32(least)
    return found


def gains(values: np.ndarray, least: float | None) -> np.ndarray:
    """How much each value counts as a label, weight or gain: above 0 for likes, otherwise 0.

    A value of 0 or below cannot be a weight. If `at_least` kept such values, each like counts 1.

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
    """Only the likes, with their gains (all above 0) as values."""
    are = interactions.liked
    found = interactions if are.all() else interactions.take(are)
    least = interactions._meaning.least
    if least is None or least > 0:
        return found
    found = found._with(values=found.gains)
    found._meaning = replace(found._meaning, least=None)
    return found
