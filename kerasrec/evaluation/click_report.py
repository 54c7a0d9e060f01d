import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec._names import unknown_name
from kerasrec.evaluation import _click_sums, click_figures
from kerasrec.evaluation._json import Written
from kerasrec.evaluation._plots import plot_reliability

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Plot

# Maximum number of rows drawn in all resamples together, and minimum and maximum number of resamples.
_ROWS, _RESAMPLES = 50_000_000, (200, 1000)


class ClickReport(Written):
    """The result of `evaluate` for a click model: metrics, their intervals, and calibration.

    `report["auc"]` is the value of a metric. The other metrics are `log_loss`, `user_auc` (the mean AUC
    within each user's rows, weighted by their number), `calibration_error`, and `mean_predicted` and
    `mean_clicked`.

    Args:
        name: name of the model.
        labels: `[n]`.
        scores: probabilities `[n]`.
        users: user of each row, `[n]`. Defaults to `None`: users are not known, and intervals resample rows.
        weights: `[n]`. Defaults to `None`: 1.
        watch_time: watch times `[n]`, if the scores are expected watch times. The metrics are then `auc`,
            `user_auc`, `mean_predicted` and `mean_watched`, and there is no calibration. If a time is NaN,
            `mean_watched` is left out. Defaults to `None`: scores are probabilities.

    Attributes:
        name: name of the model.
        protocol: dict that must be equal for two reports to be comparable.

    Raises:
        ValueError: if all rows or no rows were clicked, or a score is NaN.

    Example:
        >>> from kerasrec.evaluation import ClickReport
        >>> ClickReport("mine", [1, 0, 0, 1], [0.9, 0.4, 0.8, 0.6])["auc"]
        0.75
    """

    def __init__(
        self,
        name: str,
        labels: Any,
        scores: Any,
        users: Any = None,
        weights: Any = None,
        watch_time: Any = None,
    ) -> None:
        self.name = name
        self.watch_time = None if watch_time is None else np.asarray(watch_time, np.float64).reshape(-1)
        self.labels, self.scores, self.weights = _click_sums.columns(labels, scores, weights)
        self.users = None if users is None else np.unique(np.asarray(users), return_inverse=True)[1]
        self.protocol: dict[str, Any] = {"rows": len(self.labels), "clicked": float(self.labels.mean())}
        if self.users is not None:
            self.protocol["users"] = int(self.users.max()) + 1
        self._sample = _Sample(self)
        self._figures = self._sample.figures(np.ones(self._sample.n_units))

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics."""
        return list(self._figures)

    def __getitem__(self, metric: str) -> float:
        if metric not in self._figures:
            raise ValueError(unknown_name("metric", metric, self._figures))
        return self._figures[metric]

    def __contains__(self, metric: object) -> bool:
        return metric in self._figures

    def renamed(self, name: str) -> "ClickReport":
        """The same report under another name of the model.

        Args:
            name: str.
        """
        other = copy.copy(self)  # including its resamples
        other.name = name
        return other

    def interval(self, metric: str) -> tuple[float, float]:
        """The 95 % bootstrap interval of a metric, over users, or over rows if users are not known.

        Args:
            metric: name, e.g. `"auc"`.

        Returns:
            Lower and upper end.

        Raises:
            ValueError: if there is no such metric.
        """
        if metric not in self._figures:
            raise ValueError(unknown_name("metric", metric, self._figures))
        low, high = np.nanquantile(self._resampled[metric], [0.025, 0.975])
        return float(low), float(high)

    def difference(self, other: "ClickReport", metric: str = "auc") -> tuple[float, float]:
        """The difference of a metric from that of another model on the same rows, and its p-value.

        The test is a paired bootstrap: both models are measured on the same resampled users.

        Args:
            other: `ClickReport` of another model.
            metric: name. Defaults to `"auc"`.

        Returns:
            The difference (this model minus the other) and its two-sided p-value.

        Raises:
            ValueError: if the rows differ, or if there is no such metric.
        """
        self.check_same_rows(other)
        found = self[metric] - other[metric]
        differences = self._resampled[metric] - other._resampled[metric]
        differences = differences[np.isfinite(differences)]
        at_most = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
        return found, min(1.0, 2 * (at_most + 1) / (len(differences) + 1))

    def check_same_rows(self, other: "ClickReport") -> None:
        """Refuse a report of other rows, which cannot be compared.

        Args:
            other: `ClickReport` of another model.

        Raises:
            ValueError: if the rows have other labels, weights or users.
        """
        for name in ("labels", "weights", "users"):
            if not np.array_equal(getattr(self, name), getattr(other, name)):
                raise ValueError(
                    "Reports must be of the same rows to be compared. "
                    f"Received: {len(self.labels)} rows of {self.name} and {len(other.labels)} of "
                    f"{other.name}, with other {name}."
                )

    @property
    def n_resamples(self) -> int:
        """Number of bootstrap resamples for intervals and differences."""
        return int(np.clip(_ROWS // len(self.labels), *_RESAMPLES))

    def to_frame(self) -> "pd.DataFrame":
        """A frame with one row per metric: `value`, and the `low` and `high` end of its 95 % interval."""
        import pandas as pd

        rows = {name: (value, *self.interval(name)) for name, value in self._figures.items()}
        return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high"]).rename_axis(
            "metric"
        )

    def reliability(self, n_bins: int = 10) -> "pd.DataFrame":
        """Predicted probabilities and shares of clicks by bin, as in `click_figures.reliability`.

        Args:
            n_bins: int. Defaults to `10`.

        Returns:
            Frame with one row per bin.

        Raises:
            ValueError: if the scores are watch times.
        """
        if self.watch_time is not None:
            raise ValueError(
                "Reliability needs probabilities; for watch times, compare `mean_predicted` with "
                f"`mean_watched`. Received: the report of {self.name}."
            )
        return click_figures.reliability(self.labels, self.scores, self.weights, n_bins)

    def to_dict(self) -> dict[str, Any]:
        """Metrics, intervals, calibration and protocol as dicts and lists."""
        return {
            "model": self.name,
            "protocol": self.protocol,
            "figures": self.to_frame().reset_index().to_dict("records"),
            "reliability": [] if self.watch_time is not None else self.reliability().to_dict("records"),
        }

    def plot(self) -> "Plot":
        """The reliability plot: share of clicks against predicted probability, and the rows per bin."""
        return plot_reliability(self.reliability(), f"{self.name}, {len(self.labels):,} rows")

    def __repr__(self) -> str:
        lines = [f"{self.name}: {len(self.labels):,} rows"]
        for name, value in self._figures.items():
            low, high = self.interval(name)
            lines.append(f"  {name:20} {value:.4f}  [{low:.4f}, {high:.4f}]")
        return "\n".join(lines)

    @cached_property
    def _resampled(self) -> dict[str, np.ndarray]:
        n_units = self._sample.n_units
        rng = np.random.default_rng(0)
        found: dict[str, list[float]] = {name: [] for name in self._figures}
        for _ in range(self.n_resamples):
            counts = np.bincount(rng.integers(n_units, size=n_units), minlength=n_units)
            for name, value in self._sample.figures(counts).items():
                found[name].append(value)
        return {name: np.asarray(values) for name, values in found.items()}


class _Sample:
    """Computes the metrics of resamples of the users."""

    def __init__(self, report: ClickReport) -> None:
        self._labels, self._scores, self._weights = report.labels, report.scores, report.weights
        self._users = report.users
        self._order = _click_sums.Order(self._labels, self._scores)
        self._watch_time = report.watch_time
        if self._watch_time is None:
            self._losses = _click_sums.losses(self._labels, self._scores)
        self.n_units = len(self._labels) if self._users is None else int(self._users.max()) + 1
        if self._users is not None:
            areas, sizes = _click_sums.areas_of_users(self._labels, self._scores, self._users, self._weights)
            self._areas, self._sizes = np.nan_to_num(areas), np.where(np.isfinite(areas), sizes, 0.0)

    def figures(self, counts: np.ndarray) -> dict[str, float]:
        weights = self._weights * (counts if self._users is None else counts[self._users])
        total = weights.sum()
        with np.errstate(invalid="ignore", divide="ignore"):
            try:
                area = self._order.auc(weights)
            except ValueError:
                if (counts == 1).all():
                    raise
                area = float("nan")  # the resample has only one class
            found = {"auc": area}
            if self._watch_time is None:
                found["log_loss"] = float(self._losses @ weights / total)
            if self._users is not None:
                sizes = self._sizes * counts
                found["user_auc"] = float(self._areas @ sizes / sizes.sum())
            if self._watch_time is not None:
                found["mean_predicted"] = float(self._scores @ weights / total)
                if not np.isnan(self._watch_time).any():
                    found["mean_watched"] = float(self._watch_time @ weights / total)
                return found
            _, clicked, predicted = _click_sums.bins(self._labels, self._scores, weights, 10)
            found["calibration_error"] = float(np.abs(clicked - predicted).sum() / total)
            found["mean_predicted"] = float(predicted.sum() / total)
            found["mean_clicked"] = float(clicked.sum() / total)
        return found
