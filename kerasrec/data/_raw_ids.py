"""Raw ids that stay on disk until they are needed."""

from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path

import numpy as np

from kerasrec.data._columns import plain


class Ids(ABC):
    """Raw ids by code."""

    @property
    @abstractmethod
    def array(self) -> np.ndarray:
        """All ids, read-only: int64, or objects for text."""

    @abstractmethod
    def __len__(self) -> int: ...

    def part(self, begin: int, end: int) -> "PartOfIds":
        """The ids of some codes, renumbered from 0."""
        return PartOfIds(self, begin, end)


class HeldIds(Ids):
    """Raw ids in memory.

    Args:
        array: `[n]`.
    """

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    @property
    def array(self) -> np.ndarray:
        """All ids."""
        return self._array


class RawIds(Ids):
    """The raw ids in a Parquet file by code, read when they are first needed.

    Args:
        path: the file, with a column `id`.
        n: number of ids.
    """

    def __init__(self, path: Path, n: int) -> None:
        self._path, self._n = path, n

    def __len__(self) -> int:
        return self._n

    @property
    def array(self) -> np.ndarray:
        """All ids."""
        return self._read

    @cached_property
    def _read(self) -> np.ndarray:
        import pandas as pd
        import pyarrow.parquet as pq

        column = pq.read_table(self._path, columns=["id"]).column("id")
        if len(column) != self._n:
            raise ValueError(
                "`path` must be as `Interactions.prepare` wrote it; run `kerasrec prepare` again. "
                f"Received: {str(self._path)!r} with {len(column):,} ids of {self._n:,}."
            )
        found = plain(pd.Index(column.to_pandas()))
        found = found.astype(object) if found.dtype.kind not in "iO" else found
        found = found.view()
        found.flags.writeable = False
        return found


class PartOfIds(Ids):
    """Some of the raw ids, in the order of their codes.

    Args:
        whole: all ids.
        begin: first code.
        end: last code, plus 1.
    """

    def __init__(self, whole: Ids, begin: int, end: int) -> None:
        self._whole, self._begin, self._end = whole, begin, end

    def __len__(self) -> int:
        return self._end - self._begin

    @property
    def array(self) -> np.ndarray:
        """All ids."""
        return self._whole.array[self._begin : self._end]
