"""Picks lists under rules, item by item from the top, for many users at once.

A rule takes part in one of three ways: a limit (`_Limit`) bars items for the rest of the list, a quota
(`_Quotas`) keeps places for some items, and a term (`_Term`) lowers the value of items. Lists say which of
these rules moved an item by their names.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np

from kerasrec.recommender._compiled_rules import Cap, CompiledRules, Quota
from kerasrec.recommender._directions import Directions

# Share of the user's mix added to that of the list, so that the divergence stays finite (Steck, eq. 7).
_SMOOTHING = 0.01


class Picked(NamedTuple):
    """Lists chosen from pools.

    Attributes:
        places: `[B, k]`, places in the pool; -1 after the last one.
        reasons: by the name of a rule, bool `[B, k]`, whether it brought the item to its place; empty if
            not requested.
        whole: bool `[B]`, whether the list has `k` items and all that `at_least` asks for.
        unmet: bool `[B, Q]`, which `at_least` the pool could not meet.
    """

    places: np.ndarray
    reasons: dict[str, np.ndarray]
    whole: np.ndarray
    unmet: np.ndarray


def pick(
    ruled: CompiledRules,
    pool: np.ndarray,
    scores: np.ndarray,
    k: int,
    taste: np.ndarray | None,
    moves: bool = False,
) -> Picked:
    """The best lists under the rules, one item after the other.

    Args:
        ruled: `CompiledRules`.
        pool: item codes `[B, P]`, best first; -1 after the last one.
        scores: float32 `[B, P]`, boosts included.
        k: int.
        taste: mix to calibrate the lists to `[B, G]`, or `None`.
        moves: bool, whether to find out which rules moved an item. Defaults to `False`.
    """
    n = len(pool)
    rows, there = np.arange(n), pool >= 0
    items = np.where(there, pool, 0)
    relevance = _relevance(scores, there)
    limits, quotas = [_Limit(cap, items, k) for cap in ruled.caps], _Quotas(ruled.quotas, items)
    terms = _terms(ruled, items, taste)
    weight = 1.0
    for term in terms:
        weight -= term.weight
    # Items that can still be picked have a finite value; limits only bar more of them.
    open_values = np.where(there, weight * relevance, -np.inf)
    moved = _Moves(ruled, items, relevance, there, k) if moves else None
    places = np.full((n, k), -1)
    for place in range(k):
        costs = [term.values(place) for term in terms]
        values = open_values
        for term, cost in zip(terms, costs, strict=True):
            if cost is not None:
                values = values - term.weight * cost
        reserved = quotas.reserved(k - place)
        if reserved is not None:
            free, values = values, np.where(reserved, -np.inf, values)
            lost = values.max(axis=1, initial=-np.inf) == -np.inf
            quotas.give_up(lost)
            values[lost] = free[lost]
        chosen = values.argmax(axis=1)
        taken = values[rows, chosen] > -np.inf
        quotas.give_up(~taken)
        places[:, place] = np.where(taken, chosen, -1)
        if moved is not None:
            costly = list(zip(terms, costs, strict=True))
            moved.note(place, chosen, taken, values, limits, quotas, reserved, costly)
        if not taken.any() or place == k - 1:
            break
        open_values[rows, chosen] = -np.inf
        for limit in limits:
            np.putmask(open_values, limit.take(place, chosen, taken), -np.inf)
        quotas.take(chosen, taken)
        for term in terms:
            term.take(chosen)
    whole = (places[:, -1] >= 0) & ~quotas.unmet.any(axis=1)
    return Picked(places, {} if moved is None else moved.reasons, whole, quotas.unmet)


def _relevance(scores: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Scores from 0, the last of the pool, to 1, the best."""
    exact = scores.astype(np.float64)
    low = np.where(there, exact, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    high = np.where(there, exact, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        span = high - low
        return np.where(there, (exact - low) / np.where(span > 0, span, 1.0), 0.0)


class _Limit:
    """`at_most` of one column: bars items whose value the list has often enough."""

    def __init__(self, cap: Cap, items: np.ndarray, k: int) -> None:
        self.name, self.n = cap.name, cap.n
        self.codes = cap.codes[items]
        # Most columns have one value per item, so that whole vectors can be compared.
        self.columns = [np.ascontiguousarray(self.codes[:, :, v]) for v in range(self.codes.shape[2])]
        self.rows = np.arange(len(items))
        self.listed = np.full((len(items), k, self.codes.shape[2]), -1, self.codes.dtype)
        self.barred = np.zeros(items.shape, bool)

    def take(self, place: int, chosen: np.ndarray, taken: np.ndarray) -> np.ndarray:
        """Which items the limit bars `[B, P]`, now that a further one is in the list."""
        own = np.where(taken[:, None], self.codes[self.rows, chosen], -1)
        self.listed[:, place] = own
        so_far = self.listed[:, : place + 1]
        for value in own.T:
            full = (so_far == value[:, None, None]).sum(axis=(1, 2)) >= self.n
            which = np.flatnonzero(full & (value >= 0))
            for column in self.columns if len(which) else ():
                self.barred[which] |= column[which] == value[which, None]
        return self.barred


class _Quotas:
    """`at_least` of all columns: keeps places for items that the list still needs."""

    def __init__(self, quotas: tuple[Quota, ...], items: np.ndarray) -> None:
        self.names = [quota.name for quota in quotas]
        self.true = [quota.true[items] for quota in quotas]
        self.needs = np.tile(np.array([quota.n for quota in quotas], np.int64), (len(items), 1))
        self.unmet = np.zeros(self.needs.shape, bool)
        self.rows = np.arange(len(items))

    def reserved(self, left: int) -> np.ndarray | None:
        """The items to choose from, bool `[B, P]`; `None` if there are enough places for all.

        Args:
            left: number of places that are not filled yet.
        """
        needed = self.needs.sum(axis=1)
        if not (needed > left - 1).any():
            return None
        after = needed[:, None] - sum(true & (self.needs[:, [q]] > 0) for q, true in enumerate(self.true))
        return np.asarray(after > left - 1)

    def give_up(self, rows: np.ndarray) -> None:
        """Require nothing more of the lists of some rows, bool `[B]`."""
        self.unmet[rows] |= self.needs[rows] > 0
        self.needs[rows] = 0

    def take(self, chosen: np.ndarray, taken: np.ndarray) -> None:
        for q, true in enumerate(self.true):
            self.needs[:, q] -= true[self.rows, chosen] & taken & (self.needs[:, q] > 0)


class _Term(Protocol):
    """A penalty on the value of an item that depends on the list so far.

    Attributes:
        name: name of the rule.
        weight: float.
    """

    name: str
    weight: float

    def values(self, place: int) -> Any:
        """The penalty if an item comes next `[B, P]`; `None` for none."""

    def take(self, chosen: np.ndarray) -> None:
        """Add an item to each list, by its place in the pool `[B]`."""


def _terms(ruled: CompiledRules, items: np.ndarray, taste: np.ndarray | None) -> list[_Term]:
    found: list[_Term] = []
    if ruled.directions is not None:
        found.append(_Similarity(ruled.directions, float(ruled.rules.diversity or 0.0), items))
    if taste is not None and ruled.shares is not None:
        found.append(_Divergence(ruled, items, taste))
    return found


class _Similarity:
    """The largest cosine of each item of the pool with an item of the list."""

    name = "diversity"

    def __init__(self, directions: Directions, weight: float, items: np.ndarray) -> None:
        self.weight, self.pool = weight, directions.among(items)
        self.largest: np.ndarray | None = None

    def values(self, place: int) -> Any:
        return self.largest

    def take(self, chosen: np.ndarray) -> None:
        cosines = self.pool.with_chosen(chosen)
        self.largest = cosines if self.largest is None else np.maximum(self.largest, cosines)


class _Divergence:
    """The divergence of the list plus each item of the pool from the user's mix (Steck 2018, eq. 5 to 7)."""

    def __init__(self, ruled: CompiledRules, items: np.ndarray, taste: np.ndarray) -> None:
        self.name = ruled.name_of_calibration
        self.weight = ruled.rules.weight_of_calibration
        self.wanted, self.rows = taste[:, None, :], np.arange(len(items))
        shares: Any = ruled.shares
        self.own = shares[items]
        self.sums = np.zeros((len(items), 1, shares.shape[1]))

    def values(self, place: int) -> Any:
        wanted = self.wanted
        mixed = (1 - _SMOOTHING) * (self.sums + self.own) / (place + 1) + _SMOOTHING * wanted
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(wanted > 0, wanted * np.log(wanted / mixed), 0.0)
        return terms.sum(axis=2)

    def take(self, chosen: np.ndarray) -> None:
        self.sums += self.own[self.rows, chosen][:, None, :]


class _Moves:
    """The rules that brought items to their places, by barring a better item or changing a value."""

    def __init__(
        self, ruled: CompiledRules, items: np.ndarray, relevance: np.ndarray, there: np.ndarray, k: int
    ) -> None:
        self.boosts, self.items, self.relevance = ruled.boosts, items, relevance
        self.free, self.rows = there.copy(), np.arange(len(items))
        self.reasons = {name: np.zeros((len(items), k), bool) for name in ruled.movers}

    def note(
        self,
        place: int,
        chosen: np.ndarray,
        taken: np.ndarray,
        values: np.ndarray,
        limits: list[_Limit],
        quotas: _Quotas,
        reserved: np.ndarray | None,
        terms: list[tuple[_Term, Any]],
    ) -> None:
        """Note what moved the items at one place, and add them to the lists.

        Args:
            place: int.
            chosen: `[B]`, their places in the pool.
            taken: bool `[B]`, whether there is one.
            values: `[B, P]`, minus infinity where an item could not come.
            limits: limits before this place.
            quotas: quotas before this place.
            reserved: bool `[B, P]`, items in places that quotas kept, or `None`.
            terms: terms and their penalties.
        """
        rows, allowed = self.rows, values > -np.inf
        first = np.where(self.free, self.relevance, -1.0).argmax(axis=1)
        barred = taken & ~allowed[rows, first]
        for limit in limits:
            self.reasons[limit.name][:, place] = barred & limit.barred[rows, first]
        if reserved is not None:
            kept = barred & reserved[rows, first]
            for q, name in enumerate(quotas.names):
                self.reasons[name][:, place] = kept & (quotas.needs[:, q] > 0)
        best = np.where(allowed, self.relevance, -1.0).argmax(axis=1)
        for term, cost in terms:
            if cost is not None:
                better = (chosen != best) & (cost[rows, chosen] < cost[rows, best])
                self.reasons[term.name][:, place] = taken & better
        for name, boost in self.boosts.items():
            self.reasons[name][:, place] = taken & (boost[self.items[rows, chosen]] != 0)
        self.free[rows[taken], chosen[taken]] = False
