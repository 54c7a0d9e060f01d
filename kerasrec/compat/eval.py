"""TensorRec's metrics for a matrix of ranks; `kerasrec.evaluation` needs no such matrix."""

from typing import Any

import numpy as np


def precision_at_k(
    predicted_ranks: Any, test_interactions: Any, k: int = 10, preserve_rows: bool = False
) -> np.ndarray:
    """The share of a user's first k items that are positive.

    Args:
        predicted_ranks: ranks `[U, I]`, 1 for the best, as returned by `TensorRec.predict_rank`.
        test_interactions: SciPy sparse matrix `[U, I]`; values above 0 are positive.
        k: int, length of the list. Defaults to `10`.
        preserve_rows: bool, whether users without positives are in the result. Defaults to `False`.

    Returns:
        One value per user; 0 for a user without positives.
    """
    users, ranks, _, n_positives = _positives(predicted_ranks, test_interactions)
    hits = np.bincount(users[ranks <= k], minlength=len(n_positives))
    return (hits / k)[_kept(n_positives, preserve_rows)]


def recall_at_k(
    predicted_ranks: Any, test_interactions: Any, k: int = 10, preserve_rows: bool = False
) -> np.ndarray:
    """The share of a user's positives that are among the first k items.

    Args:
        predicted_ranks: ranks `[U, I]`, 1 for the best, as returned by `TensorRec.predict_rank`.
        test_interactions: SciPy sparse matrix `[U, I]`; values above 0 are positive.
        k: int, length of the list. Defaults to `10`.
        preserve_rows: bool, whether users without positives are in the result. Defaults to `False`.

    Returns:
        One value per user; NaN for a user without positives.

    Example:
        >>> import numpy as np, scipy.sparse
        >>> from kerasrec.compat.eval import recall_at_k
        >>> liked = scipy.sparse.csr_matrix(np.array([[1.0, 0.0, 1.0]]))
        >>> recall_at_k(np.array([[1, 2, 3]]), liked, k=2).tolist()
        [0.5]
    """
    users, ranks, _, n_positives = _positives(predicted_ranks, test_interactions)
    hits = np.bincount(users[ranks <= k], minlength=len(n_positives))
    return _ratio(hits, n_positives)[_kept(n_positives, preserve_rows)]


def ndcg_at_k(
    predicted_ranks: Any, test_interactions: Any, k: int = 10, preserve_rows: bool = False
) -> np.ndarray:
    """Discounted gain of the positives among the first k items, divided by that of the ten best in order.

    The gain is 2**value - 1, the discount log2(rank + 1). As in the original, the ideal list has ten items,
    whatever k is; `kerasrec.evaluation` has the usual metric.

    Args:
        predicted_ranks: ranks `[U, I]`, 1 for the best, as returned by `TensorRec.predict_rank`.
        test_interactions: SciPy sparse matrix `[U, I]`; values above 0 are positive.
        k: int, length of the list. Defaults to `10`.
        preserve_rows: bool, whether users without positives are in the result. Defaults to `False`.

    Returns:
        One value per user; NaN for a user without positives.
    """
    users, ranks, values, n_positives = _positives(predicted_ranks, test_interactions)
    n_users = len(n_positives)
    gains = 2.0**values - 1
    gained = np.bincount(users, np.where(ranks <= k, gains / np.log2(ranks + 1), 0), minlength=n_users)
    order = np.lexsort((-gains, users))
    first = np.concatenate([[0], np.cumsum(n_positives)])
    places = np.arange(len(users)) - first[users[order]]
    ideal = np.where(places < 10, gains[order] / np.log2(places + 2), 0)
    best = np.bincount(users[order], ideal, minlength=n_users)
    return _ratio(gained, best)[_kept(n_positives, preserve_rows)]


def f1_score_at_k(
    predicted_ranks: Any, test_interactions: Any, k: int = 10, preserve_rows: bool = False
) -> float:
    """The harmonic mean of mean precision and mean recall.

    Args:
        predicted_ranks: ranks `[U, I]`, 1 for the best, as returned by `TensorRec.predict_rank`.
        test_interactions: SciPy sparse matrix `[U, I]`; values above 0 are positive.
        k: int, length of the list. Defaults to `10`.
        preserve_rows: bool, whether users without positives are in the means. Defaults to `False`.

    Returns:
        One value.
    """
    precision = np.mean(precision_at_k(predicted_ranks, test_interactions, k, preserve_rows))
    recall = np.mean(recall_at_k(predicted_ranks, test_interactions, k, preserve_rows))
    return float(_ratio(2 * precision * recall, precision + recall))


def _positives(
    predicted_ranks: Any, test_interactions: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Users, ranks and values of the positives, ordered by user; and the number of positives per user."""
    ranks = np.asarray(predicted_ranks)
    matrix = test_interactions.tocsr().tocoo()
    if ranks.shape != matrix.shape:
        raise ValueError(
            "`predicted_ranks` and `test_interactions` must have the same shape. "
            f"Received: {ranks.shape} and {matrix.shape}."
        )
    kept = matrix.data > 0
    users, items = matrix.row[kept], matrix.col[kept]
    return users, ranks[users, items], matrix.data[kept], np.bincount(users, minlength=matrix.shape[0])


def _kept(n_positives: np.ndarray, preserve_rows: bool) -> Any:
    return slice(None) if preserve_rows else n_positives > 0


def _ratio(a: Any, b: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(a, b)
