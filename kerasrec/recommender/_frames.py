"""Lists of codes as frames of raw ids."""

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.recommender._state import State

if TYPE_CHECKING:
    import pandas as pd


def list_frame(
    state: State,
    users: Any,
    items: np.ndarray,
    scores: np.ndarray | None,
    extra: Mapping[str, np.ndarray] | None = None,
) -> "pd.DataFrame":
    """Rows of lists `[B, k]`; -1 is not an item.

    Args:
        state: `State` of the items.
        users: a column `[B * k]` of raw ids, or `None` for no column of users.
        items: codes `[B, k]`.
        scores: `[B, k]`, or `None` for no column of scores.
        extra: further columns `[B, k]` by name. Defaults to `None`: none.
    """
    n, k = items.shape
    columns: dict[str, Any] = {}
    codes, ranks = items.ravel(), np.arange(n * k) % k + 1
    if users is not None:
        columns["user"] = users
    columns |= {"rank": ranks, "item": codes}
    if scores is not None:
        columns["score"] = scores.ravel()
    for name, column in (extra or {}).items():
        columns[name] = column.ravel()
    there = codes >= 0
    if not there.all():
        columns = {name: x[there] for name, x in columns.items()}
        codes = columns["item"]
    columns["item"] = state.items.column.take(codes)
    columns |= state.metadata_of(codes)
    return frame_of(columns, len(codes))


def frame_of(columns: Mapping[str, Any], n: int) -> "pd.DataFrame":
    """`pandas.DataFrame(columns)`, in less than half the time for a few rows."""
    import pandas as pd

    index, names = pd.RangeIndex.from_range(range(n)), _index_of(tuple(columns)).view()
    from_blocks = _from_blocks()
    if from_blocks is not None and all(_is_block(column) for column in columns.values()):
        blocks = [
            (column[None] if isinstance(column, np.ndarray) else column, np.array([place], np.intp))
            for place, column in enumerate(columns.values())
        ]
        frame: pd.DataFrame = from_blocks(blocks, index=index, columns=names)
        return frame
    # Given an index, pandas does not check the length of each column; given a cached index of names, it does
    # not infer their type.
    frame = pd.DataFrame(dict(enumerate(columns.values())), index, copy=False)
    frame.columns = names
    return frame


@functools.cache
def _from_blocks() -> Any:
    """The function of pandas 3 that skips all checks; `None` in earlier versions."""
    try:
        from pandas.api.internals import create_dataframe_from_blocks
    except ImportError:
        return None
    return create_dataframe_from_blocks


def _is_block(column: Any) -> bool:
    """Whether pandas would keep a column as it is, without inferring a type."""
    import pandas as pd

    if isinstance(column, np.ndarray):
        return column.dtype.kind in "iufb"
    arrays = pd.api.extensions.ExtensionArray, pd.arrays.NumpyExtensionArray
    return isinstance(column, arrays[0]) and not isinstance(column, arrays[1])


@functools.lru_cache(maxsize=64)
def _index_of(names: tuple[Any, ...]) -> "pd.Index[Any]":
    import pandas as pd

    return pd.Index(names)
