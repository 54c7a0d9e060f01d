"""The events of interactions whose rows are pairs."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data import _columns, _duplicates

if TYPE_CHECKING:
    from kerasrec.data.interactions import Interactions


@dataclass(frozen=True)
class Events:
    """Every event of interactions whose rows are pairs, so that splits by time can split the events.

    Interactions taken from others share these arrays; only the places of their pairs differ.

    Args:
        rows: the events, one per row.
        owner: number of the pair of each event `[n_events]`.
        n_pairs: number of pairs.
        allowed: numbers of the chosen pairs, or `None` for all.
        shown: numbers of the pairs of the interactions, in their order, or `None` for all. `at_least` drops
            pairs only here, because a pair can have another value at an earlier time.
    """

    rows: "Interactions"
    owner: np.ndarray
    n_pairs: int
    allowed: np.ndarray | None = None
    shown: np.ndarray | None = None

    def take(self, index: Any) -> "Events":
        """The events of some of the pairs."""
        shown = self._places()[index]
        return replace(self, allowed=shown, shown=shown)

    def likes(self, liked: np.ndarray) -> "Events":
        """The same events, showing only the liked pairs."""
        return replace(self, shown=self._places()[liked])

    def chosen(self) -> tuple["Interactions", np.ndarray | None]:
        """The events of the chosen pairs, and which of them belong to a row; `None` if all do."""
        rows, owner = self.rows, self.owner
        if self.allowed is not None:
            kept = self._among(self.allowed)[owner]
            rows, owner = rows.take(kept), owner[kept]
        shown = None if self.shown is None or self.shown is self.allowed else self._among(self.shown)[owner]
        return rows, shown

    def _places(self) -> np.ndarray:
        return np.arange(self.n_pairs) if self.shown is None else self.shown

    def _among(self, places: np.ndarray) -> np.ndarray:
        found = np.zeros(self.n_pairs, bool)
        found[places] = True
        return found


def events_of(interactions: "Interactions") -> tuple["Interactions", np.ndarray]:
    """The events of interactions, one per row, and which of them belong to a pair that `at_least` kept."""
    from kerasrec.data import _opened

    if interactions._disk is not None:
        return interactions.events, _opened.shown(interactions)
    rows, shown = (interactions, None) if interactions._events is None else interactions._events.chosen()
    return rows, np.ones(len(rows), bool) if shown is None else shown


def split_events(interactions: "Interactions", test: np.ndarray) -> tuple["Interactions", "Interactions"]:
    """Split the events into two parts, and combine the events of each pair within each part.

    Args:
        interactions: `Interactions`.
        test: which events of `events_of` are in the second part.
    """
    if interactions._events is None:
        return interactions.take(~test), interactions.take(test)
    rows, _ = events_of(interactions)
    meaning = interactions._meaning
    parts = []
    for side in (~test, test):
        part = merged(rows.take(side))
        part._meaning = meaning
        parts.append(part if meaning.least is None else part.at_least(meaning.least))
    return parts[0], parts[1]


def merged(interactions: "Interactions") -> "Interactions":
    """Each pair once, with its events combined by the policy."""
    policy = interactions._meaning.duplicates
    keys = interactions.users.astype(np.int64) * interactions.n_items + interactions.items
    if policy == "error":
        if _duplicates.repeats(keys):
            count, row = _duplicates.first_repeat(keys)
            raise repeated("1 row" if count == 1 else f"{count} rows", _pair(interactions, row))
        return interactions
    one = _duplicates.resolve(keys, interactions.values, interactions.times, policy, interactions._counts)
    if one is None:
        return interactions
    if not np.isfinite(one.values).all():
        row = int(one.kept[np.argmin(np.isfinite(one.values))])
        raise ValueError(
            f"The {policy} of a user's values of an item must be finite in float32. Received: "
            f"{_pair(interactions, row)}, whose {policy} is not."
        )
    events = None if interactions.times is None else Events(interactions, one.owner, len(one.kept))
    found = interactions._rows(one.kept, events, values=one.values)
    found._counts = one.counts if policy == "mean" else None
    return found


def repeated(rows: str, first: str) -> ValueError:
    """The error for pairs that have several events.

    Args:
        rows: number of rows.
        first: first pair and its place.
    """
    return ValueError(
        "A user must not have an item twice unless `duplicates` is 'last', 'mean' or 'sum', or `kind` says "
        "what the values are: 'ratings', 'counts' or 'likes'. "
        f"Received: {rows} with a pair of an earlier row, first {first}."
    )


def _pair(interactions: "Interactions", row: int) -> str:
    user = interactions.user_ids[interactions.users[row]]
    item = interactions.item_ids[interactions.items[row]]
    return f"user {_columns.shown(user)} with item {_columns.shown(item)} in row {row}"
