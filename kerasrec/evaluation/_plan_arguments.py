"""Checks of the arguments of an evaluation."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kerasrec._names import unknown_name
from kerasrec.data import Interactions
from kerasrec.data._columns import shown
from kerasrec.evaluation import _measures

DEFAULT_METRICS = ("recall", "precision", "hit_rate", "ndcg", "map", "mrr", "f1", "coverage")
_OF_LISTS = ("novelty", "popularity_bias", "diversity", *_measures.OF_ALL_LISTS)
RATING = ("rmse", "mae")
# Metrics of lists, which have a cut-off.
AT_K = (*_measures.RELEVANCE, *_OF_LISTS)
METRICS = (*AT_K, "auc", *RATING)
LOWER_IS_BETTER = ("popularity_bias", "gini", *RATING)
# Metrics that need features of the items.
OF_FEATURES = ("diversity",)


def cuts_of(k: int | Sequence[int]) -> tuple[int, ...]:
    """The distinct cut-offs, in ascending order."""
    given = list(k) if isinstance(k, (Sequence, np.ndarray)) else [k]
    for cut in given:
        if isinstance(cut, bool) or not isinstance(cut, (int, np.integer)) or cut < 1:
            raise ValueError(f"`k` must be a positive integer or a list of them. Received: k={k!r}.")
    if not given:
        raise ValueError(f"`k` must be a positive integer or a list of them. Received: k={k!r}.")
    return tuple(sorted({int(cut) for cut in given}))


def known_metrics(metrics: Iterable[str]) -> tuple[str, ...]:
    """Names of metrics; an unknown one is an error."""
    names = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    for name in names:
        if name not in METRICS:
            raise ValueError(unknown_name("metrics", name, METRICS))
    if not names:
        raise ValueError(f"`metrics` must name at least one of {', '.join(METRICS)}. Received: none.")
    return names


def feature_matrix(item_features: Any, test: Interactions) -> Any:
    """The features of the items as a matrix with one row per item code."""
    if item_features is None:
        raise ValueError("`item_features` must be given for diversity, which is computed from them.")
    if getattr(item_features, "ids", None) is not None:
        item_features = item_features.align(test.item_ids, "item")
    matrix = getattr(item_features, "matrix", item_features)
    if matrix.shape[0] != test.n_items:
        raise ValueError(
            f"`item_features` must have one row per item. Received: {matrix.shape[0]} rows for "
            f"{test.n_items} items."
        )
    return matrix


def check_same_ids(name: str, user_ids: Any, test_user_ids: Any, item_ids: Any, test_item_ids: Any) -> None:
    """Refuse users or items, or codes, that differ from those of the test set."""
    for side, ids, test_ids in (("user", user_ids, test_user_ids), ("item", item_ids, test_item_ids)):
        if ids.ctypes.data == test_ids.ctypes.data and ids.shape == test_ids.shape:
            continue  # the same array
        if len(ids) != len(test_ids) or not (ids == test_ids).all():
            shared = min(len(ids), len(test_ids))
            differ = np.flatnonzero(ids[:shared] != test_ids[:shared])
            first = int(differ[0]) if len(differ) else shared
            there = [shown(x[first]) if first < len(x) else "nothing" for x in (ids, test_ids)]
            raise ValueError(
                f"`test` must have the {side}s of {name}, with the same codes: split one `Interactions`, or "
                f"load with `{side}_ids=`. Received: {len(test_ids)} and {len(ids)} {side}s; the first "
                f"difference is {there[1]} and {there[0]}."
            )
