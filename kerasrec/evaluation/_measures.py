"""The ranking metrics, one value per user; `docs/metrics.md` has the formulas."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasrec.evaluation._judged import Judged

# The largest value with a finite gain 2^value - 1.
_MAX_GRADE = 1000.0


def recall(judged: Judged, k: int) -> np.ndarray:
    """Relevant items in the list, over all relevant items."""
    return _hits(judged, k).sum(axis=1) / _relevant(judged)


def precision(judged: Judged, k: int) -> np.ndarray:
    """Relevant items in the list, over k, even if the list is shorter."""
    return np.where(judged.n_relevant > 0, _hits(judged, k).sum(axis=1) / k, np.nan)


def hit_rate(judged: Judged, k: int) -> np.ndarray:
    """1 if the list has a relevant item, otherwise 0."""
    return np.where(judged.n_relevant > 0, _hits(judged, k).any(axis=1), np.nan)


def f1(judged: Judged, k: int) -> np.ndarray:
    """Harmonic mean of precision and recall: 2 hits / (k + relevant items)."""
    return 2 * _hits(judged, k).sum(axis=1) / (k + _relevant(judged))


def ndcg(judged: Judged, k: int) -> np.ndarray:
    """Hits weighted by 1 / log2(rank + 1), divided by the same sum for the best possible list."""
    discounts = _discounts(k)
    best = np.concatenate([[0.0], np.cumsum(discounts)])
    hits = _hits(judged, k)
    ideal = best[np.minimum(judged.n_relevant, k)]
    return hits @ discounts[: hits.shape[1]] / np.where(ideal > 0, ideal, np.nan)


def graded_ndcg(judged: Judged, k: int) -> np.ndarray:
    """`ndcg` with a gain of 2^value - 1 for a relevant item."""
    values = judged.relevant.values
    if values.max(initial=0.0) > _MAX_GRADE:
        raise ValueError(
            f"`graded_ndcg` takes values of at most {_MAX_GRADE:.0f}, because its gain is 2^value - 1; scale "
            f"the values of `test`, e.g. by their logarithm. Received: {values.max()}."
        )
    gains, ideal = (np.exp2(x[:, :k].astype(np.float64)) - 1 for x in (judged.gains, judged.ideal))
    # Rows are scaled by their largest gain, so none overflows.
    scale = np.where(judged.n_relevant > 0, ideal[:, :1].max(axis=1, initial=0.0), np.nan)[:, None]
    discounts = _discounts(k)[: gains.shape[1]]
    return (gains / scale) @ discounts / ((ideal / scale) @ discounts)


def mean_average_precision(judged: Judged, k: int) -> np.ndarray:
    """Mean of the precisions at the ranks of the hits, over min(k, relevant items)."""
    hits = _hits(judged, k)
    precisions = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return (hits * precisions).sum(axis=1) / np.minimum(_relevant(judged), k)


def mrr(judged: Judged, k: int) -> np.ndarray:
    """1 / rank of the first hit; 0 without a hit."""
    hits = _hits(judged, k)
    ranks = np.where(hits, np.arange(1, hits.shape[1] + 1), np.inf)
    return np.where(judged.n_relevant > 0, 1 / ranks.min(axis=1, initial=np.inf), np.nan)


RELEVANCE: dict[str, Callable[[Judged, int], np.ndarray]] = {
    "recall": recall,
    "precision": precision,
    "hit_rate": hit_rate,
    "f1": f1,
    "ndcg": ndcg,
    "graded_ndcg": graded_ndcg,
    "map": mean_average_precision,
    "mrr": mrr,
}


def popularity_bias(lists: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Mean over the list of the share of training users who have the item.

    Args:
        lists: `[U, k]`, -1 after the last item.
        shares: `[I]`, share of the training users by item code.
    """
    return _mean_over_list(lists, shares)


def novelty(lists: np.ndarray, shares: np.ndarray, n_users: int) -> np.ndarray:
    """Mean over the list of -log2 of the share of training users who have the item, at least one user."""
    return _mean_over_list(lists, -np.log2(np.maximum(shares, 1 / n_users)))


