"""More items, more users, this week's events."""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasrec._arguments import share, whole_number
from kerasrec.data import Features, Interactions
from kerasrec.data._columns import id_array, id_index, several, shown, vocabulary
from kerasrec.data._encoders import Indicator
from kerasrec.recommender import _training
from kerasrec.recommender._explaining import Explaining
from kerasrec.recommender._history import updated
from kerasrec.recommender._metadata import aligned
from kerasrec.recommender._reading import reads
from kerasrec.recommender._resizing import Growth, resized

if TYPE_CHECKING:
    import pandas as pd


class Growing(Explaining):
    """Catalogues that grow and models that go on."""

    def add_items(self, metadata: Any) -> None:
        """Make room for new items: tables and optimizer slots grow, old rows stay bit for bit.

        Where the model reads features of items, a new one is represented by its own, so that it can be
        recommended before anybody had it; its identity, features that nobody had before, and a model
        without features begin at 0. Training goes on from there.

        Args:
            metadata: frame indexed by the new raw ids, with the columns that the item features were made
                from and those of the recommender's metadata; raw ids alone where there are none.

        Raises:
            ValueError: if an id is known already or of another type than the others, a column is missing, or
                a table of the model cannot grow.
        """
        with self._whole_or_nothing():
            self._add_items(metadata)

    def _add_items(self, metadata: Any) -> None:
        ids, frame = _new("item", metadata, self.item_ids, self._item_index)
        table = self.item_metadata
        if table is not None:
            missing = [name for name in table.columns if frame is None or name not in frame.columns]
            if missing:
                raise ValueError(
                    f"`metadata` must have the columns of the recommender's: {', '.join(table.columns)}. "
                    f"Received: no column {missing[0]!r}."
                )
        features, growth = self._grown("item", ids, frame, self.item_features)
        all_ids = _joined(self.item_ids, ids)
        self._resize({"user": Growth(self.n_users, self.n_users), "item": growth}, self.user_ids, all_ids)
        self.item_features = features
        if table is not None and frame is not None:
            import pandas as pd

            self.item_metadata = pd.concat([table, aligned(frame[table.columns], ids)], ignore_index=True)

    def add_users(self, features: Any) -> None:
        """Make room for new users, as `add_items` does for items.

        Args:
            features: frame indexed by the new raw ids, with the columns that the user features were made
                from; raw ids alone where there are none.

        Raises:
            ValueError: as `add_items` raises.
        """
        with self._whole_or_nothing():
            self._add_users(features)

    def _add_users(self, features: Any) -> None:
        ids, frame = _new("user", features, self.user_ids, self._user_index)
        grown, growth = self._grown("user", ids, frame, self.user_features)
        all_ids = _joined(self.user_ids, ids)
        self._resize({"user": growth, "item": Growth(self.n_items, self.n_items)}, all_ids, self.item_ids)
        self.user_features = grown

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
        """Take in new events: ids and seen items grow, and training goes on from the optimizer's state.

        Args:
            interactions: `Interactions`, the new events, with ids of their own. With those before, they come
                to what the `kind` of the recommender's interactions says: of ratings the last one counts
                (events without times come after all others), and counts add up.
            epochs: int, passes over them. Defaults to `1`.
            replay: float, share of the old events that are trained on as well, another one each time, so that
                nothing old is forgotten. Defaults to `0.1`.
            user_features: frame as `add_users` takes it, of at least the new users. Defaults to `None`:
                the new users have no features.
            item_metadata: frame as `add_items` takes it, of at least the new items. Defaults to `None`.
            batch_size: int. Defaults to `None`: 256.
            seed: int, of the replayed events and the batches. Defaults to `0`.
            verbose: as in `keras.Model.fit`. Defaults to `"auto"`.

        Returns:
            What `keras.Model.fit` returns.

        Raises:
            TypeError: if `interactions` are none.
            ValueError: if the model was fitted in closed form, `replay` is not from 0 to 1, new users or
                items lack the features that the model reads, or the events are of another kind.
        """
        if not isinstance(interactions, Interactions):
            raise TypeError(
                "`interactions` must be `kerasrec.data.Interactions`. "
                f"Received: {type(interactions).__name__}."
            )
        replay = share("replay", replay)
        if not self.model.trainable_variables:
            raise ValueError(
                "The model must have weights to train; one fitted in closed form is made anew with "
                f"`Recommender.train` on all interactions. Received: {self.model.name!r}."
            )
        epochs = whole_number("epochs", epochs)
        with self._whole_or_nothing():
            return self._update(
                interactions, epochs, replay, user_features, item_metadata, batch_size, seed, verbose
            )

    def _update(
        self,
        interactions: Interactions,
        epochs: int,
        replay: float,
        user_features: Any,
        item_metadata: Any,
        batch_size: int | None,
        seed: int,
        verbose: Any,
    ) -> Any:
        for side, given in (("user", user_features), ("item", item_metadata)):
            own = getattr(interactions, f"{side}_ids")
            codes = np.unique(getattr(interactions, f"{side}s"))
            index = self._user_index if side == "user" else self._item_index
            new = own[codes][index.get_indexer(own[codes]) < 0]
            if len(new):
                add = self.add_users if side == "user" else self.add_items
                add(new if given is None else _rows(given, new, side))
        users = self._user_codes(interactions.user_ids[interactions.users])[0]
        items = self._item_codes(interactions.item_ids[interactions.items])
        old = self.interactions
        fresh = self._of(users, items, interactions)
        whole = updated(old, fresh)
        keys = _keys(fresh, self.n_items)
        new = whole.take(np.isin(_keys(whole, self.n_items), keys))
        if not len(new):
            raise ValueError(
                "`interactions` must have likes, as the recommender was trained on those of at least "
                f"{whole._meaning.least:g}. Received: {len(interactions)} events, none of them."
            )
        replayed = np.random.default_rng(seed).random(len(old)) < replay
        trained_on = _together(old.take(replayed & ~np.isin(_keys(old, self.n_items), keys)), new)
        self._catalogue.fill(whole, seen=True)
        self._set_history(whole)
        recipe = _training.recipe_of(self.model, whole).replace(epochs=epochs, batch_size=batch_size)
        history = _training.fit(self.model, trained_on, recipe, seed, verbose, known=whole)
        self.refresh()
        return history

    def _of(self, users: Any, items: Any, events: Interactions) -> Interactions:
        """Events with the recommender's codes; of their times, if it has times."""
        times = None if self._history.times is None else events.times
        found = Interactions(
            users, items, events.values, times, user_ids=self.user_ids, item_ids=self.item_ids
        )
        found._meaning, found._counts = events._meaning, events._counts
        return found

    def _grown(
        self, side: str, ids: np.ndarray, frame: "pd.DataFrame | None", features: Features | None
    ) -> tuple[Features | None, Growth]:
        n = self.n_items if side == "item" else self.n_users
        sides = self._sides()
        read = sides is not None and reads(getattr(sides, side), features)
        if read and features is None:
            raise ValueError(
                f"`{side}_features` must be given to the recommender whose model reads them, so that new "
                f"{side}s can be encoded. Received: {side}_features=None."
            )
        if features is None:
            return None, Growth(n, n + len(ids))
        if frame is None and all(isinstance(encoder, Indicator) for encoder in features._encoders):
            import pandas as pd

            frame = pd.DataFrame(index=id_index(ids))
        if frame is None:
            raise ValueError(
                f"New {side}s must come as a frame with the columns that the {side} features were made from. "
                f"Received: {len(ids)} ids without."
            )
        grown = _with_rows(features, frame, ids)
        if not read:
            return grown, Growth(n, n + len(ids))
        return grown, Growth(n, n + len(ids), grown, features.n_features)

    def _resize(self, growth: dict[str, Growth], user_ids: np.ndarray, item_ids: np.ndarray) -> None:
        try:
            graph = self.model.inputs is not None
        except (AttributeError, ValueError):
            graph = False
        if not graph:
            raise ValueError(
                "`model` must be a functional model to grow. "
                f"Received: {self.model.name!r} of type {type(self.model).__name__}."
            )
        model: keras.Model = resized(self.model, growth)
        old = self._history.interactions(user_ids, item_ids)
        self._take_model(model, old)
        self._set_history(old)


