from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec._names import unknown_name
from kerasrec.evaluation import _slices
from kerasrec.evaluation._figure import Figure
from kerasrec.evaluation._json import Written
from kerasrec.evaluation._plots import plot_report
from kerasrec.evaluation._statistics import bootstrap_intervals

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Plot


class EvaluationReport(Written):
    """The result of `evaluate` for one model: metrics, the users they come from, and the protocol.

    `report["recall@10"]` is the value of a metric; `per_user`, `interval` and `slices` give details.
    `kerasrec.evaluation.evaluate` returns it.

    Args:
        name: name of the model.
        protocol: how the model was evaluated; reports with equal protocols are comparable.
        figures: metrics by name.
        population: users, lists and counts from which the metrics were computed.

    Attributes:
        name: name of the model.
        protocol: dict that must be equal for two reports to be comparable.
    """

    def __init__(
        self,
        name: str,
        protocol: Mapping[str, Any],
        figures: Mapping[str, Figure],
        population: _slices.Population,
    ) -> None:
        self.name = name
        self.protocol = dict(protocol)
        self._figures = dict(figures)
        self._population = population

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics."""
        return list(self._figures)

    @property
    def n_users(self) -> int:
        """Number of users evaluated."""
        return len(self._population.users)

    def __getitem__(self, metric: str) -> float:
        return self.figure(metric).mean

    def renamed(self, name: str) -> "EvaluationReport":
        """The same report under another name of the model.

        Args:
            name: str.
        """
        return EvaluationReport(name, self.protocol, self._figures, self._population)

    def __contains__(self, metric: object) -> bool:
        return metric in self._figures

    def figure(self, metric: str) -> Figure:
        """A metric with its values in the order of the users.

        Args:
            metric: name, e.g. `"recall@10"`.

        Returns:
            `values` and `weights` `[U]`, and their `mean`.

        Raises:
            ValueError: if there is no such metric.
        """
        if metric not in self._figures:
            raise ValueError(unknown_name("metric", metric, self._figures))
        return self._figures[metric]

    def per_user(self, metric: str) -> "pd.Series[float]":
        """The values of a metric by raw user id; NaN for a user without a value.

        Args:
            metric: name, e.g. `"recall@10"`.

        Returns:
            Series.

        Raises:
            ValueError: if there is no such metric, or if it is one value for all lists.
        """
        import pandas as pd

        figure = self.figure(metric)
        if figure.values is None:
            raise ValueError(f"`metric` must have a value per user; {metric} is one value for all lists.")
        ids = pd.Index(self._population.user_ids[self._population.users], name="user")
        return pd.Series(figure.shown(figure.values), ids, name=metric)

    def interval(self, metric: str) -> tuple[float, float]:
        """The 95 % bootstrap interval of a metric, over users.

        For a metric of all lists together (coverage, Gini) it is `(nan, nan)`: a resample leaves some users
        out, which alone would change such a metric.

        Args:
            metric: name, e.g. `"recall@10"`.

        Returns:
            Lower and upper end.

        Raises:
            ValueError: if there is no such metric.
        """
        self.figure(metric)
        return self._intervals.get(metric, (float("nan"), float("nan")))

    def to_frame(self) -> "pd.DataFrame":
        """A frame with one row per metric: `value`, `low` and `high` (95 % interval) and `n_users`."""
        import pandas as pd

        rows = {
            name: (figure.mean, *self.interval(name), figure.n_users)
            for name, figure in self._figures.items()
        }
        columns = ["value", "low", "high", "n_users"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("metric")

    def slices(self) -> "pd.DataFrame":
        """Metrics of parts of the users and of the items.

        The parts are users with and without training interactions, quartiles of users by the number of their
        training interactions, items with and without training interactions, and head, middle and tail of the
        items by popularity, each with a third of the training interactions. For a part of the items the lists
        are the same, but only these items count as relevant.

        Returns:
            Frame indexed by `by` and `slice`, with `n_users` and one column per metric (NaN if the metric is
            not defined for the part).
        """
        return _slices.frame(self._population, self._figures, _slices.standard(self._population))

    def by_user(self, column: "pd.Series[Any]") -> "pd.DataFrame":
        """Metrics by the values of a column of the users.

        Args:
            column: series indexed by raw user id; users that are not in it are left out.

        Returns:
            Frame in the form of `slices`.
        """
        part = _slices.of_column(column, self._population.user_ids, "users")
        return _slices.frame(self._population, self._figures, part)

    def by_item(self, column: "pd.Series[Any]") -> "pd.DataFrame":
        """Metrics by the values of a column of the items; only items of the part count as relevant.

        Args:
            column: series indexed by raw item id; items that are not in it are left out.

        Returns:
            Frame in the form of `slices`.
        """
        part = _slices.of_column(column, self._population.item_ids, "items")
        return _slices.frame(self._population, self._figures, part)

    def to_dict(self) -> dict[str, Any]:
        """Metrics, intervals, slices and protocol as dicts and lists."""
        return {
            "model": self.name,
            "protocol": self.protocol,
            "figures": self.to_frame().reset_index().to_dict("records"),
            "slices": self.slices().reset_index().to_dict("records"),
        }

    def plot(self) -> "Plot":
        """One bar per metric, with its interval and value; shares are in a separate plot."""
        return plot_report(self.to_frame(), f"{self.name}, {self.n_users:,} users")

    def __repr__(self) -> str:
        lines = [f"{self.name}: {self.n_users:,} users"]
        for name, row in self.to_frame().iterrows():
            interval = f"  [{row['low']:.4f}, {row['high']:.4f}]" if np.isfinite(row["low"]) else ""
            users = f"  ({row['n_users']:,.0f} users)" if 0 < row["n_users"] < self.n_users else ""
            lines.append(f"  {name:20} {row['value']:.4f}{interval}{users}")
        lines += [f"  {key}: {value}" for key, value in self.protocol.items()]
        return "\n".join(lines)

    @cached_property
    def _intervals(self) -> dict[str, tuple[float, float]]:
        figures = {name: figure for name, figure in self._figures.items() if figure.n_users}
        if not figures:
            return {}
        values, weights = (
            np.stack(columns, axis=1)
            for columns in zip(*(figure.columns() for figure in figures.values()), strict=True)
        )
        ends = bootstrap_intervals(values, weights)
        return {
            name: (float(figure.shown(low)), float(figure.shown(high)))
            for (name, figure), (low, high) in zip(figures.items(), ends, strict=True)
        }
