"""Lists for users who were not in training, from a few items or from their features."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec._inputs import by_history_alone
from kerasrec.data import ModelInputs, Sequences, _likes
from kerasrec.data._columns import several, shown
from kerasrec.data._encoders import Indicator
from kerasrec.evaluation._folding import FoldIn
from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._ranker import CatalogueRanker, ranked
from kerasrec.evaluation._scorers import CatalogueScorer, FactorScorer, Scorer
from kerasrec.recommender import _index, _vectors
from kerasrec.recommender._choosing import choose
from kerasrec.recommender._compiled_rules import check_length, tastes
from kerasrec.recommender._context import in_context
from kerasrec.recommender._frames import list_frame
from kerasrec.recommender._order import Staged, of_ranker
from kerasrec.recommender._request import candidates_of, check_left, rules_of
from kerasrec.recommender._rule_effects import Shortage, columns_of
from kerasrec.recommender._state import SEED, State

if TYPE_CHECKING:
    import pandas as pd

    from kerasrec.recommender._new_user_scores import Ends


def recommend_for_history(
    state: State,
    items: Any,
    values: Any = None,
    exclude_seen: bool = True,
    context: Any = None,
    say: bool = True,
    **how: Any,
) -> "pd.DataFrame":
    """The best items for someone who was not in training, from a history.

    Args:
        state: `State`.
        items: raw item ids, or a dict of them by user name.
        values: one number per item, or a dict if `items` is one. Defaults to `None`.
        exclude_seen: whether to leave out the history itself. Defaults to `True`.
        context: entries of the context columns, or `None`.
        say: whether to warn of lists that rules make too short. Defaults to `True`.
        **how: as `Recommender.recommend_for_history` takes it.
    """
    state = in_context(state, context)
    named = isinstance(items, Mapping)
    histories = {name: several(own) for name, own in (items if named else {None: items}).items()}
    if not histories:
        raise ValueError("`items` must hold at least one history. Received: an empty dict.")
    if named and values is not None and not isinstance(values, Mapping):
        raise TypeError(
            "`values` must be a dict of the histories' values if `items` is a dict. "
            f"Received: {type(values).__name__}."
        )
    weights = values if named and values is not None else {None: values}
    codes, given = [], []
    for name, own in histories.items():
        who = f" of {shown(name)}" if named else ""
        if not len(own):
            raise ValueError(f"A history must have at least one item. Received: none{who}.")
        codes.append(state.items.codes(own))
        given.append(_values(state, weights.get(name), len(codes[-1]), who))

    def ends_of(own: State) -> "Ends | Scorer | None":
        return _ends_of_histories(own, codes, given) if by_history_alone(_vectors.inputs(own).names) else None

    if len(codes) == 1:
        history = Ragged(0, codes[0], 1, given[0])
    else:
        rows = np.repeat(np.arange(len(codes)), [len(x) for x in codes])
        history = Ragged(rows, np.concatenate(codes), len(codes), np.concatenate(given))
    names = np.array(list(histories), object)
    return _for_newcomers(state, names, history, ends_of, exclude_seen, named=named, say=say, **how)


def recommend_for_features(state: State, frame: "pd.DataFrame", **how: Any) -> "pd.DataFrame":
    """The best items for users with features only.

    Args:
        state: `State`.
        frame: columns of the user features, indexed by the names of the users.
        **how: as `Recommender.recommend_for_features` takes it.
    """
    nothing = Ragged([], [], len(frame))

    def ends_of(own: State) -> "Ends":
        return _ends_of_features(own, frame)

    return _for_newcomers(state, np.asarray(frame.index), nothing, ends_of, exclude_seen=False, **how)


def _ends_of_features(state: State, frame: "pd.DataFrame") -> "Ends":
    """The outputs of the user's side for features."""
    from kerasrec.recommender._new_user_scores import side_of_features
    from kerasrec.recommender._reading import reads, without_rows

    features = state.user_features
    if features is None:
        raise ValueError(
            "`user_features` must be given to the recommender for users known by their features alone. "
            "Received: user_features=None."
        )
    sides = _vectors.sides(state)
    alone = all(isinstance(encoder, Indicator) for encoder in features._encoders)
    if sides is None or alone or not reads(sides.user, features):
        raise ValueError(
            f"The model must read features of users for `recommend_for_features`. Received: "
            f"{state.name!r}, which reads none."
        )
    matrix = features.transform(frame).matrix
    matrix[:, without_rows(features.matrix)] = 0  # training learned nothing about these
    matrix.eliminate_zeros()
    return side_of_features(sides.user, matrix)


