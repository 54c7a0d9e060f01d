"""The base of all comparisons: order of the reports, corrected p-values, table and verdict."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np

from kerasrec._names import unknown_name
from kerasrec.evaluation._json import Written
from kerasrec.evaluation._plots import plot_comparison
from kerasrec.evaluation._statistics import holm

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Plot


class Report(Protocol):
    """A report to compare."""

    name: str
    protocol: dict[str, Any]

    @property
    def metrics(self) -> list[str]:
        """Names of the figures."""

    def __getitem__(self, metric: str) -> float: ...

    def interval(self, metric: str) -> tuple[float, float]:
        """The 95 % interval of a figure."""


R = TypeVar("R", bound=Report)


class Compared(Written, Generic[R]):
    """Reports of several models made under one protocol, and which differences are significant.

    Args:
        reports: one report per model.
        metrics: names of the metrics that all reports have.
        metric: the metric by which models are ordered and tested.
        lower_is_better: whether a lower value of it is better.
        baselines: names of the models that are baselines.
        significance: name of the paired test.
        units: what the test resamples: `"users"` or `"rows"`.
        level: float, largest adjusted p-value that counts as a difference.
        notes: lines below the table.
    """

    def __init__(
        self,
        reports: Sequence[R],
        metrics: Sequence[str],
        metric: str,
        lower_is_better: bool,
        baselines: Sequence[str],
        significance: str,
        units: str,
        level: float,
        notes: Sequence[str],
    ) -> None:
        self.metric = metric
        self.metrics = list(metrics)
        sign = 1 if lower_is_better else -1
        ordered = sorted(reports, key=lambda report: sign * report[metric])
        self.reports: dict[str, R] = {report.name: report for report in ordered}
        self.baselines = [name for name in self.reports if name in baselines]
        self.significance, self.units = significance, units
        self.level = level
        self.notes = list(notes)

    def _p_values(self, name: str, others: Sequence[str]) -> np.ndarray:
        """Uncorrected p-values of the differences of a model from others."""
        raise NotImplementedError

    @property
    def best(self) -> str:
        """Name of the best model."""
        return next(iter(self.reports))

    @property
    def protocol(self) -> dict[str, Any]:
        """The protocol of all reports."""
        return self.reports[self.best].protocol

    @cached_property
    def p_values(self) -> dict[str, float]:
        """For every other model, Holm's adjusted p-value of its difference from the best."""
        return self.against(self.best)

    def against(self, name: str) -> dict[str, float]:
        """For every other model, Holm's adjusted p-value of its difference from the given model.

        Args:
            name: the model against which the others are tested.

        Returns:
            dict of float by name, in the order of `reports`.

        Raises:
            ValueError: if there is no model with that name.
        """
        if name not in self.reports:
            raise ValueError(unknown_name("name", name, self.reports))
        others = [other for other in self.reports if other != name]
        if not others:
            return {}
        adjusted = holm(self._p_values(name, others))
        return dict(zip(others, adjusted.tolist(), strict=True))

    @property
    def ties(self) -> list[str]:
        """Names of the models that are not significantly different from the best."""
        return [name for name, p in self.p_values.items() if p > self.level]

    def to_frame(self) -> "pd.DataFrame":
        """One row per model, the best first.

        Columns are the metrics, `low` and `high` (95 % interval of the deciding metric), `p` (Holm's adjusted
        p-value of the difference from the best) and `tied` (whether the difference is not significant).
        """
        import pandas as pd

        rows = {}
        for name, report in self.reports.items():
            low, high = report.interval(self.metric)
            figures = {metric: report[metric] for metric in self.metrics}
            p = self.p_values.get(name, float("nan"))
            rows[name] = figures | {"low": low, "high": high, "p": p, "tied": name in self.ties}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")

    def slices(self) -> "pd.DataFrame":
        """The deciding metric by slice: one row per slice, one column per model; empty without slices."""
        import pandas as pd

        return pd.DataFrame()

    def verdict(self) -> str:
        """A summary: the best model, models not significantly different, and whether a baseline wins."""
        best = self.reports[self.best]
        figure = f"{self.metric} of {best[self.metric]:.4f}"
        if len(self.reports) == 1:
            return f"{self.best} alone was measured, with {figure}."
        lines = [f"{self.best} is best, with {figure}"]
        if self.ties:
            lines[0] += f"; not significantly different from it: {', '.join(self.ties)}"
        lines[0] += "."
        models = [name for name in self.reports if name not in self.baselines]
        if self.best in self.baselines and models:
            ahead = f"{self.best} is significantly ahead of every model."
            if set(models) & set(self.ties):
                ahead = f"{self.best}, though not significantly ahead of the best model, {models[0]}."
            lines.append(f"A baseline wins: {ahead}")
        return " ".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The table, the slices and the protocol as dicts and lists."""
        return {
            "metric": self.metric,
            "significance": self.significance,
            "level": self.level,
            "verdict": self.verdict(),
            "protocol": self.protocol,
            "models": self.to_frame().reset_index().to_dict("records"),
            "baselines": self.baselines,
            "slices": self.slices().reset_index().to_dict("records"),
            "notes": self.notes,
        }

    def plot(self) -> "Plot":
        """One bar per model, the best on top, with the interval of the deciding metric; baselines in grey."""
        return plot_comparison(self.to_frame(), self.metric, self.baselines, self.ties)

    def __repr__(self) -> str:
        frame = self.to_frame()
        shown = frame[self.metrics].map("{:.4f}".format)
        shown[self.metric] += [
            " *" if name == self.best else " =" if name in self.ties else "  " for name in frame.index
        ]
        shown["95 %"] = [
            f"[{low:.4f}, {high:.4f}]" for low, high in zip(frame["low"], frame["high"], strict=True)
        ]
        shown["p"] = ["" if np.isnan(p) else f"{p:.4f}" for p in frame["p"]]
        shown.index = [f"{name} (baseline)" if name in self.baselines else name for name in frame.index]
        return "\n".join(
            [
                shown.to_string(),
                f"* best {self.metric}; = not significantly different from it (paired {self.significance} "
                f"test over {self.units}, Holm, {self.level}). {self.verdict()}",
                *self.notes,
                *(f"{key}: {round(x, 4) if isinstance(x, float) else x}" for key, x in self.protocol.items()),
            ]
        )


def check_reports(reports: Sequence[Report]) -> None:
    """Refuse reports that cannot be compared.

    Args:
        reports: reports of a comparison.
    """
    if not reports:
        raise ValueError("`reports` must not be empty. Received: 0 reports.")
    names = [report.name for report in reports]
    again = sorted({name for name in names if names.count(name) > 1})
    if again:
        raise ValueError(f"Models must have different names. Received: {again[0]!r} more than once.")
    for report in reports[1:]:
        _same_protocol(reports[0], report)


def _same_protocol(first: Report, other: Report) -> None:
    keys = [*first.protocol, *(key for key in other.protocol if key not in first.protocol)]
    differing = [key for key in keys if first.protocol.get(key) != other.protocol.get(key)]
    if differing:
        key = differing[0]
        raise ValueError(
            f"Reports must be made under one protocol to be compared; evaluate both models in the same way. "
            f"Received: {first.name!r} and {other.name!r} differ in {', '.join(differing)}; {key} is "
            f"{first.protocol.get(key)!r} and {other.protocol.get(key)!r}."
        )
