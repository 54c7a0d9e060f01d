"""The order of items in a row of scores, chosen so that a stable top-k needs no full sort."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

# Longer lists search for scores above a bound instead of reading all items of k groups.
LONG = 32
# Maximum number of items above the bound, relative to k.
_FEW_MORE = 4


def tie_order(n_items: int, seed: int = 0) -> np.ndarray:
    """The pseudo-random order of the catalogue that breaks ties, as item codes."""
    return np.random.default_rng(seed).permutation(n_items).astype(np.int32)


@dataclass(frozen=True)
class Layout:
    """Columns of a row of scores.

    The tie order is split into `n_groups` groups of `depth` consecutive items. Column `r * n_groups + g` has
    item `r` of group `g`. The maximum of every group is then a maximum over whole vectors, and the groups are
    in tie order. The k best items, including ties, are in the k best groups.

    Attributes:
        items: item code by column `[W]`; -1 for an empty column.
        columns: column by item code `[I]`; -1 for an item that is not a candidate.
        n_groups: int.
        depth: int.
    """

    items: np.ndarray
    columns: np.ndarray
    n_groups: int
    depth: int

    @classmethod
    def of(cls, n_items: int, seed: int = 0, candidates: Any = None) -> "Layout":
        """The layout for a catalogue, or for some of its items.

        Args:
            n_items: int, size of the catalogue.
            seed: seed of the tie order. Defaults to `0`.
            candidates: item codes that may be recommended. Defaults to `None`: all.
        """
        order = tie_order(n_items, seed)
        if candidates is not None:
            allowed = np.zeros(n_items, bool)
            allowed[candidates] = True
            order = order[allowed[order]]
        # The two stages of a top-k read n_groups and k * depth scores.
        n_groups = 16 * max(1, round(4 * len(order) ** 0.5 / 16))
        depth = max(1, -(-len(order) // n_groups))
        by_group = np.full(n_groups * depth, -1, np.int32)
        by_group[: len(order)] = order
        items = np.ascontiguousarray(by_group.reshape(n_groups, depth).T).ravel()
        filled = np.flatnonzero(items >= 0)
        columns = np.full(n_items, -1, np.int32)
        columns[items[filled]] = filled
        return cls(items, columns, n_groups, depth)

    def only(self, allowed: np.ndarray) -> "Layout":
        """The same layout, in which the columns of other items are empty.

        Args:
            allowed: bool `[I]`.
        """
        there = (self.items >= 0) & allowed[self.items]
        items = np.where(there, self.items, np.int32(-1))
        return Layout(items, np.where(allowed, self.columns, np.int32(-1)), self.n_groups, self.depth)

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.items)

    @cached_property
    def empty(self) -> np.ndarray:
        """Columns without an item."""
        return np.flatnonzero(self.items < 0)

    def best_of_groups(self, scores: np.ndarray) -> np.ndarray:
        """The largest score of each group: `[B, W]` to `[B, n_groups]`."""
        return scores.reshape(len(scores), self.depth, self.n_groups).max(axis=1)

    def top_k(self, scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k best columns of each row, by score and then by the tie order.

        Args:
            scores: float32 `[B, W]`, without NaN.
            k: int.

        Returns:
            Columns and scores, both `[B, min(k, W)]`, best first.
        """
        n_rows, n_groups, depth = len(scores), self.n_groups, self.depth
        of_groups = self.best_of_groups(scores)
        if (found := self._above(scores, of_groups, k)) is not None:
            return found
        groups = np.sort(_first_k(of_groups, min(k, n_groups)), axis=1)
        members = scores.reshape(n_rows, depth, n_groups)[np.arange(n_rows)[:, None], :, groups]
        members = members.reshape(n_rows, -1)  # groups and their items in tie order
        best = _first_k(members, min(k, members.shape[1]))
        columns = np.take_along_axis(groups, best // depth, axis=1) + n_groups * (best % depth)
        return columns, np.take_along_axis(members, best, axis=1)

    def _above(
        self, scores: np.ndarray, of_groups: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """The k best among scores of at least the k-th best group's maximum; `None` if there are too many.

        The maxima of k groups reach this bound, so the k best items reach it, too. Few other items do,
        whereas the k best groups have `depth` times k items.
        """
        n_groups, depth = self.n_groups, self.depth
        if k > n_groups or k < LONG:
            return None
        cut = n_groups - k
        threshold = np.partition(of_groups, cut, axis=1)[:, cut]
        if not (threshold > -np.inf).all():
            return None
        places = np.flatnonzero(scores >= threshold[:, None])
        starts = np.searchsorted(places, np.arange(len(scores) + 1) * self.width)
        counts = np.diff(starts)
        longest = int(counts.max())
        if longest > _FEW_MORE * k:
            return None
        rows = np.repeat(np.arange(len(scores)), counts)
        columns = places - rows * self.width
        in_ties = columns % n_groups * depth + columns // n_groups
        keys = np.full((len(scores), longest), np.iinfo(np.int64).min)
        keys[rows, np.arange(len(rows)) - starts[rows]] = _sortable(scores.ravel()[places]) - in_ties
        keys.sort(axis=1)
        in_ties = -keys[:, ::-1][:, :k] & 0xFFFFFFFF
        columns = in_ties // depth + n_groups * (in_ties % depth)
        return columns, np.take_along_axis(scores, columns, axis=1)


def _first_k(values: np.ndarray, k: int) -> np.ndarray:
    """Positions `[B, k]` of the k largest of each row, largest first, ties by position."""
    keys = _sortable(values)
    keys -= np.arange(values.shape[1])
    if k < values.shape[1]:
        keys = np.partition(keys, values.shape[1] - k, axis=1)[:, values.shape[1] - k :]
    keys.sort(axis=1)
    return -keys[:, ::-1] & 0xFFFFFFFF


def _sortable(values: np.ndarray) -> np.ndarray:
    """Integers in the same order as the numbers; their lower half is free for a subtracted position."""
    bits = (values + np.float32(0.0)).view(np.int32)  # the sum makes -0.0 equal to 0.0
    # As integers, the bits of floats sort like the floats if those of negative floats are flipped.
    return (bits ^ ((bits >> 31) & 0x7FFFFFFF)).astype(np.int64) << 32
