"""Draws the items of some places at random, and computes their propensities."""

import numpy as np

from kerasrec.recommender._compiled_rules import CompiledRules

# Bytes of masks over the catalogue in memory at once.
_BYTES = 64 << 20


def explore(
    ruled: CompiledRules, items: np.ndarray, allowed: np.ndarray, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Lists with some items drawn at random, and the probability of each item at its place.

    From the top, the item of a place is drawn with probability `explore`: uniformly from this item and all
    others that may be recommended, are not in the list and leave `at_most` and `at_least` satisfied.

    Args:
        ruled: `CompiledRules`.
        items: item codes `[B, k]`; -1 after the last one.
        allowed: bool `[B, I]`, whether an item may be recommended to a user.
        draw: source of randomness.

    Returns:
        Item codes and propensities, both `[B, k]`.
    """
    share = float(ruled.rules.explore or 0.0)
    found, propensities = items.copy(), np.ones(items.shape)
    rows = np.arange(len(items))
    free = allowed.copy()
    for place in range(items.shape[1]):
        listed = found[:, place] >= 0
        free[rows[listed], found[listed, place]] = False
    for place in range(items.shape[1]):
        there = found[:, place] >= 0
        own = np.where(there, found[:, place], 0)
        may = free.copy()
        _keep(ruled, found, place, may)
        may[rows, own] = True
        n_may = np.array([np.count_nonzero(row) for row in may])  # several times faster than along an axis
        explores = there & (draw.random(len(rows)) < share)
        order = np.floor(draw.random(len(rows)) * n_may).astype(np.int64)
        drawn = own.astype(np.int64)
        for row in np.flatnonzero(explores):
            drawn[row] = np.flatnonzero(may[row])[order[row]]
        kept = ~explores | (drawn == own)
        propensities[:, place] = np.where(kept, 1 - share, 0.0) + share / n_may
        moved = np.flatnonzero(there & ~kept)
        free[moved, own[moved]] = allowed[moved, own[moved]]
        free[moved, drawn[moved]] = False
        found[:, place] = np.where(there, np.where(kept, own, drawn), -1)
    return found, propensities


def rows_at_once(n_items: int) -> int:
    """How many users to explore for at once."""
    return max(1, _BYTES // (8 * n_items))


def _keep(ruled: CompiledRules, found: np.ndarray, place: int, may: np.ndarray) -> None:
    """Bar items that would break a rule if they replaced the item at a place."""
    others = np.delete(found, place, axis=1)
    for cap in ruled.caps:
        values = np.where((others >= 0)[:, :, None], cap.codes[np.maximum(others, 0)], -1)
        values = values.reshape(len(found), -1)
        counts = (values[:, :, None] == values[:, None, :]).sum(axis=2)
        for row, at in zip(*np.nonzero((values >= 0) & (counts >= cap.n)), strict=True):
            may[row, cap.holders(int(values[row, at]))] = False
    for quota in ruled.quotas:
        true = (found >= 0) & quota.true[np.maximum(found, 0)]
        count = true.sum(axis=1)
        needed = true[:, place] & (count <= quota.n)
        may[needed] &= quota.true
