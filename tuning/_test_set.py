"""The test set of a search: how models are measured on it and compared."""

import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import keras

from kerasrec import zoo
from kerasrec.data import Impressions
from kerasrec.evaluation import ClickComparison, ClickReport, Comparison, EvaluationReport, evaluate
from kerasrec.evaluation._compare import baselines_for
from kerasrec.evaluation._one_by_one import one_by_one
from kerasrec.evaluation._plan import Plan
from kerasrec.tuning._data import Data
from kerasrec.tuning._objectives import Objective

Makers: TypeAlias = Mapping[str, Callable[[], keras.Model]]
_RATING_METRICS = ("rmse", "mae")
_SIMPLE = "logistic_regression"
_CLICKS = ("auc", "log_loss", "user_auc", "calibration_error")


def test_set(
    test: Any, whole: Data, objective: Objective, k: int | None, metrics: Iterable[str] | None
) -> "Lists | Clicks":
    """Prepare the evaluation on a test set; invalid arguments raise an error before any model is trained.

    Args:
        test: `Interactions`, or `Impressions`.
        whole: the data of the search.
        objective: objective of the search.
        k: int, or `None` for that of the objective.
        metrics: names, or `None` for those that suit the objective.
    """
    if isinstance(whole, Impressions):
        return Clicks(test, whole, objective, k, metrics)
    return Lists(test, whole, objective, k, metrics)


class Lists:
    """A test set of interactions: models rank the catalogue, or predict ratings.

    Arguments are those of `test_set`.
    """

    def __init__(
        self, test: Any, whole: Any, objective: Objective, k: int | None, metrics: Iterable[str] | None
    ) -> None:
        own = objective.metric
        if metrics is None:
            ranking = own is not None and own not in _RATING_METRICS
            metrics = dict.fromkeys([str(own), "ndcg", "recall"]) if ranking else _RATING_METRICS
        self.test, self.whole = test, whole
        self.how: dict[str, Any] = {"k": k or objective.k, "metrics": tuple(metrics)}
        self.plan = Plan(test, whole, **self.how)
        self.names = (f"{own}@{self.how['k']}", str(own))

    def baselines(self, given: Any, taken: Iterable[str], notes: list[str]) -> dict[str, Callable[[], Any]]:
        """Functions that make the baselines, by name; arguments are those of `baselines_for`."""
        added = baselines_for(self.plan.metrics, self.whole, given, taken, notes)
        return {name: functools.partial(zoo.create, name, self.whole) for name in added}

    def measured(self, makers: Makers, tell: Callable[[str], None] | None) -> dict[str, EvaluationReport]:
        """Make and measure models, in this order."""
        return one_by_one(self.plan, makers, tell)

    def compared(
        self, reports: Sequence[EvaluationReport], simple: Sequence[str] = (), notes: Sequence[str] = ()
    ) -> Comparison:
        """A comparison by the objective if it has one value per user, otherwise by the first NDCG."""
        first = reports[0]
        deciding = [name for name in self.names if name in first.metrics]
        if not deciding or first.figure(deciding[0]).values is None:
            return Comparison(reports, simple, notes=notes)
        return Comparison(reports, simple, metric=deciding[0], notes=notes)

    def figure(self, model: keras.Model, metric: str) -> float:
        """One metric of a model."""
        return evaluate(model, self.test, self.whole, **self.how)[metric]


class Clicks:
    """A test set of impressions: models predict the clicks.

    Arguments are those of `test_set`.
    """

    def __init__(
        self, test: Any, whole: Any, objective: Objective, k: int | None, metrics: Iterable[str] | None
    ) -> None:
        if not isinstance(test, Impressions):
            raise TypeError(
                "`test` must be `kerasrec.data.Impressions`, like the data of the search. Received: "
                f"{type(test).__name__}."
            )
        for name, given in (("k", k), ("metrics", metrics)):
            if given is not None:
                raise ValueError(f"`{name}` must be left out for impressions. Received: {name}={given!r}.")
        test.check_columns(whole.columns, "`test`")
        test.check_classes("`test`")
        self.test, self.whole, self.metric = test, whole, objective.metric

    def baselines(self, given: Any, taken: Iterable[str], notes: list[str]) -> dict[str, Callable[[], Any]]:
        """Functions that train the baselines, by name."""
        from kerasrec.recommender._click_training import trained_on_clicks

        wanted = [_SIMPLE] if given is None else list(given)
        return {
            name: functools.partial(lambda name: trained_on_clicks(self.whole, name).model, name)
            for name in wanted
            if name not in taken
        }

    def measured(self, makers: Makers, tell: Callable[[str], None] | None) -> dict[str, ClickReport]:
        """Make and measure models, in this order."""
        reports: dict[str, ClickReport] = {}
        for place, (name, make) in enumerate(makers.items(), 1):
            begun = time.perf_counter()
            report = reports[name] = evaluate(make(), self.test, name=name)
            if tell is not None:
                figures = ", ".join(f"{x} {report[x]:.4f}" for x in _CLICKS if x in report)
                left = f"; left: {', '.join([*makers][place:])}" if place < len(makers) else ""
                tell(f"{name}: {figures}, in {time.perf_counter() - begun:.1f} s{left}")
        return reports

    def compared(
        self, reports: Sequence[ClickReport], simple: Sequence[str] = (), notes: Sequence[str] = ()
    ) -> ClickComparison:
        """A comparison by the objective."""
        known = self.metric is not None and all(self.metric in report for report in reports)
        return ClickComparison(reports, simple, self.metric if known else None, notes=notes)

    def figure(self, model: keras.Model, metric: str) -> float:
        """One metric of a model."""
        return evaluate(model, self.test)[metric]
