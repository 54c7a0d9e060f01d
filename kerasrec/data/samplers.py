"""How the negatives of ranking batches are drawn."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Sampler:
    """The base class of samplers; a subclass defines `probabilities`.

    Attributes:
        replace: bool, whether an item can come twice in a row. Defaults to `True`.
        shared: bool, whether all rows of a batch get the same items, which is the fast way; items that must
            not come in a row are then masked there and never replaced. Defaults to `False`.
    """

    replace: bool = True
    shared: bool = False

    def probabilities(self, counts: np.ndarray) -> np.ndarray | None:
        """Probability of each item.

        Args:
            counts: number of positives of each item, `[I]`.

        Returns:
            Probabilities `[I]` that sum to 1, or `None` if all are equal.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `probabilities`.")


@dataclass(frozen=True)
class UniformSampler(Sampler):
    """All items are equally likely.

    Attributes:
        replace: bool, whether a row can have an item twice. Defaults to `True`.
        shared: bool, whether all rows of a batch get the same items. Defaults to `False`.
    """

    def probabilities(self, counts: np.ndarray) -> None:
        """All equal."""
        return None


@dataclass(frozen=True)
class PopularitySampler(Sampler):
    """An item is drawn with probability proportional to `positives ** exponent`.

    An item without positives is never drawn, unless `exponent` is 0.

    Attributes:
        replace: bool, whether a row can have an item twice. Defaults to `True`.
        shared: bool, whether all rows of a batch get the same items. Defaults to `False`.
        exponent: float, 1 follows popularity, 0 is uniform. Defaults to `0.75`.

    References:
        Mikolov et al., "Distributed representations of words and phrases and their compositionality", 2013,
        section 2.2.
    """

    exponent: float = 0.75

    def __post_init__(self) -> None:
        if not 0 <= self.exponent < float("inf"):
            raise ValueError(f"`exponent` must be a finite number of at least 0. Received: {self.exponent}.")

    def probabilities(self, counts: np.ndarray) -> np.ndarray:
        """Proportional to `counts ** exponent`."""
        weights = counts.astype(np.float64) ** self.exponent
        return weights / weights.sum()


@dataclass(frozen=True)
class InBatchSampler(Sampler):
    """Draws from the positives of the other rows of the batch.

    The probability of an item is its share of the positives.

    Attributes:
        replace: bool, whether a row can draw the same positive of another row twice. Defaults to `False`.
        shared: bool, whether all rows of a batch get the same items. Defaults to `False`.
    """

    replace: bool = False

    def probabilities(self, counts: np.ndarray) -> np.ndarray:
        """Proportional to `counts`, as in an average batch."""
        return counts / counts.sum()


NAMED = {"uniform": UniformSampler, "popularity": PopularitySampler, "in_batch": InBatchSampler}


def get(sampler: Any) -> Sampler:
    """A sampler by name, or itself.

    Args:
        sampler: `"uniform"`, `"popularity"`, `"in_batch"` or a `Sampler`.

    Returns:
        `Sampler`.
    """
    if isinstance(sampler, Sampler):
        return sampler
    if sampler not in NAMED:
        raise ValueError(
            f"`sampler` must be a Sampler or one of {', '.join(NAMED)}. Received: sampler={sampler!r}."
        )
    return NAMED[sampler]()
