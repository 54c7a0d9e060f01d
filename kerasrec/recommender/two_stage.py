import os
from dataclasses import replace
from typing import Any, Self

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.data._columns import shown
from kerasrec.recommender import _order, _saved, _vectors
from kerasrec.recommender._order import Order
from kerasrec.recommender._state import State
from kerasrec.recommender._state_holder import StateHolder
from kerasrec.recommender.ranker import Ranker
from kerasrec.recommender.recommender import Recommender


class TwoStage(Recommender):
    """One model finds candidates among all items, another one orders them: a `Recommender` of both.

    A list is made of the `n_candidates` best items of the first model, among those that may be recommended
    and that the user has not had, in the order of the second model's scores. Of equal scores the first
    model's better item stands first. Where a list, or the rules that choose its items, needs more, the first
    model finds more. What is asked of representations (`similar_items`, `item_vectors`, `build_index`) is
    asked of the first model; `score`, `rank` and `explain` of the second. `kerasrec.train_two_stages` trains
    both.

    A `Ranker` looks its columns up: the user's and the item's ids; the columns of `ranker.users` and
    `ranker.items`, and the metadata of the items; `candidate_score` (the first model's score before what
    only rescales it), `item_count` (how many users have the item) and `user_count` (how many items the user
    has), as far as it has columns of these names. What is left is the situation, which `context=` says.

    Args:
        candidates: `Recommender` that finds: its ids, history, metadata and rules are those of the whole.
        ranker: what orders: a `Ranker` of clicks, or a `Recommender` of the same ids.
        n_candidates: int, how many items the ranker orders. Defaults to `200`.

    Attributes:
        candidates: `Recommender`.
        ranker: `Ranker` or `Recommender`.
        n_candidates: int.
        name: of both models.

    Raises:
        TypeError: if `candidates` or `ranker` is of another type.
        ValueError: if the two have other ids, or `n_candidates` is not positive.

    Example:
        >>> import kerasrec
        >>> data = kerasrec.datasets.synthetic(20, 30, 100).interactions
        >>> first = kerasrec.Recommender.train(data, "popularity")
        >>> second = kerasrec.Recommender.train(data, "ease")
        >>> both = kerasrec.TwoStage(first, second, n_candidates=10)
        >>> both.recommend(data.user_ids[3], k=2)["item"].isin(
        ...     first.recommend(data.user_ids[3], k=10)["item"]
        ... ).all()
        np.True_
    """

    def __init__(
        self, candidates: Recommender, ranker: Ranker | Recommender, n_candidates: int = 200
    ) -> None:
        if not isinstance(candidates, Recommender) or isinstance(candidates, TwoStage):
            raise TypeError(
                "`candidates` must be a `kerasrec.Recommender` of one model. "
                f"Received: {type(candidates).__name__}."
            )
        if not isinstance(ranker, (Ranker, Recommender)) or isinstance(ranker, TwoStage):
            raise TypeError(
                "`ranker` must be a `kerasrec.Ranker` of clicks or a `kerasrec.Recommender` of one model. "
                f"Received: {type(ranker).__name__}."
            )
        n_candidates = positive_integer("n_candidates", n_candidates)
        state = candidates._now()
        second: Any = ranker
        if isinstance(ranker, Recommender):
            second = ranker._now()
            for side in ("user", "item"):
                _check_same(side, state.ids(side).raw, second.ids(side).raw)
        self._held = StateHolder(replace(state, order=Order(second, n_candidates)))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Args:
            path: the file.

        Returns:
            `TwoStage`.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is not a complete and harmless file of two stages.
        """
        state = _saved.load(path)
        if state.order is None:
            raise ValueError(
                "`path` must be a file of two stages; `kerasrec.Recommender.load` reads one of a single "
                "model. "
                f"Received: {os.fspath(path)}, of {state.name!r} alone."
            )
        return cls._of(state)

    def __repr__(self) -> str:
        return (
            f"TwoStage({self.name!r}, {self.n_users:,} users, {self.n_items:,} items, "
            f"{self.n_candidates:,} candidates)"
        )

    @property
    def candidates(self) -> Recommender:
        """What finds, alone."""
        return Recommender._of(replace(self._now(), order=None))

    @property
    def ranker(self) -> Ranker | Recommender:
        """What orders."""
        second = self._order.second
        return Recommender._of(second) if isinstance(second, State) else second

    @property
    def n_candidates(self) -> int:
        """How many items the ranker orders."""
        return self._order.n_candidates

    @property
    def name(self) -> str:
        """Of both models."""
        second = self._order.second
        other = second.name if isinstance(second, State) else second.model.name
        return f"{self._now().name} then {other}"

    @property
    def _order(self) -> Order:
        order: Any = self._now().order
        return order

    def score_catalogue(self, user_codes: Any) -> np.ndarray:
        """Scores of all items, by which `kerasrec.evaluation.evaluate` ranks them as one model.

        What is left after the candidates stands in the order of the first model. Candidates are those that a
        user did not have in the recommender's own interactions.

        Args:
            user_codes: `[B]`.

        Returns:
            float32 `[B, I]`: the candidates' places, above 0 and the best the highest, and numbers from -1 to
            0 for all others.

        Raises:
            ValueError: if the ranker reads a situation that `in_context` did not say.
        """
        state, codes = self._now(), np.asarray(user_codes)
        first = _vectors.ranker(state)
        n = self.n_candidates
        scores = np.empty((len(codes), state.n_items), np.float32)
        for part, found in _order.catalogue_scores(first, codes):
            low = found.min(axis=1, keepdims=True).astype(np.float64)
            span = found.max(axis=1, keepdims=True) - low
            scores[part] = (found - low) / np.where(span > 0, span, 1.0) - 1
        start = 0
        for block in _order.staged(state, first).rank(codes, n, state.history):
            rows, places = np.nonzero(block.items >= 0)
            scores[start + rows, block.items[rows, places]] = n - places
            start += len(block.items)
        return scores


def _check_same(side: str, known: np.ndarray, given: np.ndarray) -> None:
    if len(known) != len(given) or not (known == given).all():
        new = [raw for raw in given if raw not in set(known.tolist())]
        what = f"{shown(new[0])}, which `candidates` lacks" if new else f"{len(given)} for {len(known)}"
        raise ValueError(
            f"`ranker` must have the {side}s of `candidates`, with the same codes: train both on the same "
            f"interactions. Received: {what}."
        )
