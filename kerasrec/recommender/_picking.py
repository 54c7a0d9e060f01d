"""Lists under rules, item by item from the top, for many users at once."""

from typing import Any, NamedTuple

import numpy as np

from kerasrec.recommender._ruled import Ruled

# Of the user's own mix in the list's, so that a value that the list lacks costs no infinity (Steck, eq. 7).
_SMOOTHING = 0.01


class Picked(NamedTuple):
    """Lists chosen from pools.

    Attributes:
        places: `[B, k]`, places in the pool; -1 behind the last one.
        reasons: bool `[B, k, R]`, which rules brought the item to its place.
        whole: bool `[B]`, whether the list has `k` items and all that `at_least` asks for.
        unmet: bool `[B, Q]`, which `at_least` the pool could not meet.
    """

    places: np.ndarray
    reasons: np.ndarray
    whole: np.ndarray
    unmet: np.ndarray


def names_of(ruled: Ruled) -> tuple[str, ...]:
    """The rules that `reasons` tells apart, in its order."""
    names = [cap.name for cap in ruled.caps] + [quota.name for quota in ruled.quotas] + list(ruled.boosts)
    return (*names, "diversity", next((x for x in ruled.rules.names if x[:9] == "calibrate"), ""), "explore")


def pick(ruled: Ruled, pool: np.ndarray, scores: np.ndarray, k: int, taste: np.ndarray | None) -> Picked:
    """The best list that the rules let the scores make, one item after the other.

    Args:
        ruled: `Ruled`.
        pool: item codes `[B, P]`, best first; -1 behind the last one.
        scores: float32 `[B, P]`, boosts included.
        k: int.
        taste: what the list is calibrated to `[B, G]`, or `None`.
    """
    n, width = pool.shape
    rows, there = np.arange(n), pool >= 0
    items = np.where(there, pool, 0)
    relevance = _relevance(scores, there)
    free, state = there.copy(), _Counts(ruled, items)
    diversity, calibration = _Similarity(ruled, items), _Divergence(ruled, items, taste)
    weight = 1 - diversity.weight - calibration.weight
    places = np.full((n, k), -1)
    reasons = np.zeros((n, k, len(names_of(ruled))), bool)
    unmet = np.zeros((n, len(ruled.quotas)), bool)
    for place in range(k):
        capped, reserved = state.capped(), state.reserved(k - place)
        allowed = free & ~reserved
        for own in capped:
            allowed &= ~own
        none = ~allowed.any(axis=1)
        if none.any() and ruled.quotas:
            unmet[none] |= state.needs[none] > 0
            state.needs[none] = 0
            allowed[none] = free[none]
            for own in capped:
                allowed[none] &= ~own[none]
            none = ~allowed.any(axis=1)
        apart, off = diversity.values(), calibration.values(place)
        value = weight * relevance - diversity.weight * apart - calibration.weight * off
        chosen = np.where(allowed, value, -np.inf).argmax(axis=1)
        # What moved it: rules that barred the most relevant item left, and terms that made others better.
        first = np.where(free, relevance, -1.0).argmax(axis=1)
        barred = ~allowed[rows, first]
        for at, bars in enumerate((*capped, *[reserved & (state.needs[:, [q]] > 0) for q in state.quotas])):
            reasons[:, place, at] = barred & bars[rows, first]
        best = np.where(allowed, relevance, -1.0).argmax(axis=1)
        for at, term in ((-3, apart), (-2, off)):
            if np.ndim(term):
                reasons[:, place, at] = (chosen != best) & (term[rows, chosen] < term[rows, best])
        for at, boost in enumerate(ruled.boosts.values(), len(ruled.caps) + len(ruled.quotas)):
            reasons[:, place, at] = boost[items[rows, chosen]] != 0
        reasons[none, place] = False
        places[:, place] = np.where(none, -1, chosen)
        free[rows, chosen] = False
        if none.all():
            break
        state.take(chosen, ~none)
        diversity.take(chosen)
        calibration.take(chosen)
    whole = (places[:, -1] >= 0) & ~unmet.any(axis=1)
    return Picked(places, reasons, whole, unmet)


