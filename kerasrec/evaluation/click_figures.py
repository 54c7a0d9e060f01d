"""Figures of predicted probabilities: how well they order what was clicked, and how true they are.

Labels are 1 or 0, or probabilities `y`: such a row counts `y` as clicked and `1 - y` as not.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

# Of Keras's: smaller probabilities count as this one.
_EPSILON = 1e-7


def auc(labels: Any, scores: Any, weights: Any = None) -> float:
    """The share of pairs of a clicked and another row that the scores order rightly; equal scores count half.

    Exact, over all pairs, where `keras.metrics.AUC` goes by 200 thresholds.

    Args:
        labels: `[n]`.
        scores: `[n]`, in any order-preserving scale.
        weights: `[n]`. Defaults to `None`: 1.

    Returns:
        From 0 to 1.

    Raises:
        ValueError: if a score is NaN, or all rows were clicked, or none.

    Example:
        >>> from kerasrec.evaluation.click_figures import auc
        >>> auc([1, 0, 0, 1], [0.9, 0.4, 0.8, 0.6])  # 3 of 4 pairs
        0.75
    """
    labels, scores, weights = _columns(labels, scores, weights)
    return Order(labels, scores).auc(weights)


def log_loss(labels: Any, scores: Any, weights: Any = None) -> float:
    """The mean of `-log` of the probability that was given to what happened.

    Args:
        labels: `[n]`.
        scores: probabilities `[n]`.
        weights: `[n]`. Defaults to `None`: 1.

    Returns:
        At least 0.

    Raises:
        ValueError: if a score is NaN.

    Example:
        >>> from kerasrec.evaluation.click_figures import log_loss
        >>> round(log_loss([1, 0], [0.5, 0.25]), 4)  # (log 2 + log 4/3) / 2
        0.4904
    """
    labels, scores, weights = _columns(labels, scores, weights)
    return float(np.average(losses(labels, scores), weights=weights))


def user_auc(labels: Any, scores: Any, users: Any, weights: Any = None) -> float:
    """The AUC of each user's own rows, averaged with the numbers of rows as weights.

    Users who clicked all or none of their rows have none and do not count.

    Args:
        labels: `[n]`.
        scores: `[n]`.
        users: the user of each row, `[n]`.
        weights: `[n]`. Defaults to `None`: 1.

    Returns:
        From 0 to 1; NaN where no user counts.

    Raises:
        ValueError: if a score is NaN.

    Example:
        >>> from kerasrec.evaluation.click_figures import user_auc
        >>> user_auc([1, 0, 0, 1], [0.2, 0.4, 0.8, 0.9], ["ann", "ann", "bob", "bob"])
        0.5

    References:
        Zhou et al., "Deep interest network for click-through rate prediction", 2018, eq. 4.
    """
    labels, scores, weights = _columns(labels, scores, weights)
    codes = np.unique(np.asarray(users), return_inverse=True)[1]
    areas, sizes = areas_of_users(labels, scores, codes, weights)
    there = np.isfinite(areas)
    return float(np.average(areas[there], weights=sizes[there])) if there.any() else float("nan")


def calibration_error(labels: Any, scores: Any, weights: Any = None, n_bins: int = 10) -> float:
    """The expected calibration error: how far the share of clicks is from the probability, on average.

    Rows are put into bins of equal width by their probability; each bin counts as many rows as it has.

    Args:
        labels: `[n]`.
        scores: probabilities `[n]`.
        weights: `[n]`. Defaults to `None`: 1.
        n_bins: int. Defaults to `10`.

    Returns:
        From 0 to 1.

    Raises:
        ValueError: if a score is NaN.

    Example:
        >>> from kerasrec.evaluation.click_figures import calibration_error
        >>> round(calibration_error([1, 0, 0, 0], [0.55, 0.55, 0.1, 0.1]), 3)  # (.05 + .1) / 2
        0.075

    References:
        Guo et al., "On calibration of modern neural networks", 2017, eq. 3.
    """
    labels, scores, weights = _columns(labels, scores, weights)
    sizes, clicked, predicted = bins(labels, scores, weights, n_bins)
    return float(np.abs(clicked - predicted).sum() / sizes.sum())


def reliability(labels: Any, scores: Any, weights: Any = None, n_bins: int = 10) -> "pd.DataFrame":
    """What was predicted beside what happened, by bins of equal width.

    Args:
        labels: `[n]`.
        scores: probabilities `[n]`.
        weights: `[n]`. Defaults to `None`: 1.
        n_bins: int. Defaults to `10`.

    Returns:
        Frame with `low` and `high` end of a bin, the mean `predicted` probability, the share `clicked`, and
        the `rows` (their weights); bins without rows are left out.

    Example:
        >>> from kerasrec.evaluation.click_figures import reliability
        >>> reliability([1, 0, 0, 1], [0.55, 0.55, 0.2, 0.9], n_bins=2)["clicked"].round(2).tolist()
        [0.0, 0.67]
    """
    import pandas as pd

    labels, scores, weights = _columns(labels, scores, weights)
    sizes, clicked, predicted = bins(labels, scores, weights, n_bins)
    there = np.flatnonzero(sizes)
    ends = np.linspace(0, 1, n_bins + 1)
    return pd.DataFrame(
        {
            "low": ends[there],
            "high": ends[there + 1],
            "predicted": predicted[there] / sizes[there],
            "clicked": clicked[there] / sizes[there],
            "rows": sizes[there],
        }
    )


class Order:
    """Rows in the order of their scores, for the areas of many weightings.

    Args:
        labels: `[n]`.
        scores: `[n]`.
    """

    def __init__(self, labels: np.ndarray, scores: np.ndarray) -> None:
        self._order = np.argsort(scores, kind="stable")
        ordered = scores[self._order]
        self._starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        self._labels = labels[self._order]

    def auc(self, weights: np.ndarray) -> float:
        """The area, rows counting as much as their weights."""
        weights = weights[self._order]
        clicked = np.add.reduceat(self._labels * weights, self._starts)
        other = np.add.reduceat((1 - self._labels) * weights, self._starts)
        all_pairs = clicked.sum() * other.sum()
        if not all_pairs > 0:
            raise ValueError(
                "The AUC needs rows that were clicked and rows that were not. "
                f"Received: {len(weights)} rows, of which {clicked.sum():g} were clicked."
            )
        return float((clicked * (np.cumsum(other) - other / 2)).sum() / all_pairs)


def losses(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """`-log` of the probability of what happened, a row."""
    p = np.clip(scores, _EPSILON, 1 - _EPSILON)
    return -(labels * np.log(p) + (1 - labels) * np.log1p(-p))


def areas_of_users(
    labels: np.ndarray, scores: np.ndarray, users: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """AUC and weight of the rows by user code; NaN for a user without both classes."""
    order = np.lexsort((scores, users))
    labels, scores, weights, of = labels[order], scores[order], weights[order], users[order]
    new = np.append(True, (of[1:] != of[:-1]) | (scores[1:] != scores[:-1]))
    starts = np.flatnonzero(new)
    clicked = np.add.reduceat(labels * weights, starts)
    other = np.add.reduceat((1 - labels) * weights, starts)
    of = of[starts]
    n_users = int(users.max()) + 1
    n_clicked, n_other = (np.bincount(of, x, minlength=n_users) for x in (clicked, other))
    before = np.concatenate([[0.0], np.cumsum(n_other)])[of]  # those of the users before
    ranks = np.cumsum(other) - before - other / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        areas = np.bincount(of, clicked * ranks, minlength=n_users) / (n_clicked * n_other)
    areas[(n_clicked <= 0) | (n_other <= 0)] = np.nan
    return areas, n_clicked + n_other


def bins(
    labels: np.ndarray, scores: np.ndarray, weights: np.ndarray, n_bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, clicks and sums of probabilities by bin, `[n_bins]` each; a bin holds its upper end."""
    place = np.clip(np.ceil(scores * n_bins).astype(int) - 1, 0, n_bins - 1)
    return (
        np.bincount(place, weights, minlength=n_bins),
        np.bincount(place, weights * labels, minlength=n_bins),
        np.bincount(place, weights * scores, minlength=n_bins),
    )


def _columns(labels: Any, scores: Any, weights: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    labels, scores = (np.asarray(x, np.float64).reshape(-1) for x in (labels, scores))
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64).reshape(-1)
    if not len(labels) == len(scores) == len(weights):
        raise ValueError(
            "`labels`, `scores` and `weights` must have one entry a row. "
            f"Received: {len(labels)}, {len(scores)} and {len(weights)}."
        )
    if not len(labels):
        raise ValueError("`labels` must not be empty. Received: no rows.")
    bad = np.flatnonzero(np.isnan(scores))
    if len(bad):
        raise ValueError(f"`scores` must not be NaN. Received: {len(bad)} that are, first in row {bad[0]}.")
    return labels, scores, weights
