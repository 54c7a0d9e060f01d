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
# Names of inputs that have another meaning elsewhere.
_TAKEN = ("history", "shared_item", "target")
# A text column with more categories than this share of its rows has ids or free text.
_MOST_CATEGORIES = 0.5
# Types of defaults that can be stored in a file.
_DEFAULTS = (str, bool, int, float, type(None))


class InputColumns:
    """The columns of a table that a model reads, with their encoders: raw entries in, arrays out.

    Columns are declared by name and fitted to a training table. They then encode any other table, and are
    stored in the file of the model that was made for them.

    Args:
        fitted: fitted kinds of columns (`kerasrec.data.columns`) by the name of the column.
        user: name of the column of users, if there is one. Defaults to `None`.
        item: name of the column of items, if there is one. Defaults to `None`.

    Attributes:
        fitted: dict of kinds by name.
        user: name of a column, or `None`.
        item: name of a column, or `None`.

    Raises:
        ValueError: if there is no column, or `user` or `item` is not one of them.

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
        """Fit the declared kinds to a training table.

        Args:
            frame: the training table.
            columns: kinds by the name of the column, as in `kerasrec.data.columns.get`.
            user: name of the column of users, a category if it is not in `columns`. Defaults to `None`.
            item: the same for items. Defaults to `None`.

        Returns:
            `InputColumns`.

        Raises:
            TypeError: if `columns` is not a mapping.
            ValueError: if a column is missing, the table or a column of categories is empty, or an entry does
                not fit its column.
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
                    f"Column {name!r} must have an entry in some row, or nothing is learned from it; leave "
                    f"it out. Received: {len(entries):,} rows, all without an entry."
                )
        return cls(fitted, user, item)

    @staticmethod
    def guess(frame: "pd.DataFrame", leave_out: Any = ()) -> dict[str, Column]:
        """Guess the kinds of the columns of a table.

        Fractions are numbers, and dates (also as text in ISO 8601) are times. Text, truth values and whole
        numbers are categories; they are hashed if there are too many different ones. Empty columns are left
        out.

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
        """Names of the model's inputs by column; characters that Keras does not allow are replaced."""
        found: dict[str, str] = {}
        for name in self.fitted:
            plain = re.sub(r"[^A-Za-z0-9_.-]", "_", str(name)) or "_"
            while plain in _TAKEN or plain in found.values() or plain.startswith(("_", ".", "-")):
                plain = f"column_{plain}" if plain.startswith(("_", ".", "-")) else f"{plain}_"
            found[name] = plain
        return found

    @property
    def categories(self) -> dict[str, Column]:
        """Columns that are encoded as codes, by the name of the input."""
        return {name: kind for name, kind in self._inputs() if kind.n}

    @property
    def numbers(self) -> dict[str, Column]:
        """Columns that are encoded as numbers, by the name of the input."""
        return {name: kind for name, kind in self._inputs() if not kind.n}

    def encode(self, frame: "pd.DataFrame") -> dict[str, np.ndarray]:
        """Encode the rows of a table as inputs of a model.

        Args:
            frame: any table with the columns, in any order; other columns are ignored.

        Returns:
            Codes (int32) or numbers (float32) `[n, W]`, by the name of the input.

        Raises:
            ValueError: if a column without a default is missing, or an entry does not fit its column.
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
        """Read the result of `to_arrays`.

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
    """The fitted columns of a file, by name."""
    found = {name: kinds.from_dict(kind) for name, kind in columns}
    for name, kind in found.items():
        if not kind.is_whole or not isinstance(kind.default, _DEFAULTS):
            raise ValueError(f"the column {name!r} with settings that were not fitted.")
    return found


def _is_empty(entries: "pd.Series[Any]") -> bool:
    """Whether no row has an entry; spaces do not count."""
    return all(isinstance(entry, str) and not entry.strip() for entry in entries.dropna().unique())


def _are_dates(entries: "pd.Series[Any]") -> bool:
    """Whether a column has dates as text."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(entries.dtype):
        return False
    texts = pd.Series(entries.dropna().unique()).astype(object)
    if not len(texts) or not texts.map(lambda x: isinstance(x, str) and len(x) >= len("2024-01-01")).all():
        return False
    return bool(pd.to_datetime(texts, utc=True, errors="coerce", format="ISO8601").notna().all())
