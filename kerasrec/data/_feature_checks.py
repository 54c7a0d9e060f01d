"""Checks of features and of what they are made from."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data._columns import id_index, shown

if TYPE_CHECKING:
    from kerasrec.data.features import Features


def check_matrix(matrix: Any, ids: np.ndarray | None) -> None:
    """Refuse an empty matrix, weights that are not finite, or a number of rows other than that of ids.

    Args:
        matrix: `scipy.sparse.csr_matrix` `[n, F]`.
        ids: raw ids `[n]`, or `None`.
    """
    n, n_columns = matrix.shape
    if not n or not n_columns:
        raise ValueError(f"Features must have rows and columns. Received: shape={(n, n_columns)}.")
    if ids is not None and len(ids) != n:
        raise ValueError(f"`ids` must have one id per row. Received: {len(ids)} ids for {n} rows.")
    finite = np.isfinite(matrix.data)
    if not finite.all():
        row = int(np.searchsorted(matrix.indptr, np.argmin(finite), "right")) - 1
        raise ValueError(
            "Weights of features must be finite. "
            f"Received: {np.count_nonzero(~finite)} that are not, first in row {row}."
        )


def check_stacked(first: "Features", second: "Features") -> None:
    """Refuse features whose rows differ or whose names of columns clash."""
    if len(first) != len(second):
        raise ValueError(
            "Features must have equal rows to be stacked; `align` both to the same ids. "
            f"Received: {len(first)} and {len(second)} rows."
        )
    if first.ids is not None and second.ids is not None:
        differ = np.flatnonzero(np.asarray(id_index(first.ids) != id_index(second.ids)))
        if len(differ):
            row = differ[0]
            raise ValueError(
                "Features must have the same ids in the same order to be stacked; `align` both to them. "
                f"Received: {shown(first.ids[row])} and {shown(second.ids[row])} in row {row}."
            )
    if (first.ids is None) != (second.ids is None):
        raise ValueError(
            "Features with ids cannot be stacked with features without ids, whose order of rows is "
            "unknown; `align(ids)` gives their rows ids. "
            f"Received: ids of the {'second' if first.ids is None else 'first'} alone."
        )
    twice = set(first.names) & set(second.names)
    if twice:
        raise ValueError(
            "Features to be stacked must not share names of columns. "
            f"Received: {len(twice)} names in both, first {min(twice)!r}."
        )


def named(series: Any) -> Any:
    """A series that has a name."""
    import pandas as pd

    if not isinstance(series, pd.Series):
        raise TypeError(f"`series` must be a pandas Series. Received: {type(series).__name__}.")
    if series.name is None:
        raise ValueError("`series` must have a name, which its columns take: `series.rename('genre')`.")
    return series
