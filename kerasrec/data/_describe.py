"""The frames of `Interactions.describe` and `Features.describe`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

MAX_BARS = 20


def describe_interactions(
    users: np.ndarray,
    items: np.ndarray,
    values: np.ndarray,
    shape: tuple[int, int],
    kind: str,
    n_events: int,
    n_liked: int,
) -> "pd.DataFrame":
    """A frame with the index (group, name) and one column, `value`.

    Args:
        users: user codes `[n]`.
        items: item codes `[n]`.
        values: `[n]`.
        shape: numbers of users and of items.
        kind: what the values are.
        n_events: int.
        n_liked: int.
    """
    counts = [np.bincount(codes, minlength=size) for codes, size in zip((users, items), shape, strict=True)]
    return describe_blocks(counts[0], counts[1], [values] if len(values) else [], kind, n_events, n_liked)


def describe_blocks(
    of_users: np.ndarray,
    of_items: np.ndarray,
    values: Sequence[np.ndarray],
    kind: str,
    n_events: int,
    n_liked: int,
) -> "pd.DataFrame":
    """The same frame from counts by user and item, and from values in blocks.

    Args:
        of_users: number of interactions of each user `[U]`.
        of_items: number of interactions of each item `[I]`.
        values: blocks of values, none of them empty.
        kind: as `describe_interactions`.
        n_events: as `describe_interactions`.
        n_liked: as `describe_interactions`.
    """
    import pandas as pd

    n, cells = sum(map(len, values)), len(of_users) * len(of_items)
    rows: dict[tuple[str, str], Any] = {
        ("all", "kind"): kind,
        ("all", "interactions"): n,
        ("all", "events"): n_events,
        ("all", "liked"): n_liked,
        ("all", "users"): len(of_users),
        ("all", "items"): len(of_items),
        ("all", "density"): n / cells if cells else 0.0,
    }
    for group, counts in (("a user", of_users), ("an item", of_items)):
        statistics: dict[str, Any] = {"least": np.min, "median": np.median, "mean": np.mean, "most": np.max}
        if len(counts):
            rows |= {(group, name): f(counts).item() for name, f in statistics.items()}
    if n:
        least, most = min(float(x.min()) for x in values), max(float(x.max()) for x in values)
        rows |= {("value", "least"): least, ("value", "most"): most}
        rows[("value", "mean")] = float(sum(np.sum(x, dtype=np.float64) for x in values) / n)
        rows |= {("histogram", name): count for name, count in _histogram(values, (least, most))}
    index = pd.MultiIndex.from_tuples(rows, names=["group", "name"])
    return pd.DataFrame({"value": pd.Series(list(rows.values()), index, dtype=object)})


def describe_features(matrix: Any, column_names: list[str], row_ids: np.ndarray | None) -> "pd.DataFrame":
    """A frame with the columns count, share and names.

    Args:
        matrix: sparse `[n, F]`.
        column_names: names of the features.
        row_ids: raw ids `[n]`, or `None` to name rows by their number.
    """
    import pandas as pd

    n, n_columns = matrix.shape
    names = np.array(column_names, object)
    ids = np.arange(n) if row_ids is None else row_ids
    rows = {
        "columns": (names, n_columns),
        "rows": (ids, n),
        "empty rows": (ids[np.diff(matrix.indptr) == 0], n),
        "constant columns": (names[_constant_columns(matrix)], n_columns),
        "duplicated columns": (names[_repeated_columns(matrix)], n_columns),
    }
    return pd.DataFrame(
        {
            "count": {row: len(found) for row, (found, _) in rows.items()},
            "share": {row: len(found) / whole for row, (found, whole) in rows.items()},
            "names": {row: found.tolist() for row, (found, _) in rows.items()},
        }
    )


def _histogram(values: Sequence[np.ndarray], ends: tuple[float, float]) -> list[tuple[str, int]]:
    """Counts of each value, or of ten equal ranges if there are many values."""
    seen: dict[float, int] = {}
    for block in values:
        distinct, counts = np.unique(block, return_counts=True)
        if len(distinct) <= MAX_BARS:
            for value, count in zip(distinct, counts, strict=True):
                seen[value] = seen.get(value, 0) + int(count)
        if max(len(distinct), len(seen)) > MAX_BARS:
            break
    else:
        return [(f"{value:g}", seen[value]) for value in sorted(seen)]
    edges = np.histogram_bin_edges(np.array(ends), bins=10)
    totals = np.sum([np.histogram(block.astype(np.float64), edges)[0] for block in values], axis=0)
    return [(f"{edges[i]:g} to {edges[i + 1]:g}", int(count)) for i, count in enumerate(totals)]


def _constant_columns(matrix: Any) -> np.ndarray:
    """Columns with the same number in every row."""
    lowest, highest = matrix.min(axis=0), matrix.max(axis=0)
    return np.flatnonzero(lowest.toarray()[0] == highest.toarray()[0])


def _repeated_columns(matrix: Any) -> np.ndarray:
    """Columns that equal an earlier one, found by two random projections."""
    probe = np.random.default_rng(0).random((matrix.shape[0], 2))
    _, first = np.unique(matrix.T @ probe, axis=0, return_index=True)
    return np.setdiff1d(np.arange(matrix.shape[1]), first)
