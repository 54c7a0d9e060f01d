"""What a recommender holds, and how raw ids find their way into it."""

import contextlib
import difflib
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasrec._forks import check_fork
from kerasrec.data import Features, Interactions
from kerasrec.data._columns import id_index, several, shown
from kerasrec.data._ids import integer
from kerasrec.evaluation._models import TowerScorer, outputs, scorer_of
from kerasrec.evaluation._ranker import Ranker
from kerasrec.evaluation._scorers import Scorer
from kerasrec.layers import Catalogue, find_catalogue
from kerasrec.recommender import _metadata
from kerasrec.recommender._history import History
from kerasrec.recommender.file import with_catalogue

if TYPE_CHECKING:
    import pandas as pd

_OF_CATALOGUE = ("user_ids", "item_ids", "value_range", "seen", "attachments")
# The order among equal scores is that of `kerasrec.evaluation.evaluate`.
SEED = 0
# Vectors of all users are kept where they take no more than this.
_USER_BYTES = 256 << 20


class Held:
    """The model, its ids, what users have, and what is computed from them once.

    Args:
        model: `keras.Model`.
        interactions: `Interactions`.
        user_features: `Features` or `None`.
        item_features: `Features` or `None`.
        item_metadata: frame or `None`.
    """

    model: keras.Model
    user_features: Features | None
    item_features: Features | None
    item_metadata: "pd.DataFrame | None"

    def __init__(
        self,
        model: keras.Model,
        interactions: Interactions,
        user_features: Features | None = None,
        item_features: Features | None = None,
        item_metadata: Any = None,
    ) -> None:
        if not isinstance(interactions, Interactions):
            raise TypeError(
                "`interactions` must be `kerasrec.data.Interactions`, the training data; make them with "
                f"`Interactions.from_frame` or `from_csv`. Received: {type(interactions).__name__}."
            )
        if not isinstance(model, keras.Model):
            raise TypeError(
                f"`model` must be a `keras.Model` with inputs `user` and `item`. Received: {model!r}."
            )
        self._take_model(model, interactions)
        self._set_history(interactions)
        self.user_features = _features("user_features", user_features, interactions.user_ids, "user")
        self.item_features = _features("item_features", item_features, interactions.item_ids, "item")
        self.item_metadata = None
        if item_metadata is not None:
            self.item_metadata = _metadata.aligned(item_metadata, interactions.item_ids)

    @property
    def user_ids(self) -> np.ndarray:
        """Raw ids of the users, by code."""
        ids: np.ndarray = self._catalogue.user_ids  # type: ignore[assignment]
        return ids

    @property
    def item_ids(self) -> np.ndarray:
        """Raw ids of the items, by code."""
        ids: np.ndarray = self._catalogue.item_ids  # type: ignore[assignment]
        return ids

    @property
    def n_users(self) -> int:
        """Number of users known."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Number of items known."""
        return len(self.item_ids)

    @property
    def interactions(self) -> Interactions:
        """What users have had: every pair once, with its value, its time where known, and their `kind`."""
        return self._history.interactions(self.user_ids, self.item_ids)

    def refresh(self) -> None:
        """Forget what was computed from the weights; needed after weights were set by hand alone."""
        self._computed: dict[str, Any] = {}

    def _take_model(self, model: keras.Model, interactions: Interactions) -> None:
        known = find_catalogue(model)
        if known is not None and known.filled:
            for side in ("user", "item"):
                _check_same(side, getattr(known, f"{side}_ids"), getattr(interactions, f"{side}_ids"))
        try:
            self.model = with_catalogue(model)
            self._catalogue = find_catalogue(self.model) or Catalogue()
        except ValueError:  # a subclassed model serves as it is, but cannot be written to a file
            self.model, self._catalogue = model, Catalogue()
        self._catalogue.fill(interactions, seen=True)
        self.refresh()
        for name in ("_user_index", "_item_index"):
            self.__dict__.pop(name, None)

    @contextlib.contextmanager
    def _whole_or_nothing(self) -> Iterator[None]:
        """Puts everything back as it was where growing fails half way."""
        held, catalogue = dict(self.__dict__), self._catalogue
        known = {name: getattr(catalogue, name) for name in _OF_CATALOGUE}
        try:
            yield
        except Exception:
            self.__dict__.clear()
            self.__dict__.update(held)
            for name, value in known.items():
                setattr(catalogue, name, value)
            raise

    def _set_history(self, interactions: Interactions) -> None:
        self._history = History(interactions)
        self._catalogue.seen = self._history.starts, self._history.items

    @cached_property
    def _user_index(self) -> "pd.Index[Any]":
        return id_index(self.user_ids)

    @cached_property
    def _item_index(self) -> "pd.Index[Any]":
        return id_index(self.item_ids)

    def _user_codes(self, ids: Any, unknown: bool = False) -> tuple[np.ndarray, np.ndarray]:
        return codes_of(self._user_index, ids, "user", unknown)

    def _item_codes(self, ids: Any) -> np.ndarray:
        return codes_of(self._item_index, ids, "item")[0]

    def _once(self, name: str, make: Any) -> Any:
        """What `make()` gave since the weights last changed in training."""
        if self._computed.get("steps", self) != (steps := self._steps()):
            self._computed = {"steps": steps, "trains": steps is not None}
        if name not in self._computed:
            self._computed[name] = make()
        return self._computed[name]

    def _steps(self) -> int | None:
        """Steps of training so far; `None` where there is nothing to train."""
        if "trains" not in self._computed:
            optimizer = getattr(self.model, "optimizer", None)
            self._computed["trains"] = optimizer is not None and bool(self.model.trainable_variables)
        if not self._computed["trains"]:
            return None
        return int(keras.ops.convert_to_numpy(self.model.optimizer.iterations))

    def _scorer(self) -> Scorer:
        def make() -> Scorer:
            scorer = scorer_of(self.model, self.n_items)
            if type(scorer) is TowerScorer:
                n_components = scorer.towers.user.output["user"].shape[-1]
                if 4 * n_components * self.n_users <= _USER_BYTES:
                    return _WithUsers(scorer, self.n_users)
            return scorer

        scorer: Scorer = self._once("scorer", make)
        return scorer

    def _ranker(self, candidates: np.ndarray | None = None) -> Ranker:
        if candidates is not None:
            return Ranker(self._scorer(), SEED, candidates, self.model.name)
        ranker: Ranker = self._once("ranker", lambda: Ranker(self._scorer(), SEED, name=self.model.name))
        return ranker


