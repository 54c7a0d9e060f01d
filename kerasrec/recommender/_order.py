"""The second of two stages, which orders the candidates of the first."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data._columns import shown
from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._ranker import CatalogueRanker, Ranked
from kerasrec.evaluation._scorers import FactorRows
from kerasrec.recommender import _vectors
from kerasrec.recommender._state import State

if TYPE_CHECKING:
    from kerasrec.recommender.ranker import Ranker as ClickRanker

# Users `[B]`, items `[B, n]` and the scores that found them, to scores `[B, n]`.
Score = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
# Most numbers in memory at once while items are scored.
_NUMBERS = 1 << 23


@dataclass(frozen=True)
class Order:
    """The model that orders the candidates of a state.

    Attributes:
        second: a click model with its columns, or the state of another recommender of the same ids.
        n_candidates: number of candidates of the first model.
    """

    second: "ClickRanker | State"
    n_candidates: int

    def of_now(self) -> "Order":
        """The order with a state for the second model's current weights."""
        if not isinstance(self.second, State):
            return self
        now = self.second.of_now()
        return self if now is self.second else Order(now, self.n_candidates)


class Staged:
    """Orders the candidates of another ranker by other scores; ties stay in the order of the candidates.

    Longer lists than the number of candidates get more candidates.

    Args:
        first: `CatalogueRanker`, or another object with its interface.
        score: function that scores the candidates.
        n_candidates: least number of candidates.
        name: name of the ordering model, for messages.
    """

    def __init__(self, first: Any, score: Score, n_candidates: int, name: str) -> None:
        self.first, self.score, self.n_candidates, self.name = first, score, n_candidates, name
        self._boost: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._found: dict[tuple[int, bytes], list[Ranked]] = {}

    @property
    def scorer(self) -> Any:
        """The scorer of the first ranker."""
        return self.first.scorer

    @property
    def layout(self) -> Any:
        """The layout of the first ranker."""
        return self.first.layout

    def boosted(self, boost: np.ndarray, codes: np.ndarray, units: np.ndarray) -> "Staged":
        """A copy that adds boosts to the scores of the candidates.

        Args:
            boost: boost of each item `[I]`.
            codes: users to rank for, `[B]`.
            units: factor of each user, `[B]`.
        """
        found = Staged(self.first, self.score, self.n_candidates, self.name)
        order = np.argsort(codes, kind="stable")
        found._boost, found._found = (boost, codes[order], units[order]), self._found
        return found

    def rank(self, users: Any, k: int, seen: Ragged | None = None) -> Iterator[Ranked]:
        """The k best of the candidates of each user.

        Args:
            users: user codes `[U]`.
            k: int.
            seen: items to leave out, by user. Defaults to `None`: none.
        """
        users = np.asarray(users)
        n = max(k, self.n_candidates)
        key = n, users.tobytes()
        if key not in self._found:
            self._found.clear()  # lists with and without boosts have the same candidates
            self._found[key] = [self._scored(block) for block in self.first.rank(users, n, seen)]
        for block in self._found[key]:
            scores = block.scores
            if self._boost is not None:
                boost, codes, units = self._boost
                unit = units[np.searchsorted(codes, block.users)][:, None]
                scores = scores + (unit * boost[np.maximum(block.items, 0)]).astype(np.float32)
            best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
            items, scores = np.take_along_axis(block.items, best, 1), np.take_along_axis(scores, best, 1)
            yield Ranked(block.users, items, scores)

    def _scored(self, block: Ranked) -> Ranked:
        there = block.items >= 0
        scores = np.where(there, self.score(block.users, block.items, block.scores), np.float32(-np.inf))
        bad = there & ~np.isfinite(scores)
        if bad.any():
            row = int(np.argmax(bad.any(axis=1)))
            raise ValueError(
                f"Scores must be finite. Received: {shown(scores[row][bad[row]][0])} from {self.name!r}, "
                f"first for user code {block.users[row]}; the model diverged in training or its inputs are "
                "not finite."
            )
        return Ranked(block.users, block.items, scores)


