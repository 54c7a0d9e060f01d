from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.data._entry_texts import text_of
from kerasrec.data.columns._column import Column
from kerasrec.data.columns._vocabulary import MISSING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Hashed(Column):
    """A category of an open vocabulary: its text, hashed into one of `buckets` vectors.

    The hash is the same in every process. Missing entries have their own vector.

    Args:
        default: as in `Column`. Defaults to `None`.
        state: not used. Defaults to `None`.
        buckets: int. Defaults to `10000`.

    Example:
        >>> import pandas as pd
        >>> from kerasrec.data.columns import Hashed
        >>> query = Hashed(buckets=100).fit(pd.Series(["red shoes"], name="query"))
        >>> codes = query.encode(pd.Series(["red shoes", "blue shoes", None]))
        >>> codes.shape, codes[2, 0].item(), 0 < codes[1, 0] <= 100
        ((3, 1), 0, np.True_)
    """

    kind: ClassVar[str] = "hashed"
    buckets: int = 10_000

    def __post_init__(self) -> None:
        positive_integer("buckets", self.buckets)

    @property
    def n(self) -> int:
        """Number of buckets, plus one for missing entries."""
        return 1 + self.buckets

    def fit(self, entries: "pd.Series[Any]") -> "Hashed":
        """Check the entries; there is nothing to fit.

        Args:
            entries: a column of the training table.
        """
        text_of(entries)
        return self

    def encode(self, entries: "pd.Series[Any]") -> np.ndarray:
        """Codes `[n, 1]`.

        Args:
            entries: the column of any table.
        """
        from pandas.util import hash_array

        texts, codes = text_of(entries)
        hashed = hash_array(np.asarray(texts, object), categorize=False) % np.uint64(self.buckets)
        return np.append(1 + hashed.astype(np.int32), np.int32(MISSING))[codes][:, None]