def _ends_of_histories(state: State, codes: list[np.ndarray], values: list[np.ndarray]) -> "Ends | Scorer":
    """The outputs of the user's side for the likes in histories."""
    from kerasrec.evaluation._models import scorer_of, user_outputs

    least = state.history.meaning.least
    lists = [own[_likes.liked(value, least)] for own, value in zip(codes, values, strict=True)]
    inputs = ModelInputs(state.model, Sequences.of_lists(lists, state.n_items))
    sides = _vectors.sides(state)
    if sides is None or sides.towers is None:
        return scorer_of(state.model, state.n_items, inputs)
    return user_outputs(sides.towers, np.arange(len(lists), dtype=np.int32), inputs)


def _values(state: State, values: Any, n: int, who: str) -> np.ndarray:
    """The values of a history, one number per item."""
    if values is None:
        history = state.history
        return np.full(n, state.once("liking", lambda: _mean_like(history.values[history.liked])), np.float32)
    listed = np.asarray(several(values))
    numeric = listed.dtype.kind in "biuf" and listed.shape == (n,)
    bad: Any = np.flatnonzero(~np.isfinite(listed.astype(np.float32))) if numeric else []
    if not numeric or len(bad):
        received = shown(listed[bad[0]]) if len(bad) else f"{listed.shape} of {listed.dtype}"
        raise ValueError(
            f"`values` must be one finite number per item. Received: {received} for {n} items{who}."
        )
    return listed.astype(np.float32)


def _for_newcomers(
    state: State,
    names: np.ndarray,
    history: Ragged,
    ends_of: "Callable[[State], Ends | Scorer | None]",
    exclude_seen: bool,
    k: int = 10,
    only: Any = None,
    exclude: Any = None,
    with_scores: bool = True,
    named: bool = True,
    short: str = "error",
    rules: Any = None,
    index: str = "auto",
    say: bool = True,
) -> "pd.DataFrame":
    k = positive_integer("k", k)
    ruled = rules_of(state, rules)
    if ruled is not None:
        check_length(ruled, k)
    candidates = candidates_of(state, only, exclude, ruled)
    seen = history if exclude_seen else None
    rows = np.arange(len(names), dtype=np.int32)
    shortage = Shortage(ruled, k)
    if short == "error":
        check_left(state, names, rows, k, candidates, seen)
    elif candidates is not None and not len(candidates):
        shortage.add(names, np.full((len(names), 1), -1), short)
        if say:
            shortage.say()
        nothing = np.empty((0, k), np.int32), np.empty((0, k), np.float32)
        return list_frame(
            state, names[:0] if named else None, nothing[0], nothing[1] if with_scores else None
        )
    # Rules that choose need all items.
    finder = "exact" if ruled is not None and ruled.chooses else index
    ranker, finish = _source(state, history, ends_of(state), candidates, finder)
    order = state.order
    if order is not None and isinstance(order.second, State):
        second, finish = _source(order.second, history, ends_of(order.second), None, "exact")
        ranker = Staged(ranker, of_ranker(second), order.n_candidates, order.second.name)
    elif order is not None:
        from kerasrec.recommender._clicks import clicks_of

        score = clicks_of(state).score(state, newcomers=history)
        ranker, finish = Staged(ranker, score, order.n_candidates, order.second.model.name), None
    items, scores, extra = _lists_of(ranker, names, k, seen, history, shortage, short)
    if say:
        shortage.say()
    if finish is not None and with_scores:
        scores = finish(scores)
    owners = np.repeat(names, items.shape[1]) if named else None
    return list_frame(state, owners, items, scores if with_scores else None, extra)


