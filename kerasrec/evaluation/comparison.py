from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.evaluation._json import Written
from kerasrec.evaluation._names import unknown_name
from kerasrec.evaluation._plots import plot_comparison
from kerasrec.evaluation._statistics import holm, paired_p_values
from kerasrec.evaluation.report import EvaluationReport

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Plot


class Comparison(Written):
    """Reports of several models made under one protocol, and which differences mean something.

    Made by `kerasrec.evaluation.compare`.

    Args:
        reports: `EvaluationReport`s.
        baselines: names of those that are baselines. Defaults to `()`.
        metric: the figure that decides. Defaults to `None`: the first NDCG, else the first with a value a
            user.
        significance: `"randomisation"` or `"bootstrap"`, the paired test over users. Defaults to
            `"randomisation"`.
        level: float, largest adjusted p-value that counts as a difference. Defaults to `0.05`.
        notes: what to say below the table. Defaults to `()`.

    Attributes:
        reports: dict of `EvaluationReport` by name, the best first.
        metric: the figure that decides.

    Raises:
        ValueError: if there is no report, two have one name, their protocols differ, or the figure does not
            exist or is one of all lists together.
    """

    def __init__(
        self,
        reports: Sequence[EvaluationReport],
        baselines: Sequence[str] = (),
        metric: str | None = None,
        significance: str = "randomisation",
        level: float = 0.05,
        notes: Sequence[str] = (),
    ) -> None:
        if not reports:
            raise ValueError("`reports` must not be empty. Received: 0 reports.")
        names = [report.name for report in reports]
        again = sorted({name for name in names if names.count(name) > 1})
        if again:
            raise ValueError(f"Models must have different names. Received: {again[0]!r} more than once.")
        for report in reports[1:]:
            _same_protocol(reports[0], report)
        if significance not in ("randomisation", "bootstrap"):
            raise ValueError(unknown_name("significance", significance, ("randomisation", "bootstrap")))
        self.metric = _deciding(reports[0]) if metric is None else metric
        if reports[0].figure(self.metric).values is None:
            raise ValueError(
                f"`metric` must have a value a user; {self.metric} is one of all lists together."
            )
        lower_is_better = self.metric in ("rmse", "mae")
        ordered = sorted(reports, key=lambda r: r[self.metric] if lower_is_better else -r[self.metric])
        self.reports = {report.name: report for report in ordered}
        self.baselines = [name for name in self.reports if name in baselines]
        self.significance = significance
        self.level = level
        self.notes = list(notes)

    @property
    def best(self) -> str:
        """Name of the model with the best figure."""
        return next(iter(self.reports))

    @property
    def protocol(self) -> dict[str, Any]:
        """How all of them were measured."""
        return self.reports[self.best].protocol

    @cached_property
    def p_values(self) -> dict[str, float]:
        """For every other model, Holm's adjusted p-value of its difference from the best."""
        return self.against(self.best)

    def against(self, name: str) -> dict[str, float]:
        """For every other model, Holm's adjusted p-value of its difference from one of them.

        Args:
            name: the model that the others are tested against.

        Returns:
            dict of float by name, in the order of `reports`.

        Raises:
            ValueError: if there is no model of that name.
        """
        if name not in self.reports:
            raise ValueError(unknown_name("name", name, self.reports))
        others = [other for other in self.reports if other != name]
        if not others:
            return {}
        columns = {other: report.figure(self.metric).columns() for other, report in self.reports.items()}
        sums = {other: values * weights for other, (values, weights) in columns.items()}
        differences = np.stack([sums[name] - sums[other] for other in others], axis=1)
        adjusted = holm(paired_p_values(differences, self.significance))
        return dict(zip(others, adjusted.tolist(), strict=True))

    @property
    def ties(self) -> list[str]:
        """Names of the models that are not significantly different from the best."""
        return [name for name, p in self.p_values.items() if p > self.level]

    def to_frame(self) -> "pd.DataFrame":
        """A row a model, the best first.

        Columns are the figures, `low` and `high` (95 % interval of the deciding figure), `p` (Holm's adjusted
        p-value of the difference from the best) and `tied`, whether that is not significant.
        """
        import pandas as pd

        rows = {}
        for name, report in self.reports.items():
            low, high = report.interval(self.metric)
            figures = {metric: report[metric] for metric in report.metrics}
            p = self.p_values.get(name, float("nan"))
            rows[name] = figures | {"low": low, "high": high, "p": p, "tied": name in self.ties}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")

    def slices(self) -> "pd.DataFrame":
        """The deciding figure in parts of users and items: a row a part, a column a model."""
        import pandas as pd

        parts = {name: report.slices() for name, report in self.reports.items()}
        first = parts[self.best]
        if self.metric not in first:
            return pd.DataFrame(index=first.index)
        return pd.DataFrame(
            {"n_users": first["n_users"]} | {n: part[self.metric] for n, part in parts.items()}
        )

    def verdict(self) -> str:
        """In words: the best, what it cannot be told from, and whether a baseline is ahead."""
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
        """The table, the slices and the protocol, of dicts and lists."""
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
        """A bar a model, the best on top, with the interval of the deciding figure; baselines in grey."""
        return plot_comparison(self.to_frame(), self.metric, self.baselines, self.ties)

    def __repr__(self) -> str:
        frame = self.to_frame()
        shown = frame[list(next(iter(self.reports.values())).metrics)].map("{:.4f}".format)
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
                f"test over users, Holm, {self.level}). {self.verdict()}",
                *self.notes,
                *(f"{key}: {value}" for key, value in self.protocol.items()),
            ]
        )


def _same_protocol(first: EvaluationReport, other: EvaluationReport) -> None:
    keys = [*first.protocol, *(key for key in other.protocol if key not in first.protocol)]
    differing = [key for key in keys if first.protocol.get(key) != other.protocol.get(key)]
    if differing:
        key = differing[0]
        raise ValueError(
            f"Reports must be made under one protocol to be compared; evaluate both models in the same way. "
            f"Received: {first.name!r} and {other.name!r} differ in {', '.join(differing)}; {key} is "
            f"{first.protocol.get(key)!r} and {other.protocol.get(key)!r}."
        )
    if first.metrics != other.metrics:
        raise ValueError(
            f"Reports must have the same figures to be compared. Received: {', '.join(first.metrics)} of "
            f"{first.name!r} and {', '.join(other.metrics)} of {other.name!r}."
        )


def _deciding(report: EvaluationReport) -> str:
    named = [name for name in report.metrics if name.startswith("ndcg@")]
    return (
        named or [name for name in report.metrics if report.figure(name).values is not None] or report.metrics
    )[0]