def staged(state: State, ranker: Any) -> Any:
    """The ranker in two stages if a state has two; otherwise the ranker itself.

    Args:
        state: `State`.
        ranker: ranker of the first stage.
    """
    order = state.order
    if order is None:
        return ranker
    if isinstance(order.second, State):
        return Staged(ranker, of_ranker(_vectors.ranker(order.second)), order.n_candidates, order.second.name)
    from kerasrec.recommender._clicks import clicks_of

    score = clicks_of(state).score(state)
    return Staged(ranker, score, order.n_candidates, order.second.model.name)


def finish(state: State, codes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Scores `[B, k]` of the model that ordered the items, from the scores that ordered them.

    Args:
        state: `State`.
        codes: users `[B]`.
        scores: float32 `[B, k]`.
    """
    if state.order is None:
        return _vectors.scorer(state).finish(codes, scores)
    second = state.order.second
    return _vectors.scorer(second).finish(codes, scores) if isinstance(second, State) else scores


def pair_scores(state: State, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """The scores of the second stage for pairs, `[n]`.

    Args:
        state: `State` of two stages.
        users: codes `[n]`.
        items: codes `[n]`.
    """
    columns = items[:, None]
    first = _vectors.ranker(state)
    scores = staged(state, first).score(users, columns, scores_of(first, users, columns))
    return finish(state, users, scores)[:, 0]


def of_ranker(ranker: CatalogueRanker) -> Score:
    """A function that gives the scores of a ranker for some items of each user.

    Args:
        ranker: ranker of all items.
    """
    return lambda users, items, _: scores_of(ranker, users, items)


def catalogue_scores(ranker: CatalogueRanker, users: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """The scores of all items, one block of users at a time.

    Args:
        ranker: of all items.
        users: as the ranker takes them `[B]`.

    Yields:
        The place of the block in `users`, and float32 scores `[b, I]`.
    """
    layout, rows = ranker.layout, ranker.rows
    prepared = rows.prepare(users)
    step = max(1, _NUMBERS // layout.width)
    for start in range(0, len(users), step):
        part = slice(start, start + step)
        block = np.empty((len(prepared[part]), layout.width), np.float32)
        rows.fill(prepared[part], block)
        yield part, np.take(block, layout.columns, axis=1)


def scores_of(ranker: CatalogueRanker, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """The scores of a ranker for some items of each user.

    Args:
        ranker: ranker of all items.
        users: `[B]`, as the ranker takes them.
        items: item codes `[B, n]`; scores of -1 are meaningless.

    Returns:
        float32 `[B, n]`.
    """
    from kerasrec.evaluation._models import pair_scores, takes_pairs_alone

    items = np.maximum(items, 0)
    scorer: Any = ranker.scorer
    if takes_pairs_alone(scorer):
        calls = scorer.score
        pairs = np.repeat(users, items.shape[1]), items.ravel()
        return pair_scores(calls.model, *pairs, calls.inputs).reshape(items.shape)
    found = np.empty(items.shape, np.float32)
    rows: Any = ranker.rows
    prepared: Any = rows.prepare(users)
    columns = ranker.layout.columns[items]
    of_factors = isinstance(rows, FactorRows)
    width = items.shape[1] * rows.items.shape[1] if isinstance(rows, FactorRows) else ranker.layout.width
    step = max(1, _NUMBERS // max(1, width))
    for start in range(0, len(users), step):
        part = slice(start, start + step)
        if of_factors:
            pair = prepared[part].astype(np.float64), rows.items[columns[part]].astype(np.float64)
            found[part] = np.einsum("bc,bnc->bn", *pair)
        else:
            block = np.empty((len(users[part]), ranker.layout.width), np.float32)
            rows.fill(prepared[part], block)
            found[part] = np.take_along_axis(block, columns[part], 1)
    return found
