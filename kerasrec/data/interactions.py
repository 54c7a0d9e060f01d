from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec._arguments import whole_number
from kerasrec.data import _columns, _duplicates
from kerasrec.data._loaders import Loaders

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse

_NAMES = {"user": "user", "item": "item", "value": "value", "time": "time"}


class Interactions(Loaders):
    """Who did what with which item: one row an event, as columns of codes.

    Users and items are codes (int32, `0..n-1`) here and raw ids outside; `user_ids[code]` is the raw id.
    Loaded without a given vocabulary, codes follow the sorted raw ids, so they do not depend on the order
    of the rows. Immutable: every method returns a new object, over the same vocabularies unless it says
    otherwise. Most callers want `from_frame`, `from_csv`, `from_parquet` or `from_sql`.

    Args:
        users: user codes `[n]`.
        items: item codes `[n]`.
        values: ratings, counts or weights `[n]`. Defaults to `None`: ones.
        times: whole numbers `[n]`. Defaults to `None`.
        user_ids: raw ids by code.
        item_ids: raw ids by code.
        context: further columns `[n]` by name. Defaults to `None`.
        context_ids: for the columns of `context` that are codes, the categories by code. Defaults to `None`.
        columns: the names that `user`, `item`, `value` and `time` have in the table, for `extend`; a value of
            `None` where the table has none. Defaults to `None`: these names themselves.

    Attributes:
        users: int32 `[n]`.
        items: int32 `[n]`.
        values: float32 `[n]`.
        times: int64 `[n]` (nanoseconds since 1970 in UTC where the table had datetimes), or `None`.
        user_ids: array `[U]`.
        item_ids: array `[I]`.
        context: dict of arrays `[n]`.
        context_ids: dict of arrays.

    Raises:
        ValueError: if lengths differ or a code is out of range.

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
    ) -> None:
        self.users = _frozen(_whole("users", users), np.int32)
        n = len(self.users)
        self.items = _frozen(_whole("items", items), np.int32)
        self.values = _frozen(np.ones(n, np.float32) if values is None else values, np.float32)
        self.times = None if times is None else _frozen(times, np.int64)
        self.user_ids = _frozen(_columns.id_array(user_ids))
        self.item_ids = _frozen(_columns.id_array(item_ids))
        self.context = {name: _frozen(x) for name, x in (context or {}).items()}
        self.context_ids = {name: _frozen(ids) for name, ids in (context_ids or {}).items()}
        self._columns = dict(columns or _NAMES)

        given = {"items": self.items, "values": self.values, "times": self.times, **self.context}
        for name, x in given.items():
            if x is not None and x.shape != (n,):
                raise ValueError(
                    f"`{name}` must have one entry an interaction. Received: {x.shape} for {n} users."
                )
        if values is not None and not np.isfinite(self.values).all():
            row = int(np.argmin(np.isfinite(self.values)))
            raise ValueError(
                f"`values` must be finite in float32. Received: {self.values[row]} in row {row}."
            )
        for name, codes, size in (("users", self.users, self.n_users), ("items", self.items, self.n_items)):
            if n and (codes.min() < 0 or codes.max() >= size):
                row = int(np.argmax((codes < 0) | (codes >= size)))
                raise ValueError(
                    f"`{name}` must be codes from 0 to {size - 1}. Received: {codes[row]} in row {row}. "
                    "`Interactions.from_frame` takes raw ids."
                )

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
        duplicates: str = "error",
        context: Sequence[Any] = (),
    ) -> "Interactions":
        """Interactions from a pandas frame.

        Args:
            frame: table with one row an event.
            user: name of the column of raw user ids. Defaults to `"user"`.
            item: name of the column of raw item ids. Defaults to `"item"`.
            value: name of the column of values. Defaults to `None`: every value is 1.
            time: name of the column of times: datetimes (without a time zone they are UTC), ISO 8601 text or
                whole numbers. Defaults to `None`.
            user_ids: raw ids by code; a user outside them is an error. Defaults to `None`: those of the
                column, sorted.
            item_ids: the same for items. Defaults to `None`.
            duplicates: what to do where a user has an item more than once: `"error"`; `"last"` keeps the
                latest event (the last row of equal times or without times); `"mean"` and `"sum"` give that
                event the mean or sum of the values. Defaults to `"error"`.
            context: names of further columns to keep; numbers stay, anything else becomes codes.
                Defaults to `()`.

        Returns:
            `Interactions`, in the order of the rows.

        Raises:
            TypeError: if `frame` is not a pandas frame.
            ValueError: if a column is missing or has entries that cannot be used; the message names the
                column, the count and the first bad row, counted from 0.
        """
        _check_frame(frame)
        names = {"user": user, "item": item, "value": value, "time": time}
        parsed = _columns.parse(frame, names, {"user": user_ids, "item": item_ids}, context)
        return cls(**parsed, columns=names)._without_duplicates(duplicates)

    @property
    def n_users(self) -> int:
        """Size of the vocabulary of users."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Size of the vocabulary of items."""
        return len(self.item_ids)

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        return f"Interactions({len(self)} of {self.n_users} users and {self.n_items} items)"

    def user_codes(self, ids: Any) -> np.ndarray:
        """Codes of raw user ids.

        Args:
            ids: raw ids.

        Returns:
            int32, of the length of `ids`.

        Raises:
            ValueError: if an id is unknown.
        """
        return _codes(self._user_index, ids, "user")

    def item_codes(self, ids: Any) -> np.ndarray:
        """Codes of raw item ids.

        Args:
            ids: raw ids.

        Returns:
            int32, of the length of `ids`.

        Raises:
            ValueError: if an id is unknown.
        """
        return _codes(self._item_index, ids, "item")

    def take(self, index: Any) -> "Interactions":
        """Some of the interactions, in the order of `index`.

        Args:
            index: positions, a boolean mask or a slice.

        Returns:
            `Interactions` over the same vocabularies.
        """
        return self._with(
            users=self.users[index],
            items=self.items[index],
            values=self.values[index],
            times=None if self.times is None else self.times[index],
            context={name: x[index] for name, x in self.context.items()},
        )

    def at_least(self, value: float) -> "Interactions":
        """The positives: interactions with at least this value.

        Args:
            value: least value kept.

        Returns:
            `Interactions` over the same vocabularies.
        """
        value = float(value)
        if np.isnan(value):
            raise ValueError(f"`value` must be a number. Received: value={value}.")
        return self.take(self.values >= np.float32(value))

    def filter(self, min_user: int = 1, min_item: int = 1, core: bool = False) -> "Interactions":
        """The interactions of users and items that have enough of them.

        The vocabularies stay, so codes still agree with the whole;
        `Interactions.from_frame(filtered.to_frame(), value="value")` makes smaller ones.

        Args:
            min_user: least number of interactions of a user. Defaults to `1`.
            min_item: least number of interactions of an item. Defaults to `1`.
            core: bool, repeat until every user and item left has enough among what is left (the k-core).
                Defaults to `False`: both are counted once, in the whole.

        Returns:
            `Interactions` over the same vocabularies.
        """
        min_user, min_item = whole_number("min_user", min_user), whole_number("min_item", min_item)
        users, items = self.users, self.items
        kept = np.arange(len(self))
        while True:
            enough_user = np.bincount(users, minlength=self.n_users) >= min_user
            enough_item = np.bincount(items, minlength=self.n_items) >= min_item
            keep = enough_user[users] & enough_item[items]
            kept, users, items = kept[keep], users[keep], items[keep]
            if keep.all() or not core:
                return self.take(kept)

    def extend(self, frame: "pd.DataFrame", duplicates: str = "error") -> "Interactions":
        """These interactions followed by new events; the vocabularies grow and old codes stay.

        Args:
            frame: table with the column names that these interactions were loaded with.
            duplicates: as in `from_frame`, over old and new events together. Defaults to `"error"`.

        Returns:
            `Interactions`; new users and items have the codes after the old ones, by sorted raw id.

        Raises:
            ValueError: as in `from_frame`.
        """
        _check_frame(frame)
        vocabularies = {"user": self.user_ids, "item": self.item_ids, **self.context_ids}
        names = {**self._columns, "time": None if self.times is None else self._columns["time"]}
        new = _columns.parse(frame, names, vocabularies, tuple(self.context), grow=True)
        join = np.concatenate
        return self._with(
            users=join([self.users, new["users"]]),
            items=join([self.items, new["items"]]),
            values=None if new["values"] is None else join([self.values, new["values"]]),
            times=None if new["times"] is None else join([self.times, new["times"]]),
            user_ids=new["user_ids"],
            item_ids=new["item_ids"],
            context={name: join([x, new["context"][name]]) for name, x in self.context.items()},
            context_ids=new["context_ids"],
        )._without_duplicates(duplicates)

    def to_frame(self) -> "pd.DataFrame":
        """A frame of raw ids with columns `user`, `item`, `value`, `time` (where known) and the context."""
        import pandas as pd

        columns = {"user": self.user_ids[self.users], "item": self.item_ids[self.items], "value": self.values}
        if self.times is not None:
            columns["time"] = self.times
        for name, x in self.context.items():
            columns[name] = self.context_ids[name][x] if name in self.context_ids else x
        return pd.DataFrame(columns)

    def to_csr(self) -> "scipy.sparse.csr_matrix":
        """A users-by-items matrix of the values; a value of 0 is stored."""
        import scipy.sparse

        return scipy.sparse.csr_matrix((self.values, (self.users, self.items)), (self.n_users, self.n_items))

    def describe(self) -> "pd.DataFrame":
        """Counts, density, interactions a user and an item, and the histogram of values."""
        from kerasrec.data._describe import describe

        return describe(self)

    @cached_property
    def _user_index(self) -> "pd.Index[Any]":
        return _columns.id_index(_columns.vocabulary(self.user_ids, "user"))

    @cached_property
    def _item_index(self) -> "pd.Index[Any]":
        return _columns.id_index(_columns.vocabulary(self.item_ids, "item"))

    def _with(self, **changes: Any) -> "Interactions":
        fields = ("users", "items", "values", "times", "user_ids", "item_ids", "context", "context_ids")
        return Interactions(**{name: getattr(self, name) for name in fields} | changes, columns=self._columns)

    def _without_duplicates(self, policy: str) -> "Interactions":
        _duplicates.check_policy(policy)
        keys = self.users.astype(np.int64) * self.n_items + self.items
        if policy == "error":
            if _duplicates.repeats(keys):
                count, row = _duplicates.first_repeat(keys)
                raise ValueError(
                    "A user must not have an item twice unless `duplicates` is 'last', 'mean' or 'sum'. "
                    f"Received: {count} rows that repeat an earlier one, first user "
                    f"{_columns.shown(self.user_ids[self.users[row]])} with item "
                    f"{_columns.shown(self.item_ids[self.items[row]])} in row {row}."
                )
            return self
        kept = _duplicates.resolve(keys, self.values, self.times, policy)
        if kept is None:
            return self
        if not np.isfinite(kept[1]).all():
            row = kept[0][np.argmin(np.isfinite(kept[1]))]
            raise ValueError(
                f"The {policy} of a user's values of an item must be finite in float32. Received: user "
                f"{_columns.shown(self.user_ids[self.users[row]])} with item "
                f"{_columns.shown(self.item_ids[self.items[row]])} in row {row}, whose {policy} is not."
            )
        return self.take(kept[0])._with(values=kept[1])


