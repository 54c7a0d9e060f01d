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

        self._array: Any = pd.Series(entries).array
        if self._array.dtype.kind in "iufb" and isinstance(self._array, pd.arrays.NumpyExtensionArray):
            self._array = self._array.to_numpy()
        self._texts: Any = None
        if getattr(self._array.dtype, "storage", "") == "pyarrow":
            import pyarrow as pa

            self._texts = pa.array(self._array)

    def take(self, codes: np.ndarray) -> Any:
        """The entries of these codes as an array of NumPy (numbers) or pandas.

        Args:
            codes: `[n]`, at least 0.
        """
        if self._texts is None:
            return self._array.take(codes)
        import pyarrow as pa

        # The `take` of pandas is several times slower for the texts of one list.
        return type(self._array)(self._texts.take(pa.array(codes)), dtype=self._array.dtype)
