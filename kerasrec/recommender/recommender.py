import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import keras
import numpy as np

from kerasrec._temporary import temporary
from kerasrec.data import Features, Interactions
from kerasrec.recommender import (
    _compiled_rules,
    _explain,
    _first_state,
    _for_workers,
    _grow,
    _index,
    _lists,
    _maps,
    _newcomers,
    _saved,
    _similar,
    _vectors,
    _worker,
)
from kerasrec.recommender._context import in_context
from kerasrec.recommender._state import State
from kerasrec.recommender._state_holder import StateHolder
from kerasrec.recommender.explanation import Explanation
from kerasrec.recommender.rules import Rules
from kerasrec.trainers._processes import written_by_each

if TYPE_CHECKING:
    import pandas as pd


class Recommender:
    """A trained model with its ids, features and seen items: raw ids in, raw ids out, in one file.

    Args:
        model: `keras.Model` with inputs `user` and `item`: a model of `kerasrec.zoo`, or your own.
        interactions: `Interactions`, the training data, which have the ids of the model's codes and the items
            that users have.
        user_features: `Features` that the model was made with, for new users. Defaults to `None`.
        item_features: the same for items. Defaults to `None`.
        item_metadata: frame indexed by raw item id, whose columns are shown with recommended items. Defaults
            to `None`.

    Attributes:
        model: the `keras.Model`.
        user_features: `Features`, or `None`.
        item_features: `Features`, or `None`.
        item_metadata: frame with one row per item, in the order of `item_ids`, or `None`.
        rules: `kerasrec.Rules` that all lists follow, or `None`.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if ids of the model, the features or the metadata are not those of the interactions.

    Example:
        >>> import kerasrec
        >>> data = kerasrec.datasets.synthetic(20, 30, 100).interactions
        >>> recommender = kerasrec.Recommender.train(data, model="popularity")
        >>> list(recommender.recommend(data.user_ids[3], k=2).columns)
        ['user', 'rank', 'item', 'score']
    """

    def __init__(
        self,
        model: keras.Model,
        interactions: Interactions,
        user_features: Features | None = None,
        item_features: Features | None = None,
        item_metadata: Any = None,
    ) -> None:
        self._held = StateHolder(
            _first_state.made(model, interactions, user_features, item_features, item_metadata)
        )

    @classmethod
    def _of(cls, state: State) -> Self:
        """A recommender with the given state."""
        found = cls.__new__(cls)
        found._held = StateHolder(state)
        return found

    @classmethod
    def train(
        cls,
        interactions: Interactions,
        model: str = "hybrid",
        epochs: int | None = None,
        batch_size: int | None = None,
        user_features: Features | None = None,
        item_features: Features | None = None,
        item_metadata: Any = None,
        validation: float | None = None,
        patience: int | None = None,
        seed: int = 0,
        verbose: Any = "auto",
        **hyperparameters: Any,
    ) -> "Recommender":
        """Create a model of the zoo for these interactions and train it by its recipe.

        The recipe (`kerasrec.zoo.recipe`) has the best settings, loss, optimizer and batches of the model for
        data of this size. First a tenth of the interactions (for a model of histories, the last one of each
        user) is held out to find the best number of epochs. Then the model is trained on all interactions for
        that many epochs. Arguments given here override the recipe. `kerasrec train` does the same.

        Args:
            interactions: `Interactions`.
            model: name in `kerasrec.zoo`. Defaults to `"hybrid"`.
            epochs: int, number of epochs on all interactions; none are then held out. Models in closed form
                have no epochs. Defaults to `None`: the best number, at most that of the recipe.
            batch_size: int. Defaults to `None`: the recipe's.
            user_features: `Features` of the users. Defaults to `None`.
            item_features: `Features` of the items. Defaults to `None`.
            item_metadata: frame indexed by raw item id. Defaults to `None`.
            validation: float, share of the interactions held out to find the best number of epochs, by
                NDCG@10 over the whole catalogue, or by the error of the ratings. If `epochs` are also given,
                they are the maximum. Defaults to `None`: 0.1, or none if `epochs` are given.
            patience: int, epochs without improvement before the search for the best number stops. Defaults to
                `None`: the recipe's.
            seed: int, seed of the split, the initial weights and the batches. Defaults to `0`.
            verbose: as in `keras.Model.fit`. Defaults to `"auto"`.
            **hyperparameters: arguments of the model's factory. With a `loss`, the recipe is that of the
                loss.

        Returns:
            `Recommender`.

        Raises:
            ValueError: as `kerasrec.zoo.create` and `Recommender` raise, or if `validation` is not from 0 to
                below 1.
        """
        state = _first_state.trained(
            interactions,
            model,
            user_features,
            item_features,
            item_metadata,
            epochs=epochs,
            batch_size=batch_size,
            validation=validation,
            patience=patience,
            seed=seed,
            verbose=verbose,
            hyperparameters=hyperparameters,
        )
        return cls._of(state)

    def __repr__(self) -> str:
        return f"Recommender({self.model.name!r}, {self.n_users:,} users, {self.n_items:,} items)"

    def _now(self) -> State:
        """The current state, with vectors computed from the current weights."""
        return self._held.now()

    @property
    def model(self) -> keras.Model:
        """The `keras.Model`; `update`, `add_items` and `add_users` replace it."""
        return self._held.state.model

    @property
    def user_features(self) -> Features | None:
        """`Features` of all users, or `None`."""
        return self._held.state.user_features

    @property
    def item_features(self) -> Features | None:
        """`Features` of all items, or `None`."""
        return self._held.state.item_features

    @property
    def item_metadata(self) -> "pd.DataFrame | None":
        """Frame with one row per item, in the order of `item_ids`, or `None`."""
        return self._held.state.item_metadata

    @item_metadata.setter
    def item_metadata(self, frame: Any) -> None:
        self._held.change(lambda state: _first_state.with_metadata(state, frame))

    @property
    def rules(self) -> Rules | None:
        """`Rules` that all lists follow unless a call says otherwise, kept in the file; or `None`."""
        return self._held.state.rules

    @rules.setter
    def rules(self, rules: Rules | None) -> None:
        self._held.change(lambda state: _compiled_rules.with_rules(state, rules))

    def evaluate_rules(
        self,
        test: Interactions,
        k: int = 10,
        metrics: Iterable[str] = ("ndcg", "recall", "diversity", "coverage"),
        **rules: Any,
    ) -> "pd.DataFrame":
        """The cost of each rule: metrics without rules, with each rule alone, and with all of them.

        Users get the lists of `recommend`, without items that they have in the recommender's interactions,
        which must be those of training.

        Args:
            test: held-out `Interactions` with the same ids.
            k: int, length of the lists. Defaults to `10`.
            metrics: as in `kerasrec.evaluation.evaluate`; `diversity` is that of the item features or, if
                there are none, of the model's representations. Defaults to
                `("ndcg", "recall", "diversity", "coverage")`.
            **rules: as in `recommend`.

        Returns:
            Frame with one row for `without`, each rule by its name, and `all`, and one column per metric,
            such as `ndcg@10`.

        Raises:
            ValueError: as `recommend` and `kerasrec.evaluation.evaluate` raise, or if there are no rules.
        """
        from kerasrec.recommender._rule_costs import costs

        return costs(self._now(), test, k, metrics, rules)

    @property
    def user_ids(self) -> np.ndarray:
        """Raw ids of the users, by code."""
        return self._held.state.users.raw

    @property
    def item_ids(self) -> np.ndarray:
        """Raw ids of the items, by code."""
        return self._held.state.items.raw

    @property
    def n_users(self) -> int:
        """Number of known users."""
        return self._held.state.n_users

    @property
    def n_items(self) -> int:
        """Number of known items."""
        return self._held.state.n_items

    @property
    def interactions(self) -> Interactions:
        """The users' history: every pair once, with its value, its time if known, and their `kind`."""
        return self._held.state.interactions

    def refresh(self) -> None:
        """Discard everything that was computed from the weights; needed only if you set weights by hand."""
        self._held.refresh()

    def recommend(
        self,
        users: Any = None,
        k: int = 10,
        exclude_seen: bool = True,
        only: Any = None,
        exclude: Any = None,
        with_scores: bool = True,
        unknown: str = "error",
        short: str | None = None,
        index: str = "auto",
        with_moves: bool = False,
        context: Mapping[str, Any] | None = None,
        **rules: Any,
    ) -> "pd.DataFrame":
        """The best items for some users.

        Equal scores are in the same pseudo-random order as in `kerasrec.evaluation.evaluate`.

        Args:
            users: raw user id, or several. Defaults to `None`: all users.
            k: int, length of a list. Defaults to `10`.
            exclude_seen: bool, whether to leave out the user's training items. Defaults to `True`.
            only: raw ids of the items that may be recommended; unknown ones are ignored and counted in a
                warning. Defaults to `None`: all.
            exclude: raw ids of items that must not be recommended. Defaults to `None`: none.
            with_scores: bool, whether the frame has scores. Defaults to `True`.
            unknown: what to do for a user who was not in training: `"error"`; `"skip"`, no rows; or
                `"popular"`, the items that most users have. Defaults to `"error"`.
            short: what to do for a user with fewer than `k` items left: `"error"`; or `"fewer"`, a shorter
                list. Defaults to `None`: `"error"` for one user, `"fewer"` for several, so a user who has
                nearly everything does not stop the lists of the others.
            index: how items are found: `"exact"` scans all items; `"faiss"` uses the index of `build_index`,
                which finds nearly all of the best items; `"auto"` uses the index if there is one and at least
                300,000 items may be recommended. With rules that choose among items, all items are scanned.
                Defaults to `"auto"`.
            with_moves: bool, whether the frame shows the effect of rules: `rank_before`, the rank by scores
                alone (0 if the item was drawn at random), and `moved_by`, the rules that moved the item to
                its place. Defaults to `False`.
            context: dict of values by column, the context for models that read one: `{"device": "phone"}`.
                With two stages, a value may be a Series by raw user id. Defaults to `None`: that of
                `in_context`, or none.
            **rules: arguments of `kerasrec.Rules`, such as `where="price < 20"`, `at_most={"brand": 2}` or
                `diversity=0.3`. Each replaces the recommender's own rule with that name; `None` switches it
                off.

        Returns:
            Frame with one row per item: `user`, `rank` (from 1), `item`, `score`, and the columns of the
            metadata; with `unknown="popular"` also `fallback`, true for lists of popular items, whose scores
            are missing; with `explore` also `propensity`.

        Raises:
            TypeError: if there is no such rule.
            ValueError: if a user or an item is unknown, fewer than `k` items are left for a user, there is
                no index, rules contradict each other or name missing columns, or `context` lacks a column of
                the model.
        """
        return _lists.recommend(
            self._now(),
            users,
            k=k,
            exclude_seen=exclude_seen,
            only=only,
            exclude=exclude,
            with_scores=with_scores,
            unknown=unknown,
            short=short,
            index=index,
            with_moves=with_moves,
            context=context,
            rules=rules,
        )

    def save_lists_for_workers(
        self,
        folder: str | os.PathLike[str],
        k: int = 10,
        exclude_seen: bool = True,
        only: Any = None,
        exclude: Any = None,
    ) -> Path:
        """Write a folder with which workers of Ray, Spark and similar engines make lists without Keras.

        Vectors, seen items and ids are stored in it as arrays that the processes of a machine share. Rules
        that do not depend on the list, such as `where`, are applied; rules that choose among items are
        refused.

        Args:
            folder: the folder to create, at a path that every worker can read.
            k: as in `recommend`. Defaults to `10`.
            exclude_seen: as in `recommend`. Defaults to `True`.
            only: as in `recommend`. Defaults to `None`.
            exclude: as in `recommend`. Defaults to `None`.

        Returns:
            The folder.

        Raises:
            ValueError: if the model does not factorise, if rules choose among items, or if ids have mixed
                types.
        """
        return _for_workers.save(self._now(), folder, k, exclude_seen, only, exclude)

    def lists(
        self,
        folder: str | os.PathLike[str],
        k: int = 10,
        user: str = "user",
        unknown: str = "error",
        exclude_seen: bool = True,
        only: Any = None,
        exclude: Any = None,
    ) -> Callable[[Any], Any]:
        """A callable that makes lists for a batch of raw user ids, for `map_batches` of Ray and similar APIs.

        It pickles as the path of the folder that `save_lists_for_workers` writes, and does not import Keras
        on a worker. A batch is a pandas frame, an Arrow table or a mapping of arrays. The rows are the same
        as those of `recommend_to_parquet`.

        Args:
            folder: as in `save_lists_for_workers`.
            k: as in `recommend`. Defaults to `10`.
            user: name of the column of user ids. Defaults to `"user"`.
            unknown: `"error"`, or `"skip"`: unknown users get no rows, and a warning has their number.
                Defaults to `"error"`.
            exclude_seen: as in `recommend`. Defaults to `True`.
            only: as in `recommend`. Defaults to `None`.
            exclude: as in `recommend`. Defaults to `None`.

        Returns:
            A callable that returns Arrow tables with columns `user`, `rank`, `item` and `score`.

        Raises:
            ValueError: as in `save_lists_for_workers`.

        Example:
            >>> import kerasrec, tempfile
            >>> data = kerasrec.datasets.synthetic(20, 30, 100).interactions
            >>> recommender = kerasrec.Recommender.train(data, epochs=1, verbose=0)
            >>> lists = recommender.lists(tempfile.mkdtemp() + "/lists", k=2)
            >>> lists({"user": data.user_ids[:3]}).num_rows
            6
        """
        self.save_lists_for_workers(folder, k, exclude_seen, only, exclude)
        return _worker.Lists(os.path.abspath(folder), user, unknown)

    def recommend_to_parquet(
        self,
        path: str | os.PathLike[str],
        users: Any = None,
        k: int = 10,
        exclude_seen: bool = True,
        only: Any = None,
        exclude: Any = None,
        with_scores: bool = True,
        unknown: str = "error",
        short: str = "fewer",
        index: str = "auto",
        verbose: bool = True,
        with_moves: bool = False,
        context: Mapping[str, Any] | None = None,
        **rules: Any,
    ) -> Path:
        """Write the best items for many users to a Parquet file, in blocks of users, with a progress bar.

        The file appears when it is complete. Memory does not grow with the number of users.

        Args:
            path: the file, ending in `.parquet`.
            users: as in `recommend`. Defaults to `None`: all users.
            k: as in `recommend`. Defaults to `10`.
            exclude_seen: as in `recommend`. Defaults to `True`.
            only: as in `recommend`. Defaults to `None`.
            exclude: as in `recommend`. Defaults to `None`.
            with_scores: as in `recommend`. Defaults to `True`.
            unknown: as in `recommend`. Defaults to `"error"`.
            short: as in `recommend`. Defaults to `"fewer"`: one user who has nearly everything does not
                stop the lists of the others.
            index: as in `recommend`. Defaults to `"auto"`.
            verbose: bool, whether to show a progress bar on standard error. Defaults to `True`.
            with_moves: as in `recommend`. Defaults to `False`.
            context: as in `recommend`. Defaults to `None`.
            **rules: as in `recommend`.

        Returns:
            The path.

        Raises:
            ValueError: as in `recommend`, or if `path` does not end in `.parquet`.
            FileNotFoundError: if the folder does not exist.
        """
        return _lists.recommend_to_parquet(
            self._now(),
            path,
            users,
            verbose,
            k=k,
            exclude_seen=exclude_seen,
            only=only,
            exclude=exclude,
            with_scores=with_scores,
            unknown=unknown,
            short=short,
            index=index,
            with_moves=with_moves,
            context=context,
            rules=rules,
        )

    def build_index(self, min_recall: float = 0.95, seed: int = 0, verbose: bool = True) -> dict[str, Any]:
        """Build an index of a large catalogue that finds the best items without a full scan (extra `ann`).

        Items are grouped around centres (faiss, IVF), whose number is the square root of the number of items,
        with the bias as an additional dimension. A search scans the nearest groups and fetches extra items to
        make up for seen items. Seen items are removed, and the rest is ranked exactly, including ties, so a
        list differs from an exact one only by items that were not found. The recall is measured on 1,000
        users; the number of scanned groups is increased, up to 64, until 98.5 % are found.

        `save` stores the index next to the file (`shop.index` next to `shop.keras`), and `load` maps it into
        memory. `add_items` adds new items to it, and `update` moves those whose vectors have changed; if
        these are more than a tenth, the index is dropped. Evaluation never uses it.

        Args:
            min_recall: float, minimum share of the ten best items that it must find. Defaults to `0.95`.
            seed: int, seed of the centres and of the users for the recall. Defaults to `0`.
            verbose: bool, whether to print progress. Defaults to `True`.

        Returns:
            dict with `recall`, `n_lists` (groups), `n_probe` (groups scanned) and `seconds`.

        Raises:
            ValueError: if the recall is too low, the model does not compare users and items by a dot product,
                or the extra is missing.
        """
        tell = print if verbose else lambda line: None
        return self._held.change_with_result(lambda state: _index.with_built(state, min_recall, seed, tell))

    def in_context(self, context: Mapping[str, Any]) -> Self:
        """The same recommender in a fixed context.

        Args:
            context: as in `recommend`.

        Returns:
            A new recommender with the same model; later changes of one do not affect the other.

        Raises:
            TypeError: if `context` is not a dict.
            ValueError: if it has a column that the model does not read.
        """
        return self._of(in_context(self._now(), context))

    def rank(self, user: Any, items: Any, context: Mapping[str, Any] | None = None) -> "pd.DataFrame":
        """Rank given items for a user, including those that the user already has.

        Args:
            user: raw user id.
            items: raw item ids.
            context: as in `recommend`. Defaults to `None`.

        Returns:
            Frame as in `recommend`.

        Raises:
            ValueError: if the user or an item is unknown, or `context` lacks a column of the model.
        """
        return _lists.rank(self._now(), user, items, context)

    def score(self, pairs: Any) -> np.ndarray:
        """The model's scores for pairs of user and item.

        Args:
            pairs: frame with the columns `user` and `item`, or pairs `(user, item)` of raw ids.

        Returns:
            float32, one per pair.

        Raises:
            ValueError: if a user or an item is unknown, or there are no pairs.
        """
        return _lists.score(self._now(), pairs)

    def recommend_for_history(
        self,
        items: Any,
        values: Any = None,
        k: int = 10,
        exclude_seen: bool = True,
        only: Any = None,
        exclude: Any = None,
        with_scores: bool = True,
        context: Mapping[str, Any] | None = None,
        index: str = "auto",
        **rules: Any,
    ) -> "pd.DataFrame":
        """The best items for a new user, given the items that the user has.

        If the model represents users and items, new users are folded in: a map from histories to user vectors
        is fitted by ridge regression on the training users (`docs/recommender.md` compares it with other
        methods). EASE and neighbour models score a new history like those of training.

        Args:
            items: raw item ids, or for several users a dict of raw item ids by name.
            values: values of the items, one number per item (a dict if `items` is a dict). Defaults to
                `None`: the average value that the recommender's users gave to items they like.
            k: int, length of a list. Defaults to `10`.
            exclude_seen: bool, whether to leave out the items of the history. Defaults to `True`.
            only: raw ids of the items that may be recommended. Defaults to `None`: all.
            exclude: raw ids of items that must not be recommended. Defaults to `None`: none.
            with_scores: bool, whether the frame has scores. Defaults to `True`.
            context: as in `recommend`. Defaults to `None`.
            index: as in `recommend`. Defaults to `"auto"`.
            **rules: as in `recommend`.

        Returns:
            Frame as in `recommend`; without the column `user` if `items` is not a dict.

        Raises:
            ValueError: if a history is empty, an item is unknown, fewer than `k` items are left, or the model
                neither represents users and items nor scores histories.
        """
        return _newcomers.recommend_for_history(
            self._now(),
            items,
            values,
            exclude_seen,
            k=k,
            only=only,
            exclude=exclude,
            with_scores=with_scores,
            context=context,
            index=index,
            rules=rules,
        )

    def recommend_for_features(
        self,
        frame: "pd.DataFrame",
        k: int = 10,
        only: Any = None,
        exclude: Any = None,
        with_scores: bool = True,
        index: str = "auto",
        **rules: Any,
    ) -> "pd.DataFrame":
        """The best items for users about whom only features are known.

        Args:
            frame: the columns that `user_features` were made from, indexed by a name for each user.
            k: int, length of a list. Defaults to `10`.
            only: raw ids of the items that may be recommended. Defaults to `None`: all.
            exclude: raw ids of items that must not be recommended. Defaults to `None`: none.
            with_scores: bool, whether the frame has scores. Defaults to `True`.
            index: as in `recommend`. Defaults to `"auto"`.
            **rules: as in `recommend`.

        Returns:
            Frame as in `recommend`; `user` is the index of `frame`.

        Raises:
            ValueError: if a column is missing, if the recommender has no `user_features`, or if the model
                takes none.
        """
        return _newcomers.recommend_for_features(
            self._now(),
            frame,
            k=k,
            only=only,
            exclude=exclude,
            with_scores=with_scores,
            index=index,
            rules=rules,
        )

    def similar_items(
        self, items: Any, k: int = 10, measure: str = "cosine", index: str = "auto"
    ) -> "pd.DataFrame":
        """The items most similar to an item, excluding the item itself.

        Items are compared by the model's representations or, if it has none (EASE, neighbours, popularity),
        by their common users.

        Args:
            items: raw item id, or several.
            k: int, number of similar items. Defaults to `10`.
            measure: `"cosine"` or `"dot"`, the dot product. Defaults to `"cosine"`.
            index: as in `recommend`. Defaults to `"auto"`.

        Returns:
            Frame with `item`, `rank`, `similar` (a raw item id), `score` and the metadata of `similar`.

        Raises:
            ValueError: if an item is unknown, there are fewer than `k` other items, `measure` is unknown, or
                there is no index.
        """
        return _similar.similar(self._now(), "item", items, k, measure, index)

    def similar_users(self, users: Any, k: int = 10, measure: str = "cosine") -> "pd.DataFrame":
        """The users most similar to a user, excluding the user.

        Args:
            users: raw user id, or several.
            k: int, number of similar users. Defaults to `10`.
            measure: as in `similar_items`. Defaults to `"cosine"`.

        Returns:
            Frame with `user`, `rank`, `similar` (a raw user id) and `score`.

        Raises:
            ValueError: if a user is unknown, there are fewer than `k` other users, or `measure` is unknown.
        """
        return _similar.similar(self._now(), "user", users, k, measure)

    def explain(self, user: Any, item: Any, by: str | None = None, n_neighbors: int = 5) -> Explanation:
        """Explain the score of a user and an item, and name the most similar items of the user's history.

        The contributions are exact and add up to the score for models that sum over a history, and for
        factorised models (by components, or by the features of a side whose representation is a sum over
        them). In deep parts of a model a contribution is gradient times input, and the last row has the
        remainder.

        Args:
            user: raw user id.
            item: raw item id.
            by: what the score is divided among: the features of the `"item"` or of the `"user"`, or
                `"component"`. Defaults to `None`: the item's features if the model has any, otherwise the
                user's, otherwise components.
            n_neighbors: int, number of history items to name. Defaults to `5`.

        Returns:
            `Explanation`.

        Raises:
            ValueError: if the user or the item is unknown or not a single one, or `by` is invalid.
        """
        return _explain.explain(self._now(), user, item, by, n_neighbors)

    def explain_list(
        self, user: Any, items: Any = None, k: int = 10, by: str | None = None, n_neighbors: int = 5
    ) -> list[Explanation]:
        """Explain the score of each item of a user's list, all with the same state of the model.

        Args:
            user: raw user id.
            items: raw item ids. Defaults to `None`: the `k` items that `recommend` returns.
            k: int, length of the list if no items are given; shorter if fewer items are left. Defaults to
                `10`.
            by: as in `explain`. Defaults to `None`.
            n_neighbors: int, number of history items to name. Defaults to `5`.

        Returns:
            List of `Explanation`, in the order of the list.

        Raises:
            ValueError: if the user or an item is unknown, `user` is not a single one, or `by` is invalid.
        """
        return _explain.explain_list(self._now(), user, items, k, by, n_neighbors)

    def add_items(self, metadata: Any) -> None:
        """Add new items: tables and optimizer slots grow, and old rows stay bit-for-bit the same.

        If the model reads item features, a new item is represented by its features, so it can be recommended
        before anybody has it. Its identity and features that no item had before start at 0, as do all new
        items of a model without features. Training continues from there.

        Args:
            metadata: frame indexed by the new raw ids, with the columns that the item features were made from
                and those of the recommender's metadata; or only raw ids, and the metadata are then missing.

        Raises:
            ValueError: if an id is already known or of another type than the others, a column is missing, or
                a table of the model cannot grow.
        """
        self._held.change(lambda state: _index.after(state, _grow.with_items(state, metadata)))

    def add_users(self, features: Any) -> None:
        """Add new users, as `add_items` adds items.

        Args:
            features: frame indexed by the new raw ids, with the columns that the user features were made
                from; only raw ids if there are none.

        Raises:
            ValueError: as in `add_items`.
        """
        self._held.change(lambda state: _index.after(state, _grow.with_users(state, features)))

    def update(
        self,
        interactions: Interactions,
        epochs: int = 1,
        replay: float = 0.1,
        user_features: Any = None,
        item_metadata: Any = None,
        batch_size: int | None = None,
        seed: int = 0,
        verbose: Any = "auto",
    ) -> Any:
        """Add new events, with new users and items, and continue training from the optimizer's state.

        Args:
            interactions: `Interactions`, the new events, which may have their own vocabularies. They are
                combined with earlier events by the `kind` of the recommender's interactions: the last rating
                counts (events without times count as the latest), and counts add up.
            epochs: int, number of passes over them. Defaults to `1`.
            replay: float, share of the old events that is drawn at random and trained on as well, so the
                model does not forget them. Defaults to `0.1`.
            user_features: frame as in `add_users`, for at least the new users. Defaults to `None`: the new
                users have no features.
            item_metadata: frame as in `add_items`, for at least the new items. Defaults to `None`.
            batch_size: int. Defaults to `None`: 256.
            seed: int, seed of the replayed events and the batches. Defaults to `0`.
            verbose: as in `keras.Model.fit`. Defaults to `"auto"`.

        Returns:
            What `keras.Model.fit` returns.

        Raises:
            TypeError: if `interactions` are not `Interactions`.
            ValueError: if the model was fitted in closed form, `replay` is not from 0 to 1, new users or
                items lack features of the model, or the events have another kind.
        """
        return self._held.change_with_result(
            lambda state: _index.after_training(
                state,
                *_grow.updated(
                    state,
                    interactions,
                    epochs,
                    replay,
                    user_features,
                    item_metadata,
                    batch_size,
                    seed,
                    verbose,
                ),
            )
        )

    def item_vectors(self) -> "pd.DataFrame":
        """The representations of all items, for a search index or another program.

        Returns:
            Frame indexed by raw item id with the columns `component_0`, `component_1`, and so on, and `bias`
            if the model has one. The dot product of the components of a user and an item, plus both
            biases, is the score of most models, before a scale of ratings.

        Raises:
            ValueError: if the model does not represent items.
        """
        return _vectors.vector_frame(self._now(), "item")

    def user_vectors(self) -> "pd.DataFrame":
        """The representations of all users, in the form of `item_vectors`.

        Returns:
            Frame indexed by raw user id.

        Raises:
            ValueError: if the model does not represent users.
        """
        return _vectors.vector_frame(self._now(), "user")

    def project(self, folder: str | os.PathLike[str]) -> None:
        """Write the representations of items and users as a folder for TensorBoard's Embedding Projector.

        `tensorboard --logdir FOLDER` shows it; https://projector.tensorflow.org loads the `.tsv` files.

        Args:
            folder: folder to write, created if it does not exist.

        Raises:
            ValueError: if the model does not represent users and items.
            FileNotFoundError: if the parent folder of `folder` does not exist.
        """
        _maps.project(self._now(), folder)

    def plot_items(
        self, path: str | os.PathLike[str] | None = None, label: str | None = None, n_items: int = 100
    ) -> Any:
        """A map of the most popular items, along the two directions in which their representations vary most.

        Args:
            path: file to write, such as `items.png`. Defaults to `None`: none.
            label: column of the metadata that names a point. Defaults to `None`: the first one, or the id.
            n_items: int, number of items to show. Defaults to `100`.

        Returns:
            `matplotlib.figure.Figure`.

        Raises:
            ValueError: if the model does not represent items, or there is no such column.
            FileNotFoundError: if the folder of `path` does not exist.
        """
        return _maps.plot_items(self._now(), path, label, n_items)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one `.keras` file, which replaces an existing one only when it is complete.

        If several processes train together, all of them must call this, and the first one writes.

        Args:
            path: the file, ending in `.keras`.

        Raises:
            ValueError: if `path` does not end in `.keras`, or the model or the features cannot be written.
            FileNotFoundError: if the folder does not exist.
            TypeError: if an id or an entry of the metadata is neither text nor a number.
        """
        _saved.save(self._now(), path)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle, copy and send to other processes through the file format."""
        with temporary() as folder, written_by_each():
            path = folder / "recommender.keras"
            self.save(path)
            return _from_bytes, (type(self), path.read_bytes())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Recommender":
        """Read what `save` wrote; also a file of `kerasrec.recommender.save_model(..., seen=True)`.

        Keras's safe mode is on, and nothing in the file is executed.

        Args:
            path: the file.

        Returns:
            `Recommender`; for a file of two stages `TwoStage`.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is not a complete and safe file of a recommender.
        """
        state = _saved.load(path)
        if state.order is None:
            return cls._of(state)
        from kerasrec.recommender.two_stage import TwoStage

        return TwoStage._of(state)

    def export(self, path: str | os.PathLike[str]) -> None:
        """Export a model that other programs can serve without Keras or kerasrec, with raw ids in and out.

        A path that ends in `.onnx` becomes one ONNX file, made on any backend, for onnxruntime, Triton or a
        browser. This works for every model that represents users and items, and for item-to-item models
        (EASE, item neighbours). Any other path becomes a folder with a TensorFlow SavedModel, for any model,
        on the TensorFlow backend.

        Both take raw ids `user` `[B]` (text or int64, like the ids) and `k`, and return raw ids `items` `[B,
        k]` and `scores` `[B, k]`. Seen items are left out, and ties are broken as in `recommend`. If fewer
        than `k` items are left, the list is padded with empty text or -1 and scores of minus infinity. The
        SavedModel raises an error for an unknown user; ONNX, which cannot raise errors, returns no items. `k`
        is a scalar, int32 for the SavedModel and int64 for ONNX.

        Args:
            path: a file ending in `.onnx`, which is replaced, or a new or empty folder.

        Raises:
            ValueError: if ids have mixed types, the recommender has rules, ONNX does not support the model,
                the extra `onnx` is missing, or, for a folder, the backend is not TensorFlow or the folder is
                not empty.
            FileNotFoundError: if the parent folder of `path` does not exist.
        """
        from kerasrec.recommender._export import export

        export(self._now(), path)


def _from_bytes(cls: type[Recommender], content: bytes) -> Recommender:
    """The recommender that `Recommender.__reduce__` wrote."""
    with temporary() as folder:
        path = folder / "recommender.keras"
        path.write_bytes(content)
        return cls.load(path)
