"""Raw ids of one side, and their codes."""

import contextlib
import threading
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec._names import did_you_mean
from kerasrec.data._columns import id_index, several, shown
from kerasrec.data._ids import integer
from kerasrec.recommender._column import Column

if TYPE_CHECKING:
    import pandas as pd

_INDEXING = threading.Lock()
# Up to this many ids are looked up one by one.
_FEW = 32
# Up to this many ids have a dict, too, in which one is found in a tenth of the index's time.
_IN_A_DICT = 1 << 17


class Ids:
    """Raw ids by code, with an index that is made at the first look-up.

    Args:
        raw: array of raw ids.
        side: `"user"` or `"item"`, for messages.
    """

    def __init__(self, raw: np.ndarray, side: str) -> None:
        self.raw, self.side = raw, side

    def __len__(self) -> int:
        return len(self.raw)

    @cached_property
    def index(self) -> "pd.Index[Any]":
        """The ids as a pandas index."""
        with _INDEXING:
            index = id_index(self.raw)
            # Build the hash table of the index, which several threads must not do at once.
            _ = len(index) and index[0] in index
        return index

    @cached_property
    def _place(self) -> Callable[[Any], Any]:
        """A function of a raw id that returns its code, or raises a `KeyError`."""
        if len(self) > _IN_A_DICT:
            return self.index.get_loc
        return {raw: code for code, raw in enumerate(self.raw.tolist())}.__getitem__

    @cached_property
    def column(self) -> Column:
        """The ids as a column to build frames from."""
        return Column(self.raw)

    def codes(self, ids: Any) -> np.ndarray:
        """Codes of one raw id or several; unknown ids are an error."""
        return self.find(ids, unknown=False)[0]

    def find(self, ids: Any, unknown: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Codes of raw ids (-1 for unknown ones, if allowed), and the ids themselves."""
        ids, index = several(ids), self.index
        few = ids.tolist() if isinstance(ids, np.ndarray) and len(ids) <= _FEW else ids
        if isinstance(few, list) and len(few) <= _FEW and {type(x) for x in few} in ({str}, {int}):
            # Several times faster than making an index of these ids.
            with contextlib.suppress(KeyError):
                codes = np.array([*map(self._place, few)], np.int32)
                return codes, np.array(few, None if type(few[0]) is int else object)
        try:
            wanted = id_index(ids)
            codes = index.get_indexer(wanted).astype(np.int32)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"`{self.side}s` must be one raw id or a flat list of them. Received: {error}."
            ) from error
        missing = np.flatnonzero(codes < 0)
        if len(missing) and not unknown:
            first = wanted[missing[0]]
            raise ValueError(
                f"`{self.side}s` must be {self.side}s that the recommender knows.{self.hint(first)} "
                f"Received: {len(missing)} unknown of {len(wanted)}, first {shown(first)}."
            )
        return codes, np.asarray(wanted)

    def hint(self, unknown: Any) -> str:
        """A hint: the same id as text or number, or a similar one."""
        index, other = self.index, str(unknown)
        found: Any = integer(unknown.strip()) if isinstance(unknown, str) else other
        if found is not None and found in index:
            return f" Ids are {'text' if isinstance(found, str) else 'numbers'}: {found!r} is known."
        if isinstance(unknown, str) and len(index) <= 100_000:
            texts = [x for x in index if isinstance(x, str)]
            # Ids often look alike, so a loose match would mislead.
            return did_you_mean(unknown, texts, alike=0.8)
        return ""