def diversity(lists: np.ndarray, features: Any) -> np.ndarray:
    """Mean over pairs of items in the list of 1 - cosine of their feature rows; NaN below two items.

    Args:
        lists: `[U, k]`, -1 after the last item.
        features: `[I, F]`, an array or a sparse matrix.
    """
    import scipy.sparse

    rows = scipy.sparse.csr_matrix(features, dtype=np.float64)
    lengths = np.sqrt(rows.multiply(rows).sum(axis=1)).A1
    rows = scipy.sparse.diags(1 / np.where(lengths > 0, lengths, 1.0)) @ rows
    there = lists >= 0
    counts = there.sum(axis=1)
    ends = np.concatenate([[0], np.cumsum(counts)])
    members = scipy.sparse.csr_matrix(
        (np.ones(ends[-1]), lists[there], ends), shape=(len(lists), rows.shape[0])
    )
    # The sum of cosines over ordered pairs is |sum of unit rows|^2, minus each row with itself.
    total = members @ rows
    with_itself = members @ (lengths > 0).astype(np.float64)
    cosines = total.multiply(total).sum(axis=1).A1 - with_itself
    n_pairs = counts * (counts - 1)
    return 1 - cosines / np.where(n_pairs > 0, n_pairs, np.nan)


def coverage(lists: np.ndarray, n_items: int) -> float:
    """Share of the catalogue that is in at least one list."""
    return len(np.unique(lists[lists >= 0])) / n_items


def gini(lists: np.ndarray, n_items: int) -> float:
    """Gini index of the number of lists with each item: 0 if all are equal, near 1 if few items dominate."""
    counts = np.sort(np.bincount(lists[lists >= 0], minlength=n_items))
    if not counts.sum():
        return float("nan")
    ranks = np.arange(1, n_items + 1)
    return float(((2 * ranks - n_items - 1) * counts).sum() / (n_items * counts.sum()))


OF_ALL_LISTS: dict[str, Callable[[np.ndarray, int], float]] = {"coverage": coverage, "gini": gini}


def auc(scores: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Share of pairs of a relevant and another item in the right order by score; ties count half.

    Args:
        scores: `[B, W]`; minus infinity for items that are not candidates.
        rows: row of each relevant item, ascending.
        columns: column of each relevant item.
    """
    ordered = np.sort(scores, axis=1)
    n_hidden = (ordered == -np.inf).sum(axis=1)
    relevant = scores[rows, columns]
    ends = np.cumsum(np.bincount(rows, minlength=len(scores)))
    areas = np.full(len(scores), np.nan)
    for row, (start, end) in enumerate(zip(np.concatenate([[0], ends[:-1]]), ends, strict=True)):
        own = np.sort(relevant[start:end])
        n_relevant, own = len(own), own[own > -np.inf]  # an item that is never ranked is below all others
        n_other = scores.shape[1] - n_hidden[row] - len(own)
        if not n_relevant or not n_other:
            continue
        # Ranks among all candidates minus ranks among the relevant items are the numbers of others below.
        below, to = (np.searchsorted(ordered[row], own, side) - n_hidden[row] for side in ("left", "right"))
        own_below, own_to = (np.searchsorted(own, own, side) for side in ("left", "right"))
        areas[row] = ((below - own_below) + (to - own_to)).sum() / (2 * n_relevant * n_other)
    return areas


def _hits(judged: Judged, k: int) -> np.ndarray:
    return judged.gains[:, :k] > 0


def _relevant(judged: Judged) -> np.ndarray:
    """Number of relevant items; NaN for a user without any, who gets no value."""
    return np.where(judged.n_relevant > 0, judged.n_relevant, np.nan)


def _discounts(k: int) -> np.ndarray:
    return 1 / np.log2(np.arange(2, k + 2))


def _mean_over_list(lists: np.ndarray, by_item: np.ndarray) -> np.ndarray:
    there = lists >= 0
    total = np.where(there, by_item[lists], 0.0).sum(axis=1)
    counts = there.sum(axis=1)
    return total / np.where(counts > 0, counts, np.nan)
