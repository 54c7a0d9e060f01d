"""Metrics of parts of the users and of the items."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.evaluation import _measures
from kerasrec.evaluation._figure import Figure
from kerasrec.evaluation._judged import Judged

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Population:
    """The users and lists of a report.

    Attributes:
        users: user codes `[U]`, in the order of the metrics' values.
        user_ids: raw user ids by code.
        item_ids: raw item ids by code.
        judged: lists and relevant items of these users; `None` if nothing was ranked.
        histories: number of training interactions of each of these users; `None` without training data.
        popularity: number of training interactions of each item `[I]`; `None` without training data.
    """

    users: np.ndarray
    user_ids: np.ndarray
    item_ids: np.ndarray
    judged: Judged | None = None
    histories: np.ndarray | None = None
    popularity: np.ndarray | None = None


@dataclass(frozen=True)
class Partition:
    """A partition of the users or of the items.

    Attributes:
        by: name of the criterion.
        side: `"users"` or `"items"`.
        labels: label by user or item code; `None` if it is in no part.
        order: the labels in the order of the table.
    """

    by: str
    side: str
    labels: np.ndarray
    order: list[Any]


def standard(population: Population) -> list[Partition]:
    """Warm and cold users and items, quarters by history and thirds by popularity."""
    if population.histories is None or population.popularity is None:
        return []
    histories = np.zeros(len(population.user_ids), np.int64)
    histories[population.users] = population.histories
    temperature = ["warm", "cold"]
    quarters, quarter_order = _quarters(histories, population.histories)
    thirds = _thirds(population.popularity)
    return [
        Partition("users", "users", _choose(histories > 0, *temperature), temperature),
        Partition("history of the user", "users", quarters, quarter_order),
        Partition("items", "items", _choose(population.popularity > 0, *temperature), temperature),
        Partition("popularity of the item", "items", thirds, ["head", "middle", "tail"]),
    ]


def of_column(column: "pd.Series[Any]", ids: np.ndarray, side: str) -> list[Partition]:
    """The partition by the values of a column."""
    import pandas as pd

    if not isinstance(column, pd.Series):
        raise TypeError(
            f"`column` must be a pandas Series indexed by raw id. Received: {type(column).__name__}."
        )
    if not column.index.is_unique:
        again = column.index[column.index.duplicated()]
        raise ValueError(
            f"`column` must have each id once. Received: {len(again)} repeated, first {again[0]!r}."
        )
    codes = column.index.get_indexer(pd.Index(ids, tupleize_cols=False))
    if (codes < 0).all():
        raise ValueError(f"`column` must be indexed by raw ids of {side}. Received: none of the {len(ids)}.")
    labels = column.astype(object).where(column.notna(), None).to_numpy()[codes]
    labels[codes < 0] = None
    order = sorted({label for label in labels if label is not None}, key=lambda x: (type(x).__name__, x))
    return [Partition(str(column.name or "column"), side, labels, order)]


def frame(
    population: Population, figures: Mapping[str, Figure], partitions: list[Partition]
) -> "pd.DataFrame":
    """One row per slice: `n_users` and one column per metric."""
    import pandas as pd

    rows, index = [], []
    for partition in partitions:
        for label in partition.order:
            chosen = partition.labels == label
            if partition.side == "users":
                part = _of_users(figures, chosen[population.users])
                n_users = int(chosen[population.users].sum())
            else:
                part, n_users = _of_items(figures, population.judged, chosen)
            if n_users:
                rows.append({"n_users": n_users} | part)
                index.append((partition.by, label))
    names = pd.MultiIndex.from_tuples(index, names=["by", "slice"]) if index else None
    a_user = [name for name, figure in figures.items() if figure.values is not None]
    return pd.DataFrame(rows, names, columns=["n_users", *a_user])


def _of_users(figures: Mapping[str, Figure], chosen: np.ndarray) -> dict[str, float]:
    return {
        name: replace(
            figure,
            values=figure.values[chosen],
            weights=None if figure.weights is None else figure.weights[chosen],
        ).mean
        for name, figure in figures.items()
        if figure.values is not None
    }


def _of_items(
    figures: Mapping[str, Figure], judged: Judged | None, chosen: np.ndarray
) -> tuple[dict[str, float], int]:
    if judged is None:
        return {}, 0
    part = judged.of_items(chosen)
    means = {}
    for figure in figures:
        name, _, k = figure.partition("@")
        if name in _measures.RELEVANCE:
            means[figure] = Figure(_measures.RELEVANCE[name](part, int(k))).mean
    return means, int((part.n_relevant > 0).sum())


def _quarters(histories: np.ndarray, of_evaluated: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Labels such as "12 to 45": quartiles of the evaluated users that have a history."""
    labels = np.full(len(histories), None, object)
    warm = of_evaluated[of_evaluated > 0]
    order: list[str] = []
    if len(warm):
        ends = np.unique(np.quantile(warm, [0.25, 0.5, 0.75, 1.0], method="higher")).astype(int)
        for low, high in zip(np.concatenate([[0], ends[:-1]]) + 1, ends, strict=True):
            order.append(f"{low} to {high}" if low < high else f"{low}")
            labels[(histories >= low) & (histories <= high)] = order[-1]
    return labels, order


def _thirds(popularity: np.ndarray) -> np.ndarray:
    """Head, middle and tail, each with about a third of the interactions; equal counts stay together."""
    counts, item = np.unique(-popularity, return_inverse=True)
    of_count = -counts * np.bincount(item)
    before = np.cumsum(of_count) - of_count
    third = np.minimum(3 * before // max(1, popularity.sum()), 2)[item]
    return np.array(["head", "middle", "tail"], object)[third]


def _choose(mask: np.ndarray, yes: str, no: str) -> np.ndarray:
    return np.where(mask, yes, no).astype(object)