def _new(
    side: str, given: Any, known: np.ndarray, index: "pd.Index[Any]"
) -> tuple[np.ndarray, "pd.DataFrame | None"]:
    """New raw ids, and the frame that they came with."""
    frame = given if hasattr(given, "columns") else None
    ids = id_array(vocabulary(given.index if frame is not None else several(given), f"new {side}s"))
    if not len(ids):
        raise ValueError(f"There must be at least one new {side}. Received: none.")
    again = np.flatnonzero(index.get_indexer(id_index(ids)) >= 0)
    if len(again):
        raise ValueError(
            f"New {side}s must not be known yet. "
            f"Received: {len(again)} that are, first {shown(ids[again[0]])}."
        )
    if isinstance(ids[0], str) != isinstance(known[0], str):
        raise ValueError(
            f"New {side}s must have ids of the type of the others, such as {shown(known[0])}. "
            f"Received: {shown(ids[0])}."
        )
    return ids, frame


def _with_rows(features: Features, frame: "pd.DataFrame", ids: np.ndarray) -> Features:
    """The features with rows for new entities, and with a column for each where the others have indicators.

    New columns stand behind the old ones, so that tables of the old stay where they are; an entity that the
    encoders know has its column already.
    """
    import scipy.sparse

    new = features.transform(frame)
    old_matrix, matrix, encoders = features.matrix, new.matrix, list(features._encoders)
    indicators = [encoder for encoder in encoders if isinstance(encoder, Indicator)]
    if indicators:
        known = id_index(np.concatenate([encoder.vocabulary.astype(object) for encoder in indicators]))
        without = np.flatnonzero(known.get_indexer(id_index(ids)) < 0)
        nothing = scipy.sparse.csr_matrix((len(features), len(without)), dtype=np.float32)
        old_matrix = scipy.sparse.hstack([old_matrix, nothing], "csr")
        own = np.ones(len(without), np.float32), (without, np.arange(len(without)))
        own_columns = scipy.sparse.csr_matrix(own, (len(ids), len(without)))
        matrix = scipy.sparse.hstack([matrix, own_columns], "csr")
        if len(without):
            encoders.append(Indicator("id", np.asarray(ids[without])))
    joined = None if features.ids is None else _joined(features.ids, ids)
    return Features(scipy.sparse.vstack([old_matrix, matrix], "csr"), encoders, joined)


def _rows(given: Any, ids: np.ndarray, side: str) -> Any:
    missing = np.setdiff1d(ids, np.asarray(given.index))
    if len(missing):
        raise ValueError(
            f"The frame of new {side}s must have a row for each. "
            f"Received: none for {len(missing)} of {len(ids)}, first {shown(missing[0])}."
        )
    return given.loc[ids.tolist()]


def _joined(ids: np.ndarray, new: np.ndarray) -> np.ndarray:
    same = ids.dtype == new.dtype
    return np.concatenate([ids, new] if same else [ids.astype(object), new.astype(object)])


def _keys(interactions: Interactions, n_items: int) -> np.ndarray:
    return interactions.users.astype(np.int64) * n_items + interactions.items


def _together(first: Interactions, second: Interactions) -> Interactions:
    columns = {
        name: np.concatenate([getattr(x, name) for x in (first, second)])
        for name in ("users", "items", "values")
    }
    return second._with(**columns, times=None)
