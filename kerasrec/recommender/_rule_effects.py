"""The effect of rules on lists: columns of the frame, and lists that are too short."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasrec.data._columns import shown
from kerasrec.recommender._choosing import Chosen
from kerasrec.recommender._compiled_rules import CompiledRules


def columns_of(
    chosen: Chosen | None, ruled: CompiledRules | None, with_moves: bool, shape: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Further columns of a frame of lists, each `[B, k]`.

    Args:
        chosen: the lists, or `None` for columns to fill.
        ruled: their rules, or `None`.
        with_moves: whether to say which rule moved which item.
        shape: shape of the lists.
    """
    found: dict[str, Any] = {}
    if with_moves:
        found["rank_before"] = np.zeros(shape, np.int64) if chosen is None else chosen.before
        found["moved_by"] = np.full(shape, "", object)
        if chosen is not None and ruled is not None:
            found["moved_by"] = _texts(chosen.reasons, shape)
        elif chosen is None and ruled is None:
            found["rank_before"] = np.tile(np.arange(1, shape[1] + 1), (shape[0], 1))
    if ruled is not None and ruled.rules.explore:
        propensities = None if chosen is None else chosen.propensities
        found["propensity"] = np.ones(shape) if propensities is None else propensities
    return found


def _texts(reasons: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Names of the rules that moved an item, separated by commas."""
    keys = np.zeros(shape, np.int64)
    for bit, moved in enumerate(reasons.values()):
        keys |= moved.astype(np.int64) << bit
    different, places = np.unique(keys, return_inverse=True)
    texts = [", ".join(name for bit, name in enumerate(reasons) if key >> bit & 1) for key in different]
    return np.array(texts, object)[places.reshape(shape)]


class Shortage:
    """Counts lists that rules made too short, and rules that could not be met.

    Args:
        ruled: `CompiledRules` or `None`.
        k: requested length.
    """

    def __init__(self, ruled: CompiledRules | None, k: int) -> None:
        self.ruled, self.k = ruled, k
        self.n_users = self.n_short = self.least = 0
        self.unmet = np.zeros(0 if ruled is None else len(ruled.quotas), np.int64)

    def add(self, ids: np.ndarray, items: np.ndarray, short: str) -> None:
        """Count lists `[B, k]`; raise an error if one must not be short."""
        if self.ruled is None:
            return
        lengths = (items >= 0).sum(axis=1)
        below = np.flatnonzero(lengths < self.k)
        self.n_users += len(ids)
        if len(below):
            first = below[np.argmin(lengths[below])]
            if short == "error":
                raise ValueError(
                    "Rules must leave `k` items; use fewer rules or a smaller `k`, or take what is "
                    f"left with short='fewer'. Received: {self._names()} leave {lengths[first]} for user "
                    f"{shown(ids[first])}, and k={self.k}."
                )
            least = int(lengths[first])
            self.least = least if not self.n_short else min(self.least, least)
            self.n_short += len(below)

    def missed(self, unmet: np.ndarray) -> None:
        """Count lists that do not meet `at_least`, bool `[B, Q]`."""
        self.unmet = self.unmet + unmet.sum(axis=0)

    def say(self) -> None:
        """Warn of the lists counted."""
        if self.ruled is None:
            return
        if self.n_short:
            warnings.warn(
                f"Rules leave fewer than k={self.k} items for {self.n_short:,} of {self.n_users:,} users, "
                f"as few as {self.least}: {self._names()}.",
                stacklevel=4,
            )
        for quota, n in zip(self.ruled.quotas, self.unmet, strict=True):
            if n:
                warnings.warn(
                    f"`{quota.name}` asks for {quota.n} items in a list, and {int(n):,} users have fewer "
                    "left; other items fill their lists.",
                    stacklevel=4,
                )

    def _names(self) -> str:
        names: Any = [] if self.ruled is None else self.ruled.rules.names
        return ", ".join(f"`{name}`" for name in names)
