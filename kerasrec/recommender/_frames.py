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
    import pandas as pd

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
    # Given an index, pandas does not check the length of each column; given a cached index of names, it does
    # not infer their type. This halves the time for a short frame.
    frame = pd.DataFrame(dict(enumerate(columns.values())), pd.RangeIndex(len(codes)), copy=False)
    frame.columns = _index_of(tuple(columns)).copy()
    return frame


@functools.lru_cache(maxsize=64)
def _index_of(names: tuple[Any, ...]) -> "pd.Index[Any]":
    import pandas as pd

    return pd.Index(names)
