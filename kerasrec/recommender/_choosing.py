"""Lists chosen under rules from the candidates of a ranker, for any number of users."""

import copy
from typing import Any, NamedTuple

import numpy as np

from kerasrec._threads import map_blocks, n_threads
from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._ranker import CatalogueRanker, ranked
from kerasrec.evaluation._scorers import CatalogueScorer, FactorRows
from kerasrec.recommender._compiled_rules import EXPLORE, CompiledRules
from kerasrec.recommender._exploring import explore, rows_at_once
from kerasrec.recommender._picking import Picked, pick

# Numbers in the pools of lists chosen at once, and number of lists: they fit into the processor's cache.
_NUMBERS = 1 << 21
_ROWS = 512
# Factor by which a pool grows if it does not fill the list.
_LONGER = 4


class Chosen(NamedTuple):
    """Lists under rules.

    Attributes:
        items: item codes `[B, k]`; -1 after the last one.
        scores: the scores that ranked the items, without boosts, float32 `[B, k]`; minus infinity if there
            is no item, NaN if an item was drawn.
        before: `[B, k]`, rank by the scores alone; 0 if the item was drawn, or if not requested.
        reasons: by the name of a rule, bool `[B, k]`, whether it moved an item; empty if not requested.
        propensities: `[B, k]`, or `None` without `explore`.
        unmet: bool `[B, Q]`, which `at_least` could not be met.
    """

    items: np.ndarray
    scores: np.ndarray
    before: np.ndarray
    reasons: dict[str, np.ndarray]
    propensities: np.ndarray | None
    unmet: np.ndarray


