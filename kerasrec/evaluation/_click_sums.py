"""The sums from which the metrics of clicks are computed."""

from typing import Any

import numpy as np

# Lower bound of probabilities, as in Keras.
_EPSILON = 1e-7


class Order:
    """Rows sorted by score, to compute the AUC for many weightings.

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
        """The AUC with these weights of the rows."""
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
    """`-log` of the probability of the label of each row."""
    p = np.clip(scores, _EPSILON, 1 - _EPSILON)
    return -(labels * np.log(p) + (1 - labels) * np.log1p(-p))


def areas_of_users(
    labels: np.ndarray, scores: np.ndarray, users: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """AUC and sum of weights by user code; NaN for a user without both classes."""
    order = np.lexsort((scores, users))
    labels, scores, weights, of = labels[order], scores[order], weights[order], users[order]
    new = np.append(True, (of[1:] != of[:-1]) | (scores[1:] != scores[:-1]))
    starts = np.flatnonzero(new)
    clicked = np.add.reduceat(labels * weights, starts)
    other = np.add.reduceat((1 - labels) * weights, starts)
    of = of[starts]
    n_users = int(users.max()) + 1
    n_clicked, n_other = (np.bincount(of, x, minlength=n_users) for x in (clicked, other))
    before = np.concatenate([[0.0], np.cumsum(n_other)])[of]  # the rows of earlier users
    ranks = np.cumsum(other) - before - other / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        areas = np.bincount(of, clicked * ranks, minlength=n_users) / (n_clicked * n_other)
    areas[(n_clicked <= 0) | (n_other <= 0)] = np.nan
    return areas, n_clicked + n_other


def bins(
    labels: np.ndarray, scores: np.ndarray, weights: np.ndarray, n_bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, clicks and sums of probabilities by bin, `[n_bins]` each; a bin includes its upper end."""
    place = np.clip(np.ceil(scores * n_bins).astype(int) - 1, 0, n_bins - 1)
    return (
        np.bincount(place, weights, minlength=n_bins),
        np.bincount(place, weights * labels, minlength=n_bins),
        np.bincount(place, weights * scores, minlength=n_bins),
    )


def columns(labels: Any, scores: Any, weights: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, scores and weights as float64 `[n]`, checked."""
    labels, scores = (np.asarray(x, np.float64).reshape(-1) for x in (labels, scores))
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64).reshape(-1)
    if not len(labels) == len(scores) == len(weights):
        raise ValueError(
            "`labels`, `scores` and `weights` must have one entry per row. "
            f"Received: {len(labels)}, {len(scores)} and {len(weights)}."
        )
    if not len(labels):
        raise ValueError("`labels` must not be empty. Received: no rows.")
    bad = np.flatnonzero(np.isnan(scores))
    if len(bad):
        raise ValueError(f"`scores` must not be NaN. Received: {len(bad)} that are, first in row {bad[0]}.")
    return labels, scores, weights
