"""Metrics of predicted probabilities: how well they rank clicked rows, and how well they are calibrated.

Labels are 0 or 1, or probabilities: a row with the label `y` counts as `y` clicked rows and `1 - y` others.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.evaluation._click_sums import Order, areas_of_users, bins, columns, losses

if TYPE_CHECKING:
    import pandas as pd


def auc(labels: Any, scores: Any, weights: Any = None) -> float:
    """The share of pairs of a clicked and another row in the right order by score; ties count half.

    It is exact, over all pairs, whereas `keras.metrics.AUC` uses 200 thresholds.

    Args:
        labels: `[n]`.
        scores: `[n]`, on any monotonic scale.
        weights: `[n]`. Defaults to `None`: 1.

    Returns:
        From 0 to 1.

    Raises:
        ValueError: if a score is NaN, or if all rows or no rows were clicked.

    Example:
        >>> from kerasrec.evaluation.click_figures import auc
        >>> auc([1, 0, 0, 1], [0.9, 0.4, 0.8, 0.6])  # 3 of 4 pairs
        0.75
    """
    labels, scores, weights = columns(labels, scores, weights)
    return Order(labels, scores).auc(weights)


def log_loss(labels: Any, scores: Any, weights: Any = None) -> float:
    """The mean of `-log` of the predicted probability of the label.

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
    labels, scores, weights = columns(labels, scores, weights)
    return float(np.average(losses(labels, scores), weights=weights))


def user_auc(labels: Any, scores: Any, users: Any, weights: Any = None) -> float:
    """The mean AUC within each user's rows, weighted by the number of rows.

    Users who clicked all or none of their rows have no AUC and are left out.

    Args:
        labels: `[n]`.
        scores: `[n]`.
        users: the user of each row, `[n]`.
        weights: `[n]`. Defaults to `None`: 1.

    Returns:
        From 0 to 1; NaN if no user has an AUC.

    Raises:
        ValueError: if a score is NaN.

    Example:
        >>> from kerasrec.evaluation.click_figures import user_auc
        >>> user_auc([1, 0, 0, 1], [0.2, 0.4, 0.8, 0.9], ["ann", "ann", "bob", "bob"])
        0.5

    References:
        Zhou et al., "Deep interest network for click-through rate prediction", 2018, eq. 4.
    """
    labels, scores, weights = columns(labels, scores, weights)
    codes = np.unique(np.asarray(users), return_inverse=True)[1]
    areas, sizes = areas_of_users(labels, scores, codes, weights)
    there = np.isfinite(areas)
    return float(np.average(areas[there], weights=sizes[there])) if there.any() else float("nan")


def calibration_error(labels: Any, scores: Any, weights: Any = None, n_bins: int = 10) -> float:
    """The expected calibration error: the mean distance of the share of clicks from the probability.

    Rows are put into bins of equal width by their probability. Each bin is weighted by its number of rows.

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
    labels, scores, weights = columns(labels, scores, weights)
    sizes, clicked, predicted = bins(labels, scores, weights, n_bins)
    return float(np.abs(clicked - predicted).sum() / sizes.sum())


def reliability(labels: Any, scores: Any, weights: Any = None, n_bins: int = 10) -> "pd.DataFrame":
    """Predicted probabilities and shares of clicks, by bins of equal width.

    Args:
        labels: `[n]`.
        scores: probabilities `[n]`.
        weights: `[n]`. Defaults to `None`: 1.
        n_bins: int. Defaults to `10`.

    Returns:
        Frame with the `low` and `high` end of each bin, the mean `predicted` probability, the share
        `clicked`, and the number of `rows` (or sum of weights); bins without rows are left out.

    Example:
        >>> from kerasrec.evaluation.click_figures import reliability
        >>> reliability([1, 0, 0, 1], [0.55, 0.55, 0.2, 0.9], n_bins=2)["clicked"].round(2).tolist()
        [0.0, 0.67]
    """
    import pandas as pd

    labels, scores, weights = columns(labels, scores, weights)
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
