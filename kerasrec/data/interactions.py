from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec._arguments import whole_number
from kerasrec._memory import check_memory
from kerasrec.data import _columns, _extension, _likes, _opened, _opened_parts, _times
from kerasrec.data._codes import check, check_frame, codes_of, frozen, whole
from kerasrec.data._describe import describe_interactions
from kerasrec.data._events import Events, merged
from kerasrec.data._folder import blocks
from kerasrec.data._kinds import Meaning
from kerasrec.data._loaders import Loaders
from kerasrec.data._opened import BLOCK_ROWS, Disk
from kerasrec.data._raw_ids import HeldIds, Ids

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse

# Attribute of a frame from `to_frame` with the meaning of its values.
_ATTRIBUTE = "kerasrec"
# Approximate bytes of a row of a frame, with its ids.
_FRAME_BYTES = 100
_NAMES = {"user": "user", "item": "item", "value": "value", "time": "time"}


class Interactions(Loaders):
    """Who did what with which item: one row per event, as columns of codes.

    Users and items are codes (int32, `0..n-1`) here and raw ids outside; `user_ids[code]` is the raw id.
    Without a given vocabulary, codes follow the sorted raw ids, so they do not depend on the order of the
    rows. Objects are immutable: every method returns a new object, with the same vocabularies unless it says
    otherwise. Most callers use `from_frame`, `from_csv`, `from_parquet` or `from_sql`.

    The `kind` of the values is decided once, and everything derived from these interactions keeps it. It says
    how several events of a user with an item are combined: the last of several `"ratings"` counts, `"counts"`
    (and amounts) are added up, and `"likes"` are present or not. If pairs have several events and there are
    times, the events are kept as well, for `kerasrec.data.splits` and `extend`.

    Args:
        users: user codes `[n]`.
        items: item codes `[n]`.
        values: ratings, counts or weights `[n]`. Defaults to `None`: ones.
        times: whole numbers or datetimes `[n]`. Defaults to `None`.
        user_ids: raw ids by code.
        item_ids: raw ids by code.
        context: further columns `[n]` by name. Defaults to `None`.
        context_ids: for the columns of `context` that are codes, the categories by code. Defaults to `None`.
        columns: the table's names for `user`, `item`, `value` and `time`, for `extend`; `None` for a column
            that the table does not have. Defaults to `None`: these names themselves.
        kind: `"ratings"`, `"counts"` or `"likes"`. Defaults to `None`: ratings if there are values, likes
            otherwise.

    Attributes:
        users: int32 `[n]`.
        items: int32 `[n]`.
        values: float32 `[n]`.
        times: int64 `[n]` (nanoseconds since 1970 in UTC if the table had datetimes), or `None`.
        user_ids: array `[U]`.
        item_ids: array `[I]`.
        context: dict of arrays `[n]`.
        context_ids: dict of arrays.

    Raises:
        ValueError: if lengths differ, a code is out of range, or `kind` does not exist or lacks values.

    Example:
        >>> import pandas as pd, kerasrec
        >>> frame = pd.DataFrame({"who": ["bob", "ann"], "film": [7, 9], "stars": [4.0, 2.0]})
        >>> x = kerasrec.data.Interactions.from_frame(frame, user="who", item="film", value="stars")
        >>> x.users.tolist(), x.user_ids.tolist(), x.n_items, len(x)
        ([1, 0], ['ann', 'bob'], 2, 2)
    """

    def __init__(
        self,
        users: Any,
        items: Any,
        values: Any = None,
        times: Any = None,
        *,
        user_ids: Any,
        item_ids: Any,
        context: Mapping[str, Any] | None = None,
        context_ids: Mapping[str, Any] | None = None,
        columns: Mapping[str, Any] | None = None,
        kind: str | None = None,
    ) -> None:
        self.users = frozen(whole("users", users), np.int32)
        n = len(self.users)
        self.items = frozen(whole("items", items), np.int32)
        self.values = frozen(np.ones(n, np.float32) if values is None else values, np.float32)
        whole_times, dates = (None, False) if times is None else _times.times_of(times, self.users)
        self.times = None if whole_times is None else frozen(whole_times, np.int64)
        self._user_ids, self._item_ids = _held(user_ids), _held(item_ids)
        self.context = {name: frozen(x) for name, x in (context or {}).items()}
        self.context_ids = {name: frozen(ids) for name, ids in (context_ids or {}).items()}
        self._columns = dict(columns or _NAMES)
        self._meaning = replace(Meaning.of(kind, None, values is not None), dates=dates)
        self._counts: np.ndarray | None = None  # how many events each value is the mean of
        self._events: Events | None = None
        self._disk: Disk | None = None  # further data if the columns are memory maps
        check(self, values is not None)

    @classmethod
    def from_frame(
        cls,
        frame: "pd.DataFrame",
        user: Any = "user",
        item: Any = "item",
        value: Any = None,
        time: Any = None,
        user_ids: Any = None,
        item_ids: Any = None,
        duplicates: str | None = None,
        context: Sequence[Any] = (),
        kind: str | None = None,
    ) -> "Interactions":
        """Interactions from a pandas frame.

        Args:
            frame: table with one row per event.
            user: name of the column of raw user ids. Defaults to `"user"`.
            item: name of the column of raw item ids. Defaults to `"item"`.
            value: name of the column of values. Defaults to `None`: every value is 1.
            time: name of the column of times: datetimes (in UTC if they have no time zone), ISO 8601 text or
                whole numbers. A row without a time takes that of the user's previous row, and a warning has
                the number of such rows. Defaults to `None`.
            user_ids: raw ids by code; an unknown user is an error. Defaults to `None`: the sorted ids of the
                column.
            item_ids: the same for items. Defaults to `None`.
            duplicates: what to do if a user has an item more than once: `"error"`; `"last"` keeps the latest
                event (the last row if times are equal or missing); `"mean"` and `"sum"` give that event the
                mean or sum of the values. Defaults to `None`: that of the `kind`, or `"error"` if no kind is
                given.
            context: names of further columns to keep; numbers stay numbers, anything else becomes codes.
                Defaults to `()`.
            kind: kind of the values: `"ratings"`, of which the last one counts, `"counts"` (and amounts),
                which are added up, or `"likes"`, which are present or not. Defaults to `None`: that of the
                frame if `to_frame` made it; otherwise counts with `duplicates="sum"`, ratings with a `value`,
                or likes.

        Returns:
            `Interactions`, in the order of the rows.

        Raises:
            TypeError: if `frame` is not a pandas frame.
            ValueError: if a column is missing or has entries that cannot be used; the message names the
                column, the count and the first bad row, counted from 0.
        """
        check_frame(frame)
        names = {"user": user, "item": item, "value": value, "time": time}
        parsed = _columns.parse(frame, names, {"user": user_ids, "item": item_ids}, context)
        dates = parsed.pop("dates")
        if parsed["times"] is not None and not dates:
            _times.check_unit(parsed["times"], time)
        said = frame.attrs.get(_ATTRIBUTE) if kind is None else None
        if isinstance(said, Mapping) and (value is not None or said.get("kind") != "ratings"):
            kind, duplicates = said.get("kind"), duplicates or said.get("duplicates")
        found = cls(**parsed, columns=names)
        found._meaning = replace(Meaning.of(kind, duplicates, value is not None), dates=dates)
        return merged(found)

    @classmethod
    def _of(
        cls,
        users: np.ndarray,
        items: np.ndarray,
        values: np.ndarray,
        times: np.ndarray | None,
        user_ids: Ids,
        item_ids: Ids,
        meaning: Meaning,
        context: Mapping[str, np.ndarray] | None = None,
        context_ids: Mapping[str, np.ndarray] | None = None,
    ) -> "Interactions":
        """Interactions from columns that are known to be valid and are not checked."""
        found = cls.__new__(cls)
        found.users, found.items, found.values = frozen(users), frozen(items), frozen(values)
        found.times = None if times is None else frozen(times)
        found._user_ids, found._item_ids = user_ids, item_ids
        found.context = {name: frozen(x) for name, x in (context or {}).items()}
        found.context_ids = dict(context_ids or {})
        found._columns, found._meaning = dict(_NAMES), meaning
        found._counts, found._events, found._disk = None, None, None
        return found

    @property
    def user_ids(self) -> np.ndarray:
        """Raw ids of the users by code, `[U]`."""
        return self._user_ids.array

    @property
    def item_ids(self) -> np.ndarray:
        """Raw ids of the items by code, `[I]`."""
        return self._item_ids.array

    @property
    def kind(self) -> str:
        """Kind of the values: `"ratings"`, `"counts"` or `"likes"`."""
        return self._meaning.kind

    @property
    def duplicates(self) -> str:
        """How several events of a pair are combined: `"error"`, `"last"`, `"mean"` or `"sum"`."""
        return self._meaning.duplicates

    @property
    def liked(self) -> np.ndarray:
        """Which interactions are likes, bool `[n]`: all that `at_least` kept; otherwise those above 0."""
        if self._disk is not None and self._all_liked:
            return np.broadcast_to(np.True_, self.users.shape)
        return _likes.liked(self.values, self._meaning.least)

    @property
    def gains(self) -> np.ndarray:
        """The weight of each interaction as a like, float32 `[n]`: its value, or 0 if it is not a like.

        A value of 0 or below cannot be a weight: after `at_least` with such a number every like has weight 1.
        """
        least = self._meaning.least
        if self._disk is not None and self._all_liked and (least is None or least > 0):
            return self.values
        return _likes.gains(self.values, least)

    @property
    def events(self) -> "Interactions":
        """The events, one per row, which `kind` combines into one row per pair.

        They are kept if there are times. Otherwise, or if no pair has several, these are the interactions
        themselves.
        """
        if self._disk is not None:
            return self._disk.events or self
        return self if self._events is None else self._events.chosen()[0]

    @property
    def n_users(self) -> int:
        """Size of the vocabulary of users."""
        return len(self._user_ids)

    @property
    def n_items(self) -> int:
        """Size of the vocabulary of items."""
        return len(self._item_ids)

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        return f"Interactions({len(self)} {self.kind} of {self.n_users} users and {self.n_items} items)"

    def user_codes(self, ids: Any) -> np.ndarray:
        """Codes of raw user ids.

        Args:
            ids: raw ids.

        Returns:
            int32, of the length of `ids`.

        Raises:
            ValueError: if an id is unknown.
        """
        return codes_of(self._user_index, ids, "user")

    def item_codes(self, ids: Any) -> np.ndarray:
        """Codes of raw item ids.

        Args:
            ids: raw ids.

        Returns:
            int32, of the length of `ids`.

        Raises:
            ValueError: if an id is unknown.
        """
        return codes_of(self._item_index, ids, "item")

    def take(self, index: Any) -> "Interactions":
        """Some of the interactions, in the order of `index`.

        Args:
            index: positions, a boolean mask or a slice.

        Returns:
            `Interactions` over the same vocabularies.
        """
        if self._disk is not None:
            return _opened_parts.taken(self, index)
        if isinstance(index, list):
            index = np.asarray(index, None if index else np.int64)
        return self._rows(index, None if self._events is None else self._events.take(index))

    def of_kind(self, kind: str) -> "Interactions":
        """These interactions, with their values declared to be of this kind.

        Args:
            kind: `"ratings"`, `"counts"` or `"likes"`.

        Returns:
            `Interactions` over the same vocabularies.

        Raises:
            ValueError: if there is no such kind.
        """
        said = Meaning.of(kind, self.duplicates if kind == self.kind else None, has_values=True)
        found = self.take(slice(None))  # opened ones: a copy of what is said about them
        found._meaning = replace(self._meaning, kind=said.kind, duplicates=said.duplicates, stated=True)
        return found

    def at_least(self, value: float) -> "Interactions":
        """The likes: interactions with at least this value.

        The interactions that are kept count as likes everywhere (in training, popularity, evaluation),
        whatever their sign. A split by time applies the threshold again to each part, in which a pair may
        have another value.

        Args:
            value: lowest value that is kept.

        Returns:
            `Interactions` over the same vocabularies.
        """
        value = float(value)
        if np.isnan(value):
            raise ValueError(f"`value` must be a number. Received: value={value}.")
        if self._disk is not None:
            return _opened_parts.parts(self, lambda part, _: [part.at_least(value)])[0]
        liked = _likes.liked(self.values, value)
        found = self._rows(liked, None if self._events is None else self._events.likes(liked))
        known = self._meaning
        found._meaning = replace(
            known,
            least=value if known.least is None else max(value, known.least),
            left_out=known.left_out or not liked.all(),
        )
        return found

    def filter(self, min_user: int = 1, min_item: int = 1, core: bool = False) -> "Interactions":
        """The interactions of users and items that have enough of them.

        The vocabularies stay, so codes still agree with the whole;
        `Interactions.from_frame(filtered.to_frame(), value="value")` makes smaller vocabularies.

        Args:
            min_user: minimum number of interactions of a user. Defaults to `1`.
            min_item: minimum number of interactions of an item. Defaults to `1`.
            core: bool, whether to repeat until every remaining user and item has enough of the remaining
                interactions (the k-core). Defaults to `False`: both are counted once, in the whole.

        Returns:
            `Interactions` over the same vocabularies.
        """
        min_user, min_item = whole_number("min_user", min_user), whole_number("min_item", min_item)
        if self._disk is not None:
            return _opened_parts.filtered(self, min_user, min_item, core)
        users, items = self.users, self.items
        kept = np.arange(len(self))
        while True:
            enough_user = np.bincount(users, minlength=self.n_users) >= min_user
            enough_item = np.bincount(items, minlength=self.n_items) >= min_item
            keep = enough_user[users] & enough_item[items]
            kept, users, items = kept[keep], users[keep], items[keep]
            if keep.all() or not core:
                return self.take(kept)

    def extend(self, frame: "pd.DataFrame", duplicates: str | None = None) -> "Interactions":
        """Add new events; the vocabularies grow, and old codes stay.

        Apart from the codes, the result is the same as for one table of all events.

        Args:
            frame: table with the column names that these interactions were loaded with.
            duplicates: as in `from_frame`, for old and new events together. Defaults to `None`: that of these
                interactions.

        Returns:
            `Interactions`; new users and items have the codes after the old ones, by sorted raw id.

        Raises:
            ValueError: as in `from_frame`; if the type or unit of the times differs; if `duplicates` differs;
                or if `at_least` dropped events that would have to be combined with new ones.
        """
        check_frame(frame)
        if self._disk is not None:
            raise ValueError(
                "Opened interactions must be prepared again to be extended: pass the old files and the new "
                f"ones to `Interactions.prepare`. Received: a frame of {len(frame):,} rows."
            )
        vocabularies = {"user": self.user_ids, "item": self.item_ids, **self.context_ids}
        names = {**self._columns, "time": None if self.times is None else self._columns["time"]}
        new = _columns.parse(frame, names, vocabularies, tuple(self.context), grow=True)
        dates = new.pop("dates")
        events = Interactions(**new, columns=self._columns)
        events._meaning = replace(events._meaning, dates=dates)
        return _extension.joined(self, events, self._meaning.after(duplicates), self._columns["time"])

    def to_frame(self) -> "pd.DataFrame":
        """A frame of raw ids with the columns `user`, `item`, `value`, `time` (if known) and the context.

        If the times were dates, they are dates again, in UTC. `frame.attrs` has the kind of the values, for
        `from_frame`.
        """
        import pandas as pd

        if self._disk is not None:
            check_memory(_FRAME_BYTES * len(self), f"a frame of {len(self):,} rows; `take` gives fewer")
        columns = {"user": self.user_ids[self.users], "item": self.item_ids[self.items], "value": self.values}
        if self.times is not None:
            columns["time"] = self.times.view("M8[ns]") if self._meaning.dates else self.times
        for name, x in self.context.items():
            columns[name] = self.context_ids[name][x] if name in self.context_ids else x
        frame = pd.DataFrame(columns)
        if self._meaning.stated or self.duplicates != "error":
            frame.attrs[_ATTRIBUTE] = {"kind": self.kind, "duplicates": self.duplicates}
        return frame

    def to_csr(self) -> "scipy.sparse.csr_matrix":
        """A users-by-items matrix of the values; a value of 0 is stored."""
        import scipy.sparse

        if self._disk is not None:  # the columns are the matrix
            rows = np.array(self.values), np.array(self.items), np.array(self._disk.starts)
            return scipy.sparse.csr_matrix(rows, (self.n_users, self.n_items))
        return scipy.sparse.csr_matrix((self.values, (self.users, self.items)), (self.n_users, self.n_items))

    def describe(self) -> "pd.DataFrame":
        """Counts, density, interactions per user and per item, and the histogram of values."""
        if self._disk is not None:
            return _opened.described(self)
        shape, n_liked = (self.n_users, self.n_items), int(self.liked.sum())
        return describe_interactions(
            self.users, self.items, self.values, shape, self.kind, len(self.events), n_liked
        )

    @cached_property
    def _all_liked(self) -> bool:
        least = self._meaning.least
        return all(_likes.liked(self.values[rows], least).all() for rows in blocks(len(self), BLOCK_ROWS))

    @property
    def _user_counts(self) -> np.ndarray:
        """How many rows each user has, `[U]`."""
        if self._disk is not None:
            return np.diff(self._disk.starts)
        return np.bincount(self.users, minlength=self.n_users)

    @property
    def _item_counts(self) -> np.ndarray:
        """How many rows each item has, `[I]`."""
        return _opened.counts_of(self.items, self.n_items)

    @cached_property
    def _user_index(self) -> "pd.Index[Any]":
        return _columns.id_index(_columns.vocabulary(self.user_ids, "user"))

    @cached_property
    def _item_index(self) -> "pd.Index[Any]":
        return _columns.id_index(_columns.vocabulary(self.item_ids, "item"))

    def _with(self, **changes: Any) -> "Interactions":
        """Interactions with other columns or vocabularies, without the events of these rows."""
        fields = ("users", "items", "values", "times", "context", "context_ids")
        given: dict[str, Any] = {name: getattr(self, name) for name in fields}
        given |= {"user_ids": self._user_ids, "item_ids": self._item_ids}
        found = Interactions(**given | changes, columns=self._columns)
        found._meaning = self._meaning
        return found

    def _rows(self, index: Any, events: Events | None, **changes: Any) -> "Interactions":
        """Some rows and their events."""
        found = self._with(
            users=self.users[index],
            items=self.items[index],
            times=None if self.times is None else self.times[index],
            context={name: x[index] for name, x in self.context.items()},
            **({"values": self.values[index]} | changes),
        )
        found._counts = None if self._counts is None else self._counts[index]
        found._events = events
        return found


def _held(ids: Any) -> Ids:
    """Raw ids in the form in which they are kept; those on disk stay there."""
    return ids if isinstance(ids, Ids) else HeldIds(frozen(_columns.id_array(ids)))


def check_interactions(name: str, value: Any) -> None:
    """Refuse an argument of another type, most often a frame.

    Args:
        name: the argument's name, for the message.
        value: what was given.

    Raises:
        TypeError: if it is not `Interactions`.
    """
    if not isinstance(value, Interactions):
        raise TypeError(
            f"`{name}` must be `kerasrec.data.Interactions`; make them with `Interactions.from_frame` or "
            f"`from_csv`. Received: {type(value).__name__}."
        )
