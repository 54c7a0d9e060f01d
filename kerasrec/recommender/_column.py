"""A column whose entries are looked up by code to build frames."""

from typing import Any

import numpy as np


class Column:
    """A column made for frequent look-ups of a few entries.

    Args:
        entries: array or `pandas.Series`, one entry per code.
    """

    def __init__(self, entries: Any) -> None:
        import pandas as pd

        self._array = pd.Series(entries).array
        self._texts: Any = None
        if getattr(self._array.dtype, "storage", "") == "pyarrow":
            import pyarrow as pa

            self._texts = pa.array(self._array)

    def take(self, codes: np.ndarray) -> Any:
        """The entries of these codes as a pandas array.

        Args:
            codes: `[n]`, at least 0.
        """
        if self._texts is None:
            return self._array.take(codes)
        import pyarrow as pa

        # The `take` of pandas is several times slower for the texts of one list.
        dtype: Any = self._array.dtype
        return dtype.__from_arrow__(self._texts.take(pa.array(codes)))
