import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data import columns as kinds
from kerasrec.data._columns import column
from kerasrec.data.columns import Column

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
# What a model's inputs of these names stand for elsewhere.
_TAKEN = ("history", "shared_item", "target")
# A column of text with more categories than this share of its rows has ids of its own or free text.
_MOST_CATEGORIES = 0.5
# Types of a default that a file may hold.
_DEFAULTS = (str, bool, int, float, type(None))


class InputColumns:
    """The columns of a table that a model reads, each with how it is encoded: raw entries in, arrays out.

    Declared by name and fitted to a training table, they encode any other, and stand in the file of the model
    that was made for them.

    Args:
        fitted: kinds of columns (`kerasrec.data.columns`) by the name of the column, each fitted.
        user: name of the column of users, if there is one. Defaults to `None`.
        item: name of the column of items, if there is one. Defaults to `None`.

    Attributes:
        fitted: dict of kinds by name.
        user: name of a column, or `None`.
        item: name of a column, or `None`.

    Raises:
        ValueError: if there is no column, or `user` or `item` is none of them.

    Example:
        >>> import pandas as pd
        >>> from kerasrec.data import InputColumns
        >>> frame = pd.DataFrame({"device": ["phone", "tablet"], "price": [1.0, 3.0]})
        >>> columns = InputColumns.fit(frame, {"device": "category", "price": "number"})
        >>> {name: x.tolist() for name, x in columns.encode(frame).items()}
        {'device': [[2], [3]], 'price': [[-1.0], [1.0]]}
    """

    def __init__(
        self, fitted: Mapping[str, Column], user: str | None = None, item: str | None = None
    ) -> None:
        if not fitted:
            raise ValueError("`columns` must name at least one column. Received: none.")
        self.fitted = dict(fitted)
        self.user, self.item = user, item
        for side, name in (("user", user), ("item", item)):
            if name is not None and name not in self.fitted:
                raise ValueError(
                    f"`{side}` must be one of the columns {', '.join(map(repr, self.fitted))}. "
                    f"Received: {side}={name!r}."
                )

    @classmethod
    def fit(
        cls,
        frame: "pd.DataFrame",
        columns: Mapping[str, str | Column],
        user: str | None = None,
        item: str | None = None,
    ) -> "InputColumns":
        """Fit the kinds that were declared to a training table.

        Args:
            frame: the training table.
            columns: kinds by the name of the column, as `kerasrec.data.columns.get` takes them.
            user: name of the column of users; a category where `columns` lack it. Defaults to `None`.
            item: the same of items. Defaults to `None`.

        Returns:
            `InputColumns`.

        Raises:
            TypeError: if `columns` is no mapping.
            ValueError: if the table lacks a column or a row, a column of categories is empty, or an entry is
                not of its kind.
        """
        if not isinstance(columns, Mapping):
            raise TypeError(
                "`columns` must be a dict of kinds by the name of the column, e.g. {'device': 'category'}. "
                f"Received: {columns!r}."
            )
        declared = {name: "category" for name in (user, item) if name is not None} | dict(columns)
        if not len(frame):
            raise ValueError("The table must have at least one row. Received: an empty table.")
        fitted = {}
        for name, kind in declared.items():
            argument = "user" if name == user else "item" if name == item else "columns"
            entries = column(frame, name, argument)
            fitted[name] = kinds.get(kind, name).fit(entries)
            if fitted[name].n and _is_empty(entries):
                raise ValueError(
                    f"Column {name!r} must have an entry in some row, or nothing is learned of it; leave it "
                    f"out. Received: {len(entries):,} rows, all without."
                )
        return cls(fitted, user, item)

    @staticmethod
    def guess(frame: "pd.DataFrame", leave_out: Any = ()) -> dict[str, Column]:
        """Kinds that suit the columns of a table, for someone who has not declared any.

        Fractions are numbers, and dates (as text in ISO 8601) times; text, truth values and whole numbers are
        categories, and text that is nearly always another one is hashed. Empty columns are left out.

        Args:
            frame: the training table.
            leave_out: names of columns to leave out. Defaults to `()`.

        Returns:
            Kinds by name.
        """
        import pandas as pd

        found: dict[str, Column] = {}
        for name in frame.columns:
            if name in leave_out:
                continue
            entries = frame[name]
            if _is_empty(entries):
                continue
            if pd.api.types.is_datetime64_any_dtype(entries.dtype) or _are_dates(entries):
                found[name] = kinds.Time()
            elif pd.api.types.is_float_dtype(entries.dtype) and (entries.dropna() % 1 != 0).any():
                found[name] = kinds.Number(default=float(entries.mean()) if entries.isna().any() else None)
            elif entries.nunique() > max(100, _MOST_CATEGORIES * len(entries)):
                found[name] = kinds.Hashed()
            else:
                found[name] = kinds.Category()
        return found

    @property
    def names(self) -> dict[str, str]:
        """Names of the model's inputs by those of the columns: what Keras does not take is replaced."""
        found: dict[str, str] = {}
        for name in self.fitted:
            plain = re.sub(r"[^A-Za-z0-9_.-]", "_", str(name)) or "_"
            while plain in _TAKEN or plain in found.values() or plain.startswith(("_", ".", "-")):
                plain = f"column_{plain}" if plain.startswith(("_", ".", "-")) else f"{plain}_"
            found[name] = plain
        return found

    @property
    def categories(self) -> dict[str, Column]:
        """Columns that are codes, by the name of the input."""
        return {name: kind for name, kind in self._inputs() if kind.n}

    @property
    def numbers(self) -> dict[str, Column]:
        """Columns that are numbers, by the name of the input."""
        return {name: kind for name, kind in self._inputs() if not kind.n}

    def encode(self, frame: "pd.DataFrame") -> dict[str, np.ndarray]:
        """What a model takes for the rows of a table.

        Args:
            frame: any table with the columns, in any order; others are ignored.

        Returns:
            By the name of the input codes (int32) or numbers (float32), `[n, W]`.

        Raises:
            ValueError: if a column is missing that has no default, or an entry is not of its kind.
        """
        import pandas as pd

        if not isinstance(frame, pd.DataFrame):
            raise TypeError(f"`frame` must be a pandas DataFrame. Received: {type(frame).__name__}.")
        found = {}
        for name, plain in self.names.items():
            kind = self.fitted[name]
            if name in frame.columns:
                entries = column(frame, name, "columns")
            elif kind.default is not None:
                entries = pd.Series([kind.default] * len(frame), frame.index, name=name)
            else:
                raise ValueError(
                    f"The table must have the column {name!r}, which the model was trained with; a "
                    "column declared with a `default` may be missing. "
                    f"Received: {', '.join(map(repr, frame.columns)) or 'no columns'}."
                )
            found[plain] = kind.encode(kind.filled(entries))
        return found

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything, as arrays that `np.savez` writes without pickle."""
        state = {
            "format": FORMAT,
            "user": self.user,
            "item": self.item,
            "columns": [[name, kind.to_dict()] for name, kind in self.fitted.items()],
        }
        return {"columns": np.frombuffer(json.dumps(state).encode(), np.uint8)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "InputColumns":
        """What `to_arrays` gave.

        Args:
            arrays: arrays by name.

        Returns:
            `InputColumns`.

        Raises:
            ValueError: if a newer version wrote them, or they are damaged.
        """
        try:
            state = json.loads(np.asarray(arrays["columns"], np.uint8).tobytes())
            if state["format"] <= FORMAT:
                return cls(_fitted(state["columns"]), state["user"], state["item"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"Columns must come from `to_arrays`. Received: {error}") from error
        raise ValueError(
            f"Columns must be in format {FORMAT} or older; a newer kerasrec reads them. "
            f"Received: format {state['format']}."
        )

    def __repr__(self) -> str:
        return f"InputColumns({', '.join(f'{name}: {kind.kind}' for name, kind in self.fitted.items())})"

    def _inputs(self) -> Iterator[tuple[str, Column]]:
        return ((plain, self.fitted[name]) for name, plain in self.names.items())


def _fitted(columns: Any) -> dict[str, Column]:
    """The columns of a file by name, each with what `fit` gives."""
    found = {name: kinds.from_dict(kind) for name, kind in columns}
    for name, kind in found.items():
        if not kind.is_whole or not isinstance(kind.default, _DEFAULTS):
            raise ValueError(f"the column {name!r} with settings that were not fitted.")
    return found


def _is_empty(entries: "pd.Series[Any]") -> bool:
    """Whether no row has an entry; spaces are none."""
    return all(isinstance(entry, str) and not entry.strip() for entry in entries.dropna().unique())


def _are_dates(entries: "pd.Series[Any]") -> bool:
    """Whether a column is text that stands for dates."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(entries.dtype):
        return False
    texts = pd.Series(entries.dropna().unique()).astype(object)
    if not len(texts) or not texts.map(lambda x: isinstance(x, str) and len(x) >= len("2024-01-01")).all():
        return False
    return bool(pd.to_datetime(texts, utc=True, errors="coerce", format="ISO8601").notna().all())
