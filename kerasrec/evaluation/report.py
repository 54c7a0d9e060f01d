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
    """The result of `evaluate` for one model: figures, the users that they come from, and the protocol.

    `report["recall@10"]` is the figure; `per_user`, `interval` and `slices` give details. Made by
    `kerasrec.evaluation.evaluate`.

    Args:
        name: name of the model.
        protocol: how it was measured; reports with equal protocols are comparable.
        figures: figures by name.
        population: users, lists and counts that the figures come from.

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
        """Names of the figures."""
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
        """A figure with its values, in the order of the users.

        Args:
            metric: name, e.g. `"recall@10"`.

        Returns:
            `values` and `weights` `[U]`, and their `mean`.

        Raises:
            ValueError: if there is no such figure.
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
            ValueError: if there is no such figure, or it is one figure for all lists.
        """
        import pandas as pd

        figure = self.figure(metric)
        if figure.values is None:
            raise ValueError(f"`metric` must have a value per user; {metric} is one figure for all lists.")
        ids = pd.Index(self._population.user_ids[self._population.users], name="user")
        return pd.Series(figure.shown(figure.values), ids, name=metric)

    def interval(self, metric: str) -> tuple[float, float]:
        """The 95 % bootstrap interval of a figure, over users.

        A figure for all lists together (coverage, Gini) has none, `(nan, nan)`: resampling leaves some users
        out, which by itself changes such a figure.

        Args:
            metric: name, e.g. `"recall@10"`.

        Returns:
            Lower and upper end.

        Raises:
            ValueError: if there is no such figure.
        """
        self.figure(metric)
        return self._intervals.get(metric, (float("nan"), float("nan")))

    def to_frame(self) -> "pd.DataFrame":
        """A frame with one row per figure: `value`, `low` and `high` (95 % interval) and `n_users`."""
        import pandas as pd

        rows = {
            name: (figure.mean, *self.interval(name), figure.n_users)
            for name, figure in self._figures.items()
        }
        columns = ["value", "low", "high", "n_users"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("metric")

    def slices(self) -> "pd.DataFrame":
        """Figures of parts of users and of items.

        Parts are users with and without training interactions, quarters of users by their number of them,
        items with and without, and thirds of items by popularity, each with a third of the training
        interactions. For a part of items the lists are the same, and only these items count as relevant.

        Returns:
            Frame indexed by `by` and `slice`, with `n_users` and a column a metric (NaN where a metric is
            not defined for such a part).
        """
        return _slices.frame(self._population, self._figures, _slices.standard(self._population))

    def by_user(self, column: "pd.Series[Any]") -> "pd.DataFrame":
        """Figures by any column of the users.

        Args:
            column: series indexed by raw user id; users that it lacks are left out.

        Returns:
            Frame as that of `slices`.
        """
        part = _slices.of_column(column, self._population.user_ids, "users")
        return _slices.frame(self._population, self._figures, part)

    def by_item(self, column: "pd.Series[Any]") -> "pd.DataFrame":
        """Figures by any column of the items; only items of the part count as relevant.

        Args:
            column: series indexed by raw item id; items that it lacks are left out.

        Returns:
            Frame as that of `slices`.
        """
        part = _slices.of_column(column, self._population.item_ids, "items")
        return _slices.frame(self._population, self._figures, part)

    def to_dict(self) -> dict[str, Any]:
        """Figures, intervals, slices and protocol, of dicts and lists."""
        return {
            "model": self.name,
            "protocol": self.protocol,
            "figures": self.to_frame().reset_index().to_dict("records"),
            "slices": self.slices().reset_index().to_dict("records"),
        }

    def plot(self) -> "Plot":
        """A bar a figure, with its interval and its value; shares apart from what has another scale."""
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
