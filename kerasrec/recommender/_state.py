"""The immutable state of a recommender, which changes replace as a whole."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data import Features, Interactions
from kerasrec.recommender._column import Column
from kerasrec.recommender._history import History
from kerasrec.recommender._ids import Ids
from kerasrec.recommender.rules import Rules

if TYPE_CHECKING:
    import keras
    import pandas as pd

    from kerasrec.recommender._index import Index
    from kerasrec.recommender._order import Order

# Ties have the same order as in `kerasrec.evaluation.evaluate`.
SEED = 0


class Computed:
    """Values computed from the weights at one step of training, each once.

    Args:
        model: `keras.Model`, or `None` if there is none to train.
    """

    def __init__(self, model: Any = None) -> None:
        self._optimizer: Any = getattr(model, "optimizer", None)
        self._trains = self._optimizer is not None and bool(model.trainable_variables)
        self._steps = self._count()
        self._known: dict[str, Any] = {}
        self._lock = threading.RLock()

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """The result of the first `make()`; other threads wait for it."""
        if name not in self._known:
            with self._lock:
                if name not in self._known:
                    self._known[name] = make()
        return self._known[name]

    def put(self, name: str, value: Any) -> None:
        """Replace a value by an equal one, e.g. on disk, before anything was computed from it."""
        with self._lock:
            self._known[name] = value

    def is_of(self, model: Any) -> bool:
        """Whether the model has not been trained since then."""
        return getattr(model, "optimizer", None) is self._optimizer and self._count() == self._steps

    def _count(self) -> int:
        """Number of training steps so far, without `keras.ops`, which takes three times as long."""
        return int(self._optimizer.iterations.value) if self._trains else 0


@dataclass(frozen=True, eq=False)
class State:
    """A model, its ids, the history of users, and what is known about both sides.

    Attributes:
        model: `keras.Model`, or `None` if a file's vectors are enough.
        name: name of the model.
        users: raw ids of the users.
        items: raw ids of the items.
        history: `History` of the users.
        user_features: `Features` or `None`.
        item_features: `Features` or `None`.
        item_metadata: frame with one row per item, in the order of the codes, or `None`.
        index: `Index` of many items, or `None`.
        rules: `Rules` that lists follow unless a call overrides them, or `None`.
        order: second stage, which orders the items that the model finds, or `None`.
        context: entries of the context columns by name, or `None`.
        context_ids: categories of the context columns that the model reads, by name.
        computed: cached values computed from all this.
    """

    model: "keras.Model | Any"
    name: str
    users: Ids
    items: Ids
    history: History
    user_features: Features | None = None
    item_features: Features | None = None
    item_metadata: "pd.DataFrame | None" = None
    index: "Index | None" = None
    rules: Rules | None = None
    order: "Order | None" = None
    context: Mapping[str, Any] | None = None
    context_ids: Mapping[str, np.ndarray] = field(default_factory=dict)
    computed: Computed = field(default_factory=Computed)

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.items)

    @property
    def interactions(self) -> Interactions:
        """The history as `Interactions`."""
        return self.history.interactions(self.users.raw, self.items.raw)

    def ids(self, side: str) -> Ids:
        """The ids of a side, `"user"` or `"item"`."""
        return self.users if side == "user" else self.items

    def features(self, side: str) -> Features | None:
        """The features of a side, `"user"` or `"item"`."""
        return self.user_features if side == "user" else self.item_features

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """The result of the first `make()`."""
        return self.computed.once(name, make)

    def metadata_of(self, codes: np.ndarray) -> dict[str, Any]:
        """Metadata of some items as columns by name; empty without metadata."""

        def make() -> dict[Any, Column]:
            frame = self.item_metadata
            return {} if frame is None else {name: Column(frame[name]) for name in frame.columns}

        columns: dict[Any, Column] = self.once("metadata", make)
        return {name: column.take(codes) for name, column in columns.items()}

    def recomputed(self) -> "State":
        """A copy without computed values."""
        return replace(self, computed=Computed(self.model), index=None)

    def of_now(self) -> "State":
        """The state itself, or a copy without computed values if the model was trained since."""
        found = self if self.computed.is_of(self.model) else self.recomputed()
        order = None if self.order is None else self.order.of_now()
        return found if order is self.order else replace(found, order=order)