def choose(
    ruled: CompiledRules,
    ranker: CatalogueRanker,
    codes: np.ndarray,
    k: int,
    seen: Ragged | None,
    taste: np.ndarray | None = None,
    draw: np.random.Generator | None = None,
    moves: bool = False,
) -> Chosen:
    """The lists of some users.

    The pool of a user holds the best items of the whole catalogue, in order. It grows until it fills the list
    or holds all items. If the rules depend only on the order of the items, a filled list is the one that the
    whole catalogue would give.

    Args:
        ruled: `CompiledRules`.
        ranker: what ranks the items that may be recommended.
        codes: users `[B]` as the ranker takes them.
        k: int.
        seen: items to leave out, or `None`.
        taste: of these users `[B, G]`, for `calibrate`, or `None`.
        draw: source of randomness for `explore`. Defaults to `None`.
        moves: bool, whether to find each item's rank by the scores alone, and the rules that moved it.
            Defaults to `False`.
    """
    bare = ranker
    width = max(k, ruled.rules.pool)
    # In two stages, use all candidates of the first stage before it finds more.
    n_candidates = getattr(ranker, "n_candidates", 0)
    bare_items, bare_scores = ranked(ranker, codes, width, seen)
    added: np.ndarray | None = None
    items, scores = bare_items, bare_scores
    if ruled.boosts:
        units = _units(bare_scores)
        ranker = _boosted(ranker, ruled, codes, units)
        items, scores = ranked(ranker, codes, width, seen)
        added = units
    found = Chosen(
        np.full((len(codes), k), -1, np.int32),
        np.full((len(codes), k), -np.inf, np.float32),
        np.zeros((len(codes), k), np.int64),
        {name: np.zeros((len(codes), k), bool) for name in ruled.movers} if moves else {},
        None,
        np.zeros((len(codes), len(ruled.quotas)), bool),
    )
    if ruled.directions is not None:
        ruled.directions.prepare(len(codes))
    rows = np.arange(len(codes))
    while len(rows):
        again = []
        step = max(1, min(_ROWS, _NUMBERS // max(1, items.shape[1] * _depth(ruled))))

        def work(
            part: slice, rows: np.ndarray = rows, items: np.ndarray = items, scores: np.ndarray = scores
        ) -> tuple[slice, Picked]:
            own = None if taste is None else taste[rows[part]]
            return part, pick(ruled, items[part], scores[part], k, own, moves)

        parts = [slice(start, start + step) for start in range(0, len(rows), step)]
        for part, picked in map_blocks(work, parts, min(n_threads(), len(parts))):
            short = ~picked.whole & (items[part][:, -1] >= 0)
            if items.shape[1] >= ranker.scorer.n_items:
                short[:] = False
            done = rows[part][~short]
            _put(found, done, picked, items[part], scores[part], ~short)
            again.append(rows[part][short])
        rows = np.concatenate(again)
        if len(rows):
            longer = n_candidates if width < n_candidates else _LONGER * width
            width = min(longer, ranker.scorer.n_items)
            items, scores = ranked(ranker, codes[rows], width, seen)
    if moves:
        _find_places(found, bare, codes, bare_items, seen)
    if added is not None:
        boost: Any = ruled.boost
        there = found.items >= 0
        more = np.where(there, boost[np.maximum(found.items, 0)] * added[:, None], 0.0)
        found.scores[there] = (found.scores.astype(np.float64) - more)[there]
    if not ruled.rules.explore:
        return found
    return _explored(ruled, ranker, codes, seen, found, np.random.default_rng() if draw is None else draw)


def _depth(ruled: CompiledRules) -> int:
    """Approximate memory of a pool, in numbers per item."""
    found = 4 if ruled.shares is None else 4 + ruled.shares.shape[1]
    return found if ruled.directions is None else found + ruled.directions.depth


def _units(scores: np.ndarray) -> np.ndarray:
    """The range of the scores in the pool of each user, float64 `[B]`."""
    exact = np.where(scores > -np.inf, scores, np.inf).astype(np.float64)
    low = exact.min(axis=1, initial=np.inf)
    high = np.where(scores > -np.inf, scores, -np.inf).astype(np.float64).max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(low), high - np.where(np.isfinite(low), low, 0.0), 0.0)


def _put(
    found: Chosen, rows: np.ndarray, picked: Any, items: np.ndarray, scores: np.ndarray, kept: np.ndarray
) -> None:
    places = picked.places[kept]
    there = places >= 0
    at = np.maximum(places, 0)
    found.items[rows] = np.where(there, np.take_along_axis(items[kept], at, 1), -1)
    found.scores[rows] = np.where(there, np.take_along_axis(scores[kept], at, 1), -np.inf)
    for name, moved in picked.reasons.items():
        found.reasons[name][rows] = moved[kept]
    found.unmet[rows] = picked.unmet[kept]


def _find_places(
    found: Chosen, ranker: CatalogueRanker, codes: np.ndarray, pool: np.ndarray, seen: Ragged | None
) -> None:
    """Fill in the rank of each item by the scores alone, in a pool that is long enough."""
    rows = np.arange(len(codes))
    while len(rows):
        found.before[rows] = _places(found.items[rows], pool)
        lacking = ((found.items[rows] >= 0) & (found.before[rows] == 0)).any(axis=1)
        width = pool.shape[1]
        rows = rows[lacking] if width < ranker.scorer.n_items else rows[:0]
        if len(rows):
            pool = ranked(ranker, codes[rows], min(_LONGER * width, ranker.scorer.n_items), seen)[0]


def _places(items: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """Rank of each item of a list in its pool, from 1; 0 if it is not in the pool."""
    found = np.zeros(items.shape, np.int64)
    for place in range(items.shape[1]):
        same = (pool == items[:, [place]]) & (items[:, [place]] >= 0)
        found[:, place] = np.where(same.any(axis=1), same.argmax(axis=1) + 1, 0)
    return found


def _explored(
    ruled: CompiledRules,
    ranker: CatalogueRanker,
    codes: np.ndarray,
    seen: Ragged | None,
    chosen: Chosen,
    draw: np.random.Generator,
) -> Chosen:
    n_items = ranker.scorer.n_items
    candidates = ranker.layout.columns >= 0
    items, propensities = chosen.items.copy(), np.ones(chosen.items.shape)
    step = rows_at_once(n_items)
    for start in range(0, len(codes), step):
        part = slice(start, start + step)
        allowed = np.tile(candidates, (len(codes[part]), 1))
        if seen is not None:
            rows, index = seen.index(codes[part])
            allowed[rows, seen.items[index]] = False
        items[part], propensities[part] = explore(ruled, chosen.items[part], allowed, draw)
    drawn = items != chosen.items
    scores, before = np.where(drawn, np.float32(np.nan), chosen.scores), np.where(drawn, 0, chosen.before)
    reasons = {name: drawn if name == EXPLORE else moved & ~drawn for name, moved in chosen.reasons.items()}
    return Chosen(items, scores, before, reasons, propensities, chosen.unmet)


def _boosted(
    ranker: CatalogueRanker, ruled: CompiledRules, codes: np.ndarray, units: np.ndarray
) -> CatalogueRanker:
    """The same ranker with the boosts of each user added to the scores."""
    if hasattr(ranker, "boosted"):
        two_stages: Any = ranker
        return two_stages.boosted(ruled.boost, codes, units)
    order = np.argsort(codes, kind="stable")
    codes, units = codes[order], units[order]
    every: Any = ruled.boost
    items = ranker.layout.items
    boost = np.where(items >= 0, every[np.maximum(items, 0)], 0.0)
    found = copy.copy(ranker)
    rows = ranker.rows
    if isinstance(rows, FactorRows):
        found.rows = rows.boosted(boost, lambda users: units[np.searchsorted(codes, users)])
    else:
        found.rows = _BoostedRows(rows, boost, codes, units)
    return found


class _Prepared:
    """Prepared rows of a ranker with the unit of each."""

    def __init__(self, rows: Any, units: np.ndarray) -> None:
        self.rows, self.units = rows, units

    def __len__(self) -> int:
        return len(self.units)

    def __getitem__(self, part: slice) -> "_Prepared":
        return _Prepared(self.rows[part], self.units[part])


class _BoostedRows:
    def __init__(self, rows: Any, boost: np.ndarray, codes: np.ndarray, units: np.ndarray) -> None:
        self.rows, self.codes, self.units = rows, codes, units
        self.boost = boost
        self.columns = np.flatnonzero(boost)

    def prepare(self, users: np.ndarray) -> Any:
        return _Prepared(self.rows.prepare(users), self.units[np.searchsorted(self.codes, users)])

    def fill(self, prepared: Any, out: np.ndarray) -> None:
        self.rows.fill(prepared.rows, out)
        out[:, self.columns] += (prepared.units[:, None] * self.boost[self.columns]).astype(np.float32)


def of_counts(ranker: CatalogueRanker, counts: np.ndarray) -> CatalogueRanker:
    """A ranker of the same items that gives every user the same scores."""
    ranker = getattr(ranker, "first", ranker)
    row = counts.astype(np.float32)
    scorer = CatalogueScorer(lambda codes: np.broadcast_to(row, (len(codes), len(row))), len(row))
    found = copy.copy(ranker)
    found.scorer, found.rows = scorer, scorer.arrange(ranker.layout)
    return found
