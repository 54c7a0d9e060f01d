from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Figure:
    """One metric: one value per user, or one for all lists together.

    Attributes:
        values: `[U]`, NaN for a user without a value; `None` for a metric of all lists.
        weights: `[U]`, weight of each user in the mean.
        root: whether the metric is the square root of the mean.
        whole: value of a metric of all lists together; NaN for a mean.
    """

    values: np.ndarray | None
    weights: np.ndarray | None = None
    root: bool = False
    whole: float = float("nan")

    def columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Values and weights `[U]`; weight 0 without a value."""
        values = np.empty(0) if self.values is None else self.values
        there = np.isfinite(values)
        weights = there.astype(np.float64) if self.weights is None else np.where(there, self.weights, 0.0)
        return np.where(there, values, 0.0), weights

    def shown(self, mean: np.ndarray) -> np.ndarray:
        """The value of the metric from one or several means."""
        return np.sqrt(mean) if self.root else np.asarray(mean)

    @property
    def mean(self) -> float:
        """The value of the metric; NaN if no user has a value."""
        if self.values is None:
            return self.whole
        values, weights = self.columns()
        total = weights.sum()
        return float(self.shown((values * weights).sum() / total)) if total else float("nan")

    @property
    def n_users(self) -> int:
        """Number of users with a value."""
        return 0 if self.values is None else int(np.isfinite(self.values).sum())