def _relevance(scores: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Scores from 0, the last of the pool, to 1, the best."""
    exact = scores.astype(np.float64)
    low = np.where(there, exact, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    high = np.where(there, exact, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        span = high - low
        return np.where(there, (exact - low) / np.where(span > 0, span, 1.0), 0.0)


class _Counts:
    """How many items of the lists so far count for each rule."""

    def __init__(self, ruled: Ruled, items: np.ndarray) -> None:
        self.caps = [(cap.n, cap.codes[items]) for cap in ruled.caps]
        self.used = [np.zeros(codes.shape, np.int32) for _, codes in self.caps]
        self.quotas = range(len(ruled.quotas))
        self.true = [quota.true[items] for quota in ruled.quotas]
        self.needs = np.tile([quota.n for quota in ruled.quotas], (len(items), 1))
        self.rows = np.arange(len(items))
        self.shape = items.shape

    def capped(self) -> list[np.ndarray]:
        """Of each `at_most`, which items it bars `[B, P]`."""
        pairs = zip(self.caps, self.used, strict=True)
        return [((used >= n) & (codes >= 0)).any(axis=2) for (n, codes), used in pairs]

    def reserved(self, left: int) -> np.ndarray:
        """Which items would take a place that `at_least` needs `[B, P]`."""
        if not self.quotas:
            return np.zeros(self.shape, bool)
        after = self.needs.sum(axis=1)[:, None] - sum(
            self.true[q] & (self.needs[:, [q]] > 0) for q in self.quotas
        )
        return np.asarray(after > left - 1)

    def take(self, chosen: np.ndarray, taken: np.ndarray) -> None:
        for (_, codes), used in zip(self.caps, self.used, strict=True):
            own = codes[self.rows, chosen]
            for value in own.T:
                used += (codes == value[:, None, None]) & taken[:, None, None]
        for q in self.quotas:
            self.needs[:, q] -= self.true[q][self.rows, chosen] & taken & (self.needs[:, q] > 0)


class _Similarity:
    """The largest cosine with an item of the list so far, of each item of the pool."""

    def __init__(self, ruled: Ruled, items: np.ndarray) -> None:
        self.weight = float(ruled.rules.diversity or 0.0)
        self.items, self.vectors, self.rows = items, ruled.vectors, np.arange(len(items))
        self.largest: Any = 0.0
        dense = self.vectors is not None and isinstance(self.vectors, np.ndarray)
        self.own = self.vectors[items] if dense else None

    def values(self) -> Any:
        return self.largest

    def take(self, chosen: np.ndarray) -> None:
        if self.vectors is None:
            return
        if self.own is not None:
            cosines = np.matmul(self.own, self.own[self.rows, chosen][:, :, None])[:, :, 0]
        else:
            picked = np.repeat(self.items[self.rows, chosen], self.items.shape[1])
            product = self.vectors[self.items.ravel()].multiply(self.vectors[picked])
            cosines = np.asarray(product.sum(axis=1)).reshape(self.items.shape)
        self.largest = cosines if np.ndim(self.largest) == 0 else np.maximum(self.largest, cosines)


class _Divergence:
    """How far lists with each item of the pool are from the user's mix (Steck 2018, equations 5 to 7)."""

    def __init__(self, ruled: Ruled, items: np.ndarray, taste: np.ndarray | None) -> None:
        self.weight = ruled.rules.weight_of_calibration if taste is not None else 0.0
        self.taste, self.rows = taste, np.arange(len(items))
        if taste is not None:
            shares: Any = ruled.shares
            self.own = shares[items]
            self.sums = np.zeros((len(items), 1, shares.shape[1]))

    def values(self, place: int) -> Any:
        if self.taste is None:
            return 0.0
        wanted = self.taste[:, None, :]
        mixed = (1 - _SMOOTHING) * (self.sums + self.own) / (place + 1) + _SMOOTHING * wanted
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(wanted > 0, wanted * np.log(wanted / mixed), 0.0)
        return terms.sum(axis=2)

    def take(self, chosen: np.ndarray) -> None:
        if self.taste is not None:
            self.sums += self.own[self.rows, chosen][:, None, :]
