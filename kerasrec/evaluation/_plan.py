from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec._inputs import by_history_alone, input_names
from kerasrec.data import Interactions, ModelInputs, Sequences
from kerasrec.data._access import row_counts_of
from kerasrec.data._columns import shown
from kerasrec.data._opened import counts_of
from kerasrec.data.interactions import check_interactions
from kerasrec.evaluation import _measures
from kerasrec.evaluation._candidates import Candidates, check_scores
from kerasrec.evaluation._figure import Figure
from kerasrec.evaluation._judged import Judged
from kerasrec.evaluation._layout import Layout
from kerasrec.evaluation._models import folded_scorer, pair_scores, scorer_of, takes_pairs_alone
from kerasrec.evaluation._plan_arguments import (
    DEFAULT_METRICS,
    RATING,
    check_same_ids,
    cuts_of,
    feature_matrix,
    known_metrics,
)
from kerasrec.evaluation._protocol import fingerprint, said_relevant, said_users
from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._ranker import CatalogueRanker
from kerasrec.evaluation._scorers import Scorer
from kerasrec.evaluation._slices import Population
from kerasrec.evaluation.report import EvaluationReport
from kerasrec.layers import find_catalogue, find_id_limits


class Plan:
    """An evaluation of any number of models: its users, their relevant items, and the items to leave out.

    Args:
        test: `Interactions`.
        train: `Interactions` or `None`.
        k: int or several.
        metrics: names of metrics.
        users: raw ids, or `None` for all.
        exclude_seen: bool.
        batch_size: int or `None`.
        seed: int.
        item_features: `Features`, matrix `[I, F]` or `None`.
        n_users: number of random users, or `None` for all.
        history: earlier `Interactions` or `Sequences` of the users; `None` for `train`.
        columns: columns of the users by name, or `None`.
        candidates: `Interactions` with the items to rank for each user in addition to the relevant ones, or
            `None` for the catalogue.
        given: known `Interactions` of users who were held out of training, or `None`.
    """

    def __init__(
        self,
        test: Interactions,
        train: Interactions | None = None,
        k: int | Sequence[int] = (10,),
        metrics: Iterable[str] = DEFAULT_METRICS,
        users: Any = None,
        exclude_seen: bool = True,
        batch_size: int | None = None,
        seed: int = 0,
        item_features: Any = None,
        n_users: int | None = None,
        history: Interactions | Sequences | None = None,
        columns: Mapping[str, Any] | None = None,
        candidates: Interactions | None = None,
        given: Interactions | None = None,
    ) -> None:
        check_interactions("test", test)
        if train is not None:
            check_interactions("train", train)
        self.cuts = cuts_of(k)
        self.metrics = known_metrics(metrics)
        self.test, self.train = test, train
        self.given = given
        if given is not None and history is None:
            history = given
        self._history, self._columns = train if history is None else history, columns
        self.seed = seed
        self.batch_size = None if batch_size is None else positive_integer("batch_size", batch_size)
        if not len(test):
            raise ValueError("`test` must not be empty. Received: 0 interactions.")
        if train is not None:
            check_same_ids("train", train.user_ids, test.user_ids, train.item_ids, test.item_ids)
        needing = [name for name in ("novelty", "popularity_bias") if name in self.metrics and train is None]
        if isinstance(history, Interactions):
            check_same_ids("history", history.user_ids, test.user_ids, history.item_ids, test.item_ids)
        for name, other in (("candidates", candidates), ("given", given)):
            if other is not None:
                check_interactions(name, other)
                check_same_ids(name, other.user_ids, test.user_ids, other.item_ids, test.item_ids)
        if given is not None and train is None:
            raise ValueError("`train` must be given together with `given`, and must not have its users.")
        if needing:
            raise ValueError(f"`train` must be given for {needing[0]}, which is computed from it.")
        self.features = feature_matrix(item_features, test) if "diversity" in self.metrics else None

        self.seen = None
        had = train if given is None else given
        if had is not None and exclude_seen:
            self.seen = Ragged.of(had)
        relevant = Ragged(test.users, test.items, test.n_users, test.gains)
        positive = relevant.values > 0
        if self.seen is not None:
            owner = np.repeat(np.arange(test.n_users), np.diff(relevant.starts))
            positive &= self.seen.find(owner, relevant.items) < 0
        owner = np.repeat(np.arange(test.n_users), np.diff(relevant.starts))[positive]
        self.users = self._choose(owner, users, n_users)
        row_of = np.full(test.n_users, -1)
        row_of[self.users] = np.arange(len(self.users))
        kept = row_of[owner] >= 0
        self.relevant = Ragged(
            row_of[owner[kept]],
            relevant.items[positive][kept],
            len(self.users),
            relevant.values[positive][kept],
        )
        self.protocol = {
            "users": said_users(self.users, self.ranks),
            "test": f"{len(test):,} interactions, {fingerprint(test.users, test.items, test.values)}",
            "train": "none"
            if train is None
            else f"{len(train):,} interactions, {fingerprint(train.users, train.items, train.values)}",
            "catalogue": f"{test.n_items:,} items",
            "left out": "nothing"
            if self.seen is None
            else "the user's training items"
            if given is None
            else "the user's given items",
            "relevant": said_relevant(test),
            "k": list(self.cuts),
            "ties": f"pseudo-random order, seed {seed}",
        }
        if given is not None:
            self._check_held_out(given, train)
            self.protocol["given"] = (
                f"{len(given):,} interactions of users held out of training, "
                f"{fingerprint(given.users, given.items, given.values)}"
            )
        self.candidates = None
        if candidates is not None:
            if "auc" in self.metrics:
                raise ValueError(
                    "`metrics` cannot include auc, which is defined on the whole catalogue, if "
                    "`candidates` are given."
                )
            self.candidates = Candidates(candidates, self.users, self.relevant, self.seen)
            self.protocol["catalogue"] = (
                f"sampled: {self.candidates.said} of {test.n_items:,} items, "
                f"{fingerprint(self.candidates.items.starts, self.candidates.items.items)}"
            )

    @property
    def ranks(self) -> bool:
        """Whether any metric needs lists."""
        return any(name not in RATING for name in self.metrics)

    @cached_property
    def sequences(self) -> Sequences | None:
        """The sequences of the users before their first test event."""
        if self._history is None:
            return None
        history = self._history if isinstance(self._history, Sequences) else Sequences(self._history)
        if self.test.times is None or history.times is None:
            return history
        first = np.full(self.test.n_users, np.iinfo(np.int64).max)
        np.minimum.at(first, self.test.users, self.test.times)
        return history.until(first)

    def inputs(self, model: Any) -> ModelInputs:
        """The inputs of a model.

        Args:
            model: a model as `scorer_of` takes it.
        """
        history = self.sequences if "history" in input_names(model) else None
        return ModelInputs(model, history, self._columns)

    def scorer(self, model: Any) -> Scorer:
        """The scorer of a model.

        Args:
            model: a model as `scorer_of` takes it.
        """
        if self.given is not None and self.train is not None and "history" not in input_names(model):
            return folded_scorer(model, self.given, self.train)
        return scorer_of(model, self.test.n_items, self.inputs(model) if input_names(model) else None)

    def run(self, model: Any, name: str | None = None, scorer: Scorer | None = None) -> EvaluationReport:
        """Evaluate one model.

        Args:
            model: a model as `scorer_of` takes it.
            name: name in the report. Defaults to `None`: its own name.
            scorer: its scorer, if the caller has it. Defaults to `None`.
        """
        name = name or getattr(model, "name", None) or type(model).__name__
        self._check_ids(model, name)
        figures: dict[str, Figure] = {}
        judged = None
        if self.ranks:
            if self.candidates is not None:
                judged, areas = self._rank_candidates(model, scorer or self.scorer(model), name), None
            else:
                judged, areas = self._rank(scorer or self.scorer(model), name)
            figures = self._ranking_figures(judged, areas)
        if "rmse" in self.metrics or "mae" in self.metrics:
            figures |= self._rating_figures(model, name)
        histories = popularity = None
        if self.train is not None:
            had = self.train if self.given is None else self.given
            histories = row_counts_of(had)[0][self.users]
            popularity = row_counts_of(self.train)[1]
        ids = self.test.user_ids, self.test.item_ids
        population = Population(self.users, *ids, judged, histories, popularity)
        return EvaluationReport(name, self.protocol, figures, population)

    def _choose(self, owner: np.ndarray, users: Any, n_users: int | None) -> np.ndarray:
        """Codes of the users to evaluate, ascending."""
        chosen = np.unique(owner if self.ranks else self.test.users)
        if users is not None:
            chosen = np.intersect1d(chosen, self.test.user_codes(users))
        if n_users is not None and n_users < len(chosen):
            chosen = np.sort(np.random.default_rng(self.seed).choice(chosen, n_users, replace=False))
        if not len(chosen):
            which = "of `users` " if users is not None else ""
            what = said_relevant(self.test).removeprefix("test ")
            raise ValueError(
                f"`test` must have a relevant item ({what}, not left out as seen) for at least one user. "
                f"Received: {len(self.test)} interactions, none {which}relevant."
            )
        return chosen

    def _check_ids(self, model: Any, name: str) -> None:
        catalogue = find_catalogue(model) if hasattr(model, "layers") else None
        if catalogue is not None and catalogue.user_ids is not None and catalogue.item_ids is not None:
            # A model that knows users only by their histories can be evaluated on other users.
            users = self.test.user_ids if not by_history_alone(input_names(model)) else catalogue.user_ids
            check_same_ids(
                f"the data of {name!r}", catalogue.user_ids, users, catalogue.item_ids, self.test.item_ids
            )
        needed = {"user": int(self.users.max()) + 1, "item": self.test.n_items}
        for side, (limit, layer) in find_id_limits(model).items():
            if limit < needed.get(side, 0):
                raise ValueError(
                    f"`model` must know the {side}s of `test`; train it on a split of the same data. "
                    f"Received: {name!r}, whose layer {layer!r} has {limit:,} rows, but "
                    f"{needed[side]:,} are needed."
                )

    def _rank(self, scorer: Scorer, name: str) -> tuple[Judged, np.ndarray | None]:
        ranker = CatalogueRanker(scorer, self.seed, name=name, batch_size=self.batch_size)
        areas = np.full(len(self.users), np.nan) if "auc" in self.metrics else None
        visit = None if areas is None else _Areas(areas, self.relevant, ranker.layout)
        ranked = ranker.rank(self.users, max(self.cuts), self.seen, visit)
        return Judged(np.concatenate([block.items for block in ranked]), self.relevant), areas

    def _rank_candidates(self, model: Any, scorer: Scorer, name: str) -> Judged:
        candidates: Any = self.candidates
        if takes_pairs_alone(scorer):
            users = self.users[candidates.rows]
            scores = pair_scores(model, users, candidates.items.items, self.inputs(model))
        else:
            scores = candidates.scores(scorer, self.seed, name, self.batch_size)
        check_scores(scores, name)
        return Judged(candidates.ranked(scores, max(self.cuts), self.seed), self.relevant)

    def _check_held_out(self, given: Interactions, train: Any) -> None:
        trained = np.bincount(train.users, minlength=train.n_users)[self.users] > 0
        without = np.bincount(given.users, minlength=given.n_users)[self.users] == 0
        for bad, rule, what in (
            (trained, "`train` must not have users of `given`", "are in both"),
            (without, "`given` must have items of every user with test items", "have none"),
        ):
            if bad.any():
                first = shown(self.test.user_ids[self.users[np.flatnonzero(bad)[0]]])
                raise ValueError(
                    f"{rule}; `splits.held_out_users` separates them. Received: {bad.sum()} of {len(bad)} "
                    f"users {what}, first {first}."
                )

    def _ranking_figures(self, judged: Judged, areas: np.ndarray | None) -> dict[str, Figure]:
        figures: dict[str, Figure] = {}
        n_items = self.test.n_items
        shares, n_train_users = np.empty(0), 0
        if self.train is not None and ("novelty" in self.metrics or "popularity_bias" in self.metrics):
            shares, n_train_users = _shares(self.train)
        for k in self.cuts:
            lists = judged.lists[:, :k]
            for name in self.metrics:
                key = f"{name}@{k}"
                if name in _measures.RELEVANCE:
                    figures[key] = Figure(_measures.RELEVANCE[name](judged, k))
                elif name == "novelty":
                    figures[key] = Figure(_measures.novelty(lists, shares, n_train_users))
                elif name == "popularity_bias":
                    figures[key] = Figure(_measures.popularity_bias(lists, shares))
                elif name == "diversity":
                    figures[key] = Figure(_measures.diversity(lists, self.features))
                elif name in _measures.OF_ALL_LISTS:
                    figures[key] = Figure(None, whole=_measures.OF_ALL_LISTS[name](lists, n_items))
        if areas is not None:
            figures["auc"] = Figure(areas)
        return figures

    def _rating_figures(self, model: Any, name: str) -> dict[str, Figure]:
        if not hasattr(model, "predict_on_batch") or (model.compiled and model.loss is None):
            raise ValueError(
                f"`metrics` {' and '.join(RATING)} need a model that predicts ratings. "
                f"Received: {name!r}, whose scores only rank items."
            )
        rows = np.flatnonzero(np.isin(self.test.users, self.users))
        users, items = self.test.users[rows], self.test.items[rows]
        errors = (
            pair_scores(model, users, items, self.inputs(model)).astype(np.float64) - self.test.values[rows]
        )
        if not np.isfinite(errors).all():
            what = "NaN" if np.isnan(errors).any() else "infinity"
            raise ValueError(f"Scores must be finite. Received: {what} from {name!r}.")
        place = np.searchsorted(self.users, users)
        counts = np.bincount(place, minlength=len(self.users)).astype(np.float64)

        def per_user(x: np.ndarray) -> np.ndarray:
            return np.bincount(place, x, len(self.users)) / np.where(counts > 0, counts, np.nan)

        found = {
            "rmse": Figure(per_user(errors**2), counts, root=True),
            "mae": Figure(per_user(np.abs(errors)), counts),
        }
        return {name: found[name] for name in RATING if name in self.metrics}


class _Areas:
    """Computes the AUC of each user while the scores are in memory."""

    def __init__(self, areas: np.ndarray, relevant: Ragged, layout: Layout) -> None:
        self.areas = areas
        self.relevant = relevant
        self.columns = layout.columns[relevant.items]

    def __call__(self, where: np.ndarray, scores: np.ndarray) -> None:
        rows, index = self.relevant.index(where)
        self.areas[where] = _measures.auc(scores, rows, self.columns[index])


def _shares(train: Interactions) -> tuple[np.ndarray, int]:
    """Share of the training users who have each item, and the number of those users."""
    kept = train.liked
    held = Ragged.of(train if kept.all() else train.take(kept))
    n_users = max(1, int((np.diff(held.starts) > 0).sum()))
    return counts_of(held.items, train.n_items) / n_users, n_users
