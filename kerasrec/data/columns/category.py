from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.data._entry_texts import text_of
from kerasrec.data.columns._column import Column
from kerasrec.data.columns._vocabulary import FIRST, MISSING, is_vocabulary, places_in, vocabulary_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Category(Column):
    """One of the categories in training; missing and unknown entries have a vector each.

    Entries are compared as text: `7`, `7.0` and `"7"` are one category, and so are `" phone"` and `"phone"`.

    Args:
        default: as in `Column`. Defaults to `None`.
        state: as in `Column`. Defaults to `None`.
        min_count: int, minimum number of rows of a category; rarer ones count as unknown. Defaults to `1`.

    Example:
        >>> import pandas as pd
        >>> from kerasrec.data.columns import Category
        >>> device = Category().fit(pd.Series(["phone", "tablet", "phone"], name="device"))
        >>> device.encode(pd.Series(["tablet", None, "watch"])).tolist()  # known, missing, unknown
        [[3], [0], [1]]
    """

    kind: ClassVar[str] = "category"
    min_count: int = 1

    def __post_init__(self) -> None:
        positive_integer("min_count", self.min_count)

    @property
    def known(self) -> list[str]:
        """The categories, in the order of their codes."""
        return list(self.state or ())

    @property
    def n(self) -> int:
        """Number of categories, plus one for missing and one for unknown entries."""
        return FIRST + len(self.state or ())

    @property
    def is_whole(self) -> bool:
        """Whether `state` is a vocabulary."""
        return is_vocabulary(self.state)

    def fit(self, entries: "pd.Series[Any]") -> "Category":
        """Fit the categories, in alphabetical order.

        Args:
            entries: a column of the training table.
        """
        texts, codes = text_of(entries)
        return replace(self, state=vocabulary_of(texts, codes[codes >= 0], self.min_count))

    def encode(self, entries: "pd.Series[Any]") -> np.ndarray:
        """Codes `[n, 1]`.

        Args:
            entries: the column of any table.
        """
        texts, codes = text_of(entries)
        known = np.append(places_in(self.state, texts), np.int32(MISSING))  # at index -1
        return known[codes][:, None]
