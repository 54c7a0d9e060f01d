"""What fitted encoders share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from kerasrec.data._columns import valid_text

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse


def required(frame: "pd.DataFrame", name: Any) -> "pd.Series[Any]":
    """A column that an encoder was fitted on."""
    if name not in frame.columns:
        raise ValueError(
            f"`new_frame` must have the column {name!r}. "
            f"Received: a frame of {', '.join(map(repr, frame.columns)) or 'no columns'}."
        )
    return frame[name]


@dataclass(frozen=True, eq=False)
class Encoder:
    """What made some of the columns of features."""

    kind: ClassVar[str]

    @property
    def names(self) -> list[str]:
        """Names of the columns made."""
        raise NotImplementedError

    def encode(self, frame: "pd.DataFrame") -> "scipy.sparse.csr_matrix":
        """Rows of a frame to rows of features."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """What `from_state` takes, as plain JSON."""
        raise NotImplementedError


def without_categories(entries: "pd.Series[Any]") -> "pd.Series[Any]":
    """A column of pandas's categories as the entries that they stand for."""
    import pandas as pd

    found = entries.astype(object) if isinstance(entries.dtype, pd.CategoricalDtype) else entries
    if found.dtype == object:
        for entry in found:
            if isinstance(entry, str):
                valid_text(entry)
    return found
