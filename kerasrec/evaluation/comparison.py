from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kerasrec._names import unknown_name
from kerasrec.evaluation._compared import Compared, check_reports
from kerasrec.evaluation._plan_arguments import LOWER_IS_BETTER
from kerasrec.evaluation._statistics import paired_p_values
from kerasrec.evaluation.report import EvaluationReport

if TYPE_CHECKING:
    import pandas as pd


class Comparison(Compared[EvaluationReport]):
    """Reports of several models under one protocol, and which of their differences are significant.

    `kerasrec.evaluation.compare` returns it.

    Args:
        reports: `EvaluationReport`s.
        baselines: names of the models that are baselines. Defaults to `()`.
        metric: the metric by which models are ordered and tested. Defaults to `None`: the first NDCG, or if
            there is none, the first metric with a value per user.
        significance: `"randomisation"` or `"bootstrap"`, the paired test over users. Defaults to
            `"randomisation"`.
        level: float, largest adjusted p-value that counts as a difference. Defaults to `0.05`.
        notes: lines below the table. Defaults to `()`.

    Attributes:
        reports: dict of `EvaluationReport` by name, the best first.
        metric: the metric by which models are ordered and tested.
        metrics: names of the metrics.

    Raises:
        ValueError: if there is no report, if two have the same name, if their protocols differ, or if the
            metric does not exist or has no value per user.
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
        check_reports(reports)
        first = reports[0]
        for report in reports[1:]:
            _same_figures(first, report)
        if significance not in ("randomisation", "bootstrap"):
            raise ValueError(unknown_name("significance", significance, ("randomisation", "bootstrap")))
        deciding = _deciding(first) if metric is None else metric
        if first.figure(deciding).values is None:
            raise ValueError(f"`metric` must have a value per user; {deciding} is one value for all lists.")
        lower = deciding.split("@")[0] in LOWER_IS_BETTER
        super().__init__(
            reports, first.metrics, deciding, lower, baselines, significance, "users", level, notes
        )

    def _p_values(self, name: str, others: Sequence[str]) -> np.ndarray:
        columns = {other: report.figure(self.metric).columns() for other, report in self.reports.items()}
        sums = {other: values * weights for other, (values, weights) in columns.items()}
        differences = np.stack([sums[name] - sums[other] for other in others], axis=1)
        return paired_p_values(differences, self.significance)

    def slices(self) -> "pd.DataFrame":
        """The deciding metric by slices of users and items: one row per slice, one column per model."""
        import pandas as pd

        parts = {name: report.slices() for name, report in self.reports.items()}
        first = parts[self.best]
        if self.metric not in first:
            return pd.DataFrame(index=first.index)
        return pd.DataFrame(
            {"n_users": first["n_users"]} | {n: part[self.metric] for n, part in parts.items()}
        )


def _same_figures(first: EvaluationReport, other: EvaluationReport) -> None:
    if first.metrics != other.metrics:
        raise ValueError(
            f"Reports must have the same metrics to be compared. Received: {', '.join(first.metrics)} of "
            f"{first.name!r} and {', '.join(other.metrics)} of {other.name!r}."
        )


def _deciding(report: EvaluationReport) -> str:
    named = [name for name in report.metrics if name.startswith("ndcg@")]
    return (
        named or [name for name in report.metrics if report.figure(name).values is not None] or report.metrics
    )[0]
