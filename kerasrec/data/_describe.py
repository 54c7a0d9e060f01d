"""The frame that `Interactions.describe` gives."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from kerasrec.data.interactions import Interactions

MAX_BARS = 20


def describe(interactions: "Interactions") -> "pd.DataFrame":
    """A frame with the index (group, name) and one column, `value`."""
    import pandas as pd

    n, n_users, n_items = len(interactions), interactions.n_users, interactions.n_items
    cells = n_users * n_items
    rows: dict[tuple[str, str], Any] = {
        ("all", "interactions"): n,
        ("all", "users"): n_users,
        ("all", "items"): n_items,
        ("all", "density"): n / cells if cells else 0.0,
    }
    for group, codes, size in (
        ("a user", interactions.users, n_users),
        ("an item", interactions.items, n_items),
    ):
        counts = np.bincount(codes, minlength=size)
        statistics = {"least": np.min, "median": np.median, "mean": np.mean, "most": np.max}
        if size:
            rows |= {(group, name): f(counts).item() for name, f in statistics.items()}
    if n:
        values = interactions.values
        rows |= {("value", name): float(f(values)) for name, f in (("least", np.min), ("most", np.max))}
        rows[("value", "mean")] = float(np.mean(values, dtype=np.float64))
        rows |= {("histogram", name): count for name, count in _histogram(values)}
    index = pd.MultiIndex.from_tuples(rows, names=["group", "name"])
    return pd.DataFrame({"value": pd.Series(list(rows.values()), index, dtype=object)})


def _histogram(values: np.ndarray) -> list[tuple[str, int]]:
    """Counts of each value, or of ten equal ranges where there are many values."""
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= MAX_BARS:
        return [(f"{value:g}", int(count)) for value, count in zip(distinct, counts, strict=True)]
    counts, edges = np.histogram(values.astype(np.float64), bins=10)
    return [(f"{edges[i]:g} to {edges[i + 1]:g}", int(count)) for i, count in enumerate(counts)]
