import os
from dataclasses import replace
from typing import Any, Self

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.data._columns import shown
from kerasrec.recommender import _order, _saved, _vectors
from kerasrec.recommender._order import Order
from kerasrec.recommender._state import State
from kerasrec.recommender._state_holder import StateHolder, current_state
from kerasrec.recommender.ranker import Ranker
from kerasrec.recommender.recommender import Recommender


class TwoStage(Recommender):
    """A `Recommender` of two models: one retrieves candidates from all items, the other ranks them.

    The first model finds its `n_candidates` best items among those that may be recommended and that the user
    has not had. The second model ranks them. Ties are broken by the first model. If a list or its rules need
    more items, the first model finds more. Methods that need representations (`similar_items`,
    `item_vectors`, `build_index`) use the first model; `score`, `rank` and `explain` use the second.
    `kerasrec.train_two_stages` trains both.

    A `Ranker` gets its columns from the following sources, by name: the ids of the user and the item; the
    columns of `ranker.users` and `ranker.items`, and the metadata of the items; `candidate_score` (the first
    model's score before any rescaling), `item_count` (the number of users who have the item) and `user_count`
    (the number of items that the user has). All other columns are context, which `context=` gives.

    Args:
        candidates: `Recommender` that retrieves; its ids, history, metadata and rules apply to the whole.
        ranker: `Ranker` of clicks, or a `Recommender` with the same ids.
        n_candidates: int, number of items that the ranker ranks. Defaults to `200`.

    Attributes:
        candidates: `Recommender`.
        ranker: `Ranker` or `Recommender`.
        n_candidates: int.
        name: names of both models.

    Raises:
        TypeError: if `candidates` or `ranker` has the wrong type.
        ValueError: if the two have different ids, or `n_candidates` is not positive.

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
                "`candidates` must be a `kerasrec.Recommender` with one model. "
                f"Received: {type(candidates).__name__}."
            )
        if not isinstance(ranker, (Ranker, Recommender)) or isinstance(ranker, TwoStage):
            raise TypeError(
                "`ranker` must be a `kerasrec.Ranker` of clicks or a `kerasrec.Recommender` with one model. "
                f"Received: {type(ranker).__name__}."
            )
        n_candidates = positive_integer("n_candidates", n_candidates)
        state = current_state(candidates)
        second: Any = ranker
        if isinstance(ranker, Recommender):
            second = current_state(ranker)
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
            ValueError: if it is not a complete and safe file of two stages.
        """
        state = _saved.load(path)
        if state.order is None:
            raise ValueError(
                "`path` must be a file of two stages; `kerasrec.Recommender.load` reads files of a single "
                "model. "
                f"Received: {os.fspath(path)}, with only {state.name!r}."
            )
        return cls._of(state)

    def __repr__(self) -> str:
        return (
            f"TwoStage({self.name!r}, {self.n_users:,} users, {self.n_items:,} items, "
            f"{self.n_candidates:,} candidates)"
        )

    @property
    def candidates(self) -> Recommender:
        """The first stage alone, as a `Recommender`."""
        return Recommender._of(replace(self._now(), order=None))

    @property
    def ranker(self) -> Ranker | Recommender:
        """The second stage: a `Ranker` or a `Recommender`."""
        second = self._order.second
        return Recommender._of(second) if isinstance(second, State) else second

    @property
    def n_candidates(self) -> int:
        """Number of items that the ranker ranks."""
        return self._order.n_candidates

    @property
    def name(self) -> str:
        """The names of both models."""
        second = self._order.second
        other = second.name if isinstance(second, State) else second.model.name
        return f"{self._now().name} then {other}"

    @property
    def _order(self) -> Order:
        order: Any = self._now().order
        return order

    def score_catalogue(self, user_codes: Any) -> np.ndarray:
        """Scores of all items, with which `kerasrec.evaluation.evaluate` ranks them like those of one model.

        Items that are not candidates follow in the order of the first model. Items in the recommender's own
        interactions of the user are not candidates.

        Args:
            user_codes: `[B]`.

        Returns:
            float32 `[B, I]`: numbers above 0 for candidates, highest for the best, and numbers from -1 to 0
            for all other items.

        Raises:
            ValueError: if the ranker reads a context that `in_context` did not set.
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
