"""Users who were not in training: folded in from a few items, or from what is known of them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.data import _likes
from kerasrec.data._columns import several, shown
from kerasrec.data._encoders import Indicator
from kerasrec.evaluation._models import SourceScorer, outputs
from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._ranker import Ranker
from kerasrec.evaluation._scorers import CatalogueScorer
from kerasrec.layers import FeatureLookup
from kerasrec.recommender._ends import Ends, finished, ranker_of
from kerasrec.recommender._folding import FoldIn
from kerasrec.recommender._held import SEED
from kerasrec.recommender._lists import Request
from kerasrec.recommender._reading import reads, without_rows
from kerasrec.recommender._sides import Sides
from kerasrec.recommender._similar import Similar

if TYPE_CHECKING:
    import pandas as pd


class Newcomers(Similar):
    """Recommendations for users never seen before."""

    def recommend_for_history(
        self,
        items: Any,
        values: Any = None,
        k: int = 10,
        exclude_seen: bool = True,
        only: Any = None,
        exclude: Any = None,
        with_scores: bool = True,
    ) -> "pd.DataFrame":
        """The best items for someone who was not in training, from the items that they have.

        Where the model represents users and items, their representation is that which least squares give for
        the trained users from the items that those have (ridge regression; `docs/recommender.md` has the
        figures beside other ways). EASE and neighbours score a history as they score those of training.

        Args:
            items: raw item ids, or a dict of them by a name for each of several users.
            values: what the history is worth, one number an item (a dict where `items` is one).
                Defaults to `None`: what the recommender's users gave to items they like, on average.
            k: int, length of a list. Defaults to `10`.
            exclude_seen: bool, leave out the history itself. Defaults to `True`.
            only: raw ids of the items that may be recommended. Defaults to `None`: all.
            exclude: raw ids of items that may not. Defaults to `None`: none.
            with_scores: bool, whether the frame has scores. Defaults to `True`.

        Returns:
            Frame as `recommend` gives it; without the column `user` where `items` is no dict.

        Raises:
            ValueError: if a history is empty, an item is unknown, fewer than `k` items are left, or the model
                neither represents users and items nor scores histories.
        """
        named = isinstance(items, Mapping)
        histories = {name: several(own) for name, own in (items if named else {None: items}).items()}
        if not histories:
            raise ValueError("`items` must hold at least one history. Received: an empty dict.")
        if named and values is not None and not isinstance(values, Mapping):
            raise TypeError(
                "`values` must be a dict of the histories' values where `items` is one. "
                f"Received: {type(values).__name__}."
            )
        weights = values if named and values is not None else {None: values}
        codes, given = [], []
        for name, own in histories.items():
            who = f" of {shown(name)}" if named else ""
            if not len(own):
                raise ValueError(f"A history must have at least one item. Received: none{who}.")
            codes.append(self._item_codes(own))
            given.append(self._history_values(weights.get(name), len(codes[-1]), who))
        rows = np.repeat(np.arange(len(codes)), [len(x) for x in codes])
        history = Ragged(rows, np.concatenate(codes), len(codes), np.concatenate(given))
        names = np.array(list(histories), object)
        return self._for_newcomers(
            names, history, None, k, exclude_seen, only, exclude, with_scores, named=named
        )

    def recommend_for_features(
        self,
        frame: "pd.DataFrame",
        k: int = 10,
        only: Any = None,
        exclude: Any = None,
        with_scores: bool = True,
    ) -> "pd.DataFrame":
        """The best items for users of whom only features are known.

        Args:
            frame: the columns that `user_features` were made from, indexed by a name for each user.
            k: int, length of a list. Defaults to `10`.
            only: raw ids of the items that may be recommended. Defaults to `None`: all.
            exclude: raw ids of items that may not. Defaults to `None`: none.
            with_scores: bool, whether the frame has scores. Defaults to `True`.

        Returns:
            Frame as `recommend` gives it; `user` is the index of `frame`.

        Raises:
            ValueError: if a column is missing, the recommender was made without `user_features`, or the model
                takes none.
        """
        if self.user_features is None:
            raise ValueError(
                "`user_features` must be given to the recommender for users known by their features alone. "
                "Received: user_features=None."
            )
        sides = self._sides()
        alone = all(isinstance(encoder, Indicator) for encoder in self.user_features._encoders)
        if sides is None or alone or not reads(sides.user, self.user_features):
            raise ValueError(
                f"The model must read features of users for `recommend_for_features`. Received: "
                f"{self.model.name!r}, which reads none."
            )
        matrix = self.user_features.transform(frame).matrix
        matrix[:, without_rows(self.user_features.matrix)] = 0  # of which nothing was learned
        matrix.eliminate_zeros()
        ends = side_of_features(sides.user, matrix)
        nothing = Ragged([], [], len(frame))
        return self._for_newcomers(
            np.asarray(frame.index), nothing, ends, k, False, only, exclude, with_scores
        )

    def _history_values(self, values: Any, n: int, who: str) -> np.ndarray:
        if values is None:
            return np.full(
                n,
                self._once("liking", lambda: _liking(self._history.values[self._history.liked])),
                np.float32,
            )
        listed = np.asarray(several(values))
        numeric = listed.dtype.kind in "biuf" and listed.shape == (n,)
        bad: Any = np.flatnonzero(~np.isfinite(listed.astype(np.float32))) if numeric else []
        if not numeric or len(bad):
            received = shown(listed[bad[0]]) if len(bad) else f"{listed.shape} of {listed.dtype}"
            raise ValueError(
                f"`values` must be one finite number an item. Received: {received} for {n} items{who}."
            )
        return listed.astype(np.float32)

    def _for_newcomers(
        self,
        names: np.ndarray,
        history: Ragged,
        ends: Ends | None,
        k: int,
        exclude_seen: bool,
        only: Any,
        exclude: Any,
        with_scores: bool,
        named: bool = True,
    ) -> "pd.DataFrame":
        k = positive_integer("k", k)
        candidates = self._candidates(only, exclude)
        seen = history if exclude_seen else None
        rows = np.arange(len(names), dtype=np.int32)
        self._check_left(names, rows, k, candidates, seen)
        request = Request(names, rows, k, candidates, seen, "error", with_scores)
        sides = self._sides()
        if sides is None:
            ranker = self._history_ranker(history, candidates)
        else:
            if ends is None:
                fold: FoldIn = self._once("fold_in", lambda: self._fold_in(sides))
                ends = fold(history)
            ranker = ranker_of(self._ranker(candidates), sides, ends, self.n_items)
        blocks = list(ranker.rank(rows, request.k, request.seen))
        items = np.concatenate([block.items for block in blocks])
        scores = np.concatenate([block.scores for block in blocks])
        if sides is not None and ends is not None and with_scores:
            scores = finished(sides, ends, scores)
        return self._frame(names if named else None, items, scores if with_scores else None)

    def _fold_in(self, sides: Sides) -> FoldIn:
        items = sides.table("item", np.arange(self.n_items, dtype=np.int32))
        users = outputs(sides.user, np.arange(self.n_users, dtype=np.int32))
        return FoldIn(items, users, self._history)

    def _history_ranker(self, history: Ragged, candidates: np.ndarray | None) -> Ranker:
        import scipy.sparse

        scorer = self._scorer()
        source: Any = scorer.source if isinstance(scorer, SourceScorer) else None
        if not hasattr(source, "score_histories"):
            raise ValueError(
                "The model must represent users and items, or score histories, to recommend for a history; "
                f"`update` trains it on new users instead. Received: {self.model.name!r}."
            )
        liked = _likes.liked(history.values, self._history.meaning.least)
        rows = np.repeat(np.arange(len(history.starts) - 1), np.diff(history.starts))[liked]
        parts = np.ones(len(rows), np.float32), (rows, history.items[liked])
        matrix = scipy.sparse.csr_matrix(parts, (len(history.starts) - 1, self.n_items))
        scores = source.score_histories(matrix)
        return Ranker(
            CatalogueScorer(lambda codes: scores[codes], self.n_items), SEED, candidates, self.model.name
        )


def _liking(values: np.ndarray) -> float:
    """The mean of the likes that are not below their mean: of ratings those that mean a liking."""
    return float(values[values >= values.mean()].mean()) if len(values) else 1.0


def side_of_features(side: keras.Model, matrix: Any) -> Ends:
    """What one side of a model gives for rows of features, in place of those of its own entities."""

    def replaced(layer: Any) -> Any:
        if isinstance(layer, FeatureLookup):
            # Wide enough also where all rows are the identity or empty.
            return FeatureLookup.from_matrix(matrix) if matrix.nnz else _Empty(matrix.shape[0])
        return layer

    return outputs(
        keras.models.clone_model(side, clone_function=replaced), np.arange(matrix.shape[0], dtype=np.int32)
    )


class _Empty(FeatureLookup):
    """Entities without any feature."""

    def call(self, codes: Any) -> dict[str, Any]:
        """Bags of weight 0."""
        bag = super().call(codes)
        return {
            "indices": keras.ops.zeros_like(bag["indices"]),
            "weights": keras.ops.zeros_like(bag["weights"]),
        }
