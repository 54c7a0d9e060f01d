from collections.abc import Sequence

import numpy as np

from kerasrec._names import unknown_name
from kerasrec.evaluation._compared import Compared, check_reports
from kerasrec.evaluation.click_report import ClickReport

# Whether a lower value is better, for the metrics that can decide.
_LOWER = {"auc": False, "log_loss": True, "user_auc": False, "calibration_error": True}


class ClickComparison(Compared[ClickReport]):
    """Reports of several click models on the same rows, and which differences are significant.

    `kerasrec.evaluation.compare` returns it. The test is a paired bootstrap: the same users are resampled for
    every model, or the same rows if there is no column of users.

    Args:
        reports: `ClickReport`s.
        baselines: names of the models that are baselines. Defaults to `()`.
        metric: the metric by which models are ordered and tested: `"auc"`, `"log_loss"`, `"user_auc"` or
            `"calibration_error"`. Defaults to `None`: `"auc"`.
        level: float, largest adjusted p-value that counts as a difference. Defaults to `0.05`.
        notes: lines below the table. Defaults to `()`.

    Attributes:
        reports: dict of `ClickReport` by name, the best first.
        metric: the metric by which models are ordered and tested.
        metrics: names of the metrics that all reports have.

    Raises:
        ValueError: if there is no report, if two have the same name or different rows, or if one lacks the
            deciding metric.

    Example:
        >>> from kerasrec.evaluation import ClickComparison, ClickReport
        >>> clicked = [1, 0, 0, 1] * 50
        >>> good = ClickReport("good", clicked, [0.9, 0.2, 0.3, 0.8] * 50)
        >>> poor = ClickReport("poor", clicked, [0.6, 0.7, 0.4, 0.5] * 50)
        >>> table = ClickComparison([poor, good])
        >>> table.best, table.ties
        ('good', [])
    """

    def __init__(
        self,
        reports: Sequence[ClickReport],
        baselines: Sequence[str] = (),
        metric: str | None = None,
        level: float = 0.05,
        notes: Sequence[str] = (),
    ) -> None:
        check_reports(reports)
        for report in reports[1:]:
            report.check_same_rows(reports[0])
        metrics = [name for name in reports[0].metrics if all(name in report for report in reports)]
        deciding = "auc" if metric is None else metric
        possible = [name for name in metrics if name in _LOWER]
        if deciding not in possible:
            raise ValueError(unknown_name("metric", deciding, possible))
        units = "rows" if reports[0].users is None else "users"
        least = 2 * (len(reports) - 1) / (reports[0].n_resamples + 1)
        if least > level:
            notes = [
                *notes,
                f"No difference can be significant here: with {reports[0].n_resamples} resamples and "
                f"{len(reports)} models, the smallest p-value is {least:.3f}. Compare fewer models at once.",
            ]
        super().__init__(
            reports, metrics, deciding, _LOWER[deciding], baselines, "bootstrap", units, level, notes
        )

    def _p_values(self, name: str, others: Sequence[str]) -> np.ndarray:
        report = self.reports[name]
        return np.array([report.difference(self.reports[other], self.metric)[1] for other in others])