def check_interactions(name: str, value: Any) -> None:
    """Refuse an argument that is something else, most often a frame.

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


def _check_frame(frame: Any) -> None:
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise TypeError(
            "`frame` must be a pandas DataFrame; convert it with `pandas.DataFrame(...)` or its own "
            f"`to_pandas()`. Received: {type(frame).__name__}."
        )


def _whole(name: str, codes: Any) -> np.ndarray:
    """Codes that fit into int32; a cast would cut fractions off and wrap larger numbers around."""
    codes = np.asarray(codes)
    whole = codes.dtype.kind in "iu" or (codes.dtype.kind == "f" and (codes == np.floor(codes)).all())
    if codes.size and not whole:
        raise TypeError(
            f"`{name}` must be codes, which are whole numbers; `Interactions.from_frame` takes raw ids. "
            f"Received: dtype {codes.dtype}."
        )
    if codes.size and codes.dtype.itemsize > 4 and max(-int(codes.min()), int(codes.max())) >= 2**31:
        row = int(np.argmax((codes < -(2**31)) | (codes >= 2**31)))
        raise ValueError(
            f"`{name}` must be codes, which are below 2**31; `Interactions.from_frame` takes raw ids. "
            f"Received: {codes.flat[row]} in row {row}."
        )
    return codes


def _frozen(x: Any, dtype: Any = None) -> np.ndarray:
    """A read-only view; the caller's own array stays writable."""
    view = np.asarray(x, dtype).view()
    view.flags.writeable = False
    return view


def _codes(index: "pd.Index[Any]", ids: Any, side: str) -> np.ndarray:
    wanted = _columns.id_index(_columns.several(ids))
    codes = index.get_indexer(wanted).astype(np.int32)
    unknown = np.flatnonzero(codes < 0)
    if len(unknown):
        raise ValueError(
            f"`ids` must be ids of {side}s that these interactions know. "
            f"Received: {len(unknown)} unknown ids, first {_columns.shown(wanted[unknown[0]])}."
        )
    return codes
