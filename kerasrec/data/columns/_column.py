"""The base class of all kinds of columns."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kerasrec.data._columns import refuse

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Column:
    """The base class of all kinds of columns.

    Args:
        default: entry that is used if the column or an entry is missing. Defaults to `None`: there is none.
        state: the fitted state, as plain JSON. Defaults to `None`: not fitted yet.
    """

    kind: ClassVar[str] = ""
    default: Any = None
    state: Any = None

    @property
    def n(self) -> int:
        """Number of rows of the embedding table; 0 for numbers."""
        return 0

    @property
    def width(self) -> int:
        """Number of entries of an encoded row."""
        return 1

    def fit(self, entries: "pd.Series[Any]") -> "Column":
        """A copy of the kind that is fitted to a column.

        Args:
            entries: a column of the training table.
        """
        raise NotImplementedError

    def encode(self, entries: "pd.Series[Any]") -> np.ndarray:
        """Encode the entries of a column.

        Args:
            entries: the column of any table.

        Returns:
            `[n, W]`, codes (int32) or numbers (float32).
        """
        raise NotImplementedError

    @property
    def is_whole(self) -> bool:
        """Whether `state` could come from `fit`; in a file it may be anything."""
        return self.state is None

    def to_dict(self) -> dict[str, Any]:
        """The settings and the fitted state, as plain JSON."""
        return {"kind": self.kind, **{x.name: getattr(self, x.name) for x in fields(self)}}

    def filled(self, entries: "pd.Series[Any]") -> "pd.Series[Any]":
        """The entries, with missing ones replaced by the default.

        Args:
            entries: a column.
        """
        if self.default is None or not entries.isna().any():
            return entries
        return entries.astype(object).where(entries.notna(), self.default)


def numbers_of(entries: "pd.Series[Any]", name: Any) -> np.ndarray:
    """Entries as float64; missing or infinite ones are an error."""
    import pandas as pd

    dates = getattr(entries.dtype, "kind", "O") in "mMc"
    parsed = pd.to_numeric(entries.astype(str) if dates else entries, errors="coerce")
    unread = (parsed.isna() & entries.notna()).to_numpy()
    refuse(unread, entries, name, "entries that are not numbers", "Correct those rows.")
    remedy = "Correct those rows, or give the column a `default`."
    refuse(parsed.isna().to_numpy(), entries, name, "missing numbers", remedy)
    found = parsed.to_numpy(np.float64)
    refuse(~np.isfinite(found), entries, name, "infinite numbers", remedy)
    return found