def _source(
    state: State, history: Ragged, ends: "Ends | Scorer | None", candidates: np.ndarray | None, index: str
) -> "tuple[Any, Callable[[np.ndarray], np.ndarray] | None]":
    """A ranker whose users are the newcomers, and a function that finishes its scores."""
    if isinstance(ends, Scorer):  # the model itself gives the scores
        return CatalogueRanker(ends, SEED, candidates, state.name), None
    if ends is None and _vectors.represents(state):
        fold: FoldIn = state.once("fold_in", lambda: FoldIn(*_vectors.for_folding(state), state.history))
        ends = fold(history)
    if ends is None:
        return _history_ranker(state, history, candidates), None
    known = ends
    return _ranker_of(state, known, candidates, index), lambda scores: _finished(state, known, scores)


def _lists_of(
    ranker: Any,
    names: np.ndarray,
    k: int,
    seen: Ragged | None,
    history: Ragged,
    shortage: Shortage,
    short: str,
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Items and scores `[B, k]` of all newcomers, and further columns."""
    rows, ruled = np.arange(len(names), dtype=np.int32), shortage.ruled
    if ruled is None or not ruled.chooses:
        items, scores = ranked(ranker, rows, k, seen)
        shortage.add(names, items, short)
        return items, scores, {}
    taste = None if ruled.shares is None else tastes(ruled, history, rows)
    chosen = choose(ruled, ranker, rows, k, seen, taste, np.random.default_rng(ruled.rules.seed))
    shortage.missed(chosen.unmet)
    shortage.add(names, chosen.items, short)
    return chosen.items, chosen.scores, columns_of(chosen, ruled, False, chosen.items.shape)


def _ranker_of(state: State, ends: "Ends", candidates: np.ndarray | None, index: str) -> Any:
    """A ranker whose users are the rows of `ends`."""
    if isinstance(_vectors.scorer(state), FactorScorer):
        return _index.ranker(state, index, candidates).of_users(lambda rows: ends["user"][rows])
    from kerasrec.recommender._new_user_scores import score_of_ends

    sides: Any = _vectors.sides(state)
    scorer = CatalogueScorer(score_of_ends(sides, ends, state.n_items), state.n_items)
    return CatalogueRanker(scorer, SEED, candidates, state.name)


def _finished(state: State, ends: "Ends", scores: np.ndarray) -> np.ndarray:
    """Scores `[B, k]` of the model, from the scores that ranked the items."""
    held = _vectors.factors(state)
    if held is not None:
        bias = ends.get("user_bias")
        own = held.of_users(ends["user"], None if bias is None else bias.reshape(-1))
        return own.finish(np.arange(len(scores)), scores)
    from kerasrec.recommender._new_user_scores import finished

    sides: Any = _vectors.sides(state)
    return finished(sides, ends, scores)


def _history_ranker(state: State, history: Ragged, candidates: np.ndarray | None) -> CatalogueRanker:
    """The ranker of a model that scores histories itself."""
    import scipy.sparse

    source: Any = _vectors.source(state)
    if not hasattr(source, "score_histories"):
        raise ValueError(
            "The model must represent users and items, or score histories, to recommend for a history; "
            f"`update` trains it on new users instead. Received: {state.name!r}."
        )
    liked = _likes.liked(history.values, state.history.meaning.least)
    rows = np.repeat(np.arange(len(history.starts) - 1), np.diff(history.starts))[liked]
    parts = np.ones(len(rows), np.float32), (rows, history.items[liked])
    matrix = scipy.sparse.csr_matrix(parts, (len(history.starts) - 1, state.n_items))
    scores = source.score_histories(matrix)
    return CatalogueRanker(
        CatalogueScorer(lambda codes: scores[codes], state.n_items), SEED, candidates, state.name
    )


def _mean_like(values: np.ndarray) -> float:
    """The mean of the values at or above the mean, which count as the likes among ratings."""
    return float(values[values >= values.mean()].mean()) if len(values) else 1.0