class _WithUsers(TowerScorer):
    """Towers whose user side is computed once, so that one user's list takes one matrix product."""

    def __init__(self, scorer: TowerScorer, n_users: int) -> None:
        super().__init__(scorer.towers, scorer.n_items)
        self.table = outputs(scorer.towers.user, np.arange(n_users, dtype=np.int32))

    def users(self, codes: np.ndarray) -> np.ndarray:
        """Vectors `[n, C]` of users."""
        return self.table["user"][codes]

    def finish(self, users: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Add what is the same for all items of a user, and pass the scores through what follows them."""
        bias = self.table.get("user_bias")
        if bias is not None:
            scores = scores + bias[users].reshape(-1, 1)
        for layer in self.towers.transforms:
            if not isinstance(layer, Catalogue):
                check_fork()
                scores = keras.ops.convert_to_numpy(layer(scores))
        return scores


def codes_of(
    index: "pd.Index[Any]", ids: Any, side: str, unknown: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Codes of raw ids (-1 where one is unknown and that is allowed), and the ids themselves."""
    ids = several(ids)
    if isinstance(ids, list) and len(ids) == 1 and type(ids[0]) in (str, int) and ids[0] in index:
        # Ten times as fast as an index of one.
        return np.array([index.get_loc(ids[0])], np.int32), np.array(
            ids, None if type(ids[0]) is int else object
        )
    try:
        wanted = id_index(ids)
        codes = index.get_indexer(wanted).astype(np.int32)
    except (TypeError, ValueError) as error:
        raise TypeError(f"`{side}s` must be one raw id or a flat list of them. Received: {error}.") from error
    missing = np.flatnonzero(codes < 0)
    if len(missing) and not unknown:
        first = wanted[missing[0]]
        raise ValueError(
            f"`{side}s` must be {side}s that the recommender knows.{hint(index, first)} "
            f"Received: {len(missing)} unknown of {len(wanted)}, first {shown(first)}."
        )
    return codes, np.asarray(wanted)


def hint(index: "pd.Index[Any]", first: Any) -> str:
    """The same id as text or as a number, or one that looks like it."""
    other: Any = str(first)
    if isinstance(first, str):
        other = integer(first.strip())
    if other is not None and other in index:
        return f" Ids are {'text' if isinstance(other, str) else 'numbers'}: {other!r} is known."
    if isinstance(first, str) and len(index) <= 100_000:
        near = difflib.get_close_matches(first, [x for x in index if isinstance(x, str)], n=1, cutoff=0.8)
        return f" Did you mean {near[0]!r}?" if near else ""
    return ""


def _features(name: str, features: Any, ids: np.ndarray, side: str) -> Features | None:
    if features is None:
        return None
    if not isinstance(features, Features):
        raise TypeError(f"`{name}` must be `kerasrec.data.Features`. Received: {type(features).__name__}.")
    return features.align(ids, side)


def _check_same(side: str, known: Any, given: np.ndarray) -> None:
    if len(known) != len(given) or not (np.asarray(known) == np.asarray(given)).all():
        raise ValueError(
            f"`interactions` must have the {side}s that the model was made for, with the same codes: the "
            f"whole from which the training data was split. Received: {len(given)} {side}s for {len(known)}."
        )
