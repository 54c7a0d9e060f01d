"""Arrays that compute rows on demand."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


class LazyRows:
    """An array `[B, ...]` that computes its rows on demand. NumPy can convert it.

    Args:
        shape: shape of the array.
        dtype: its data type.
        make: function of row indices or a slice that returns these rows.
    """

    def __init__(self, shape: Sequence[int], dtype: Any, make: Callable[[Any], np.ndarray]) -> None:
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self._make = make

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self._make(rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self._make(slice(None)), dtype)


class LazyStack:
    """Stacked arrays `[S, B, ...]` that compute their rows on demand. NumPy can convert it.

    Args:
        arrays: `LazyRows` of one shape.
    """

    def __init__(self, arrays: Sequence[LazyRows]) -> None:
        self.shape, self.dtype = (len(arrays), *arrays[0].shape), arrays[0].dtype
        self._arrays = arrays

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """Rows `[S, R]` of the arrays: `[S, R, ...]`."""
        found = np.empty((*rows.shape, *self.shape[2:]), self.dtype)
        for made, array, of_array in zip(found, self._arrays, rows, strict=True):
            made[:] = array[of_array]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(np.stack([np.asarray(array) for array in self._arrays]), dtype)
