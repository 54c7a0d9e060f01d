"""Evaluates models one after the other, and reports each when it is done."""

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from kerasrec.evaluation._evaluate import keras_model
from kerasrec.evaluation._plan import Plan
from kerasrec.evaluation.report import EvaluationReport


def one_by_one(
    plan: Plan,
    makers: Mapping[str, Callable[[], Any]],
    tell: Callable[[str], None] | None = None,
    waiting: Callable[[str], contextlib.AbstractContextManager[Any]] = lambda what: contextlib.nullcontext(),
) -> dict[str, EvaluationReport]:
    """Make and evaluate models, in this order.

    Args:
        plan: `Plan`.
        makers: functions that make the models, by name; they may also return existing reports.
        tell: function that gets a line when a model is done, with its metrics, the seconds it took, and the
            names of the remaining models. Defaults to `None`.
        waiting: makes a context for the evaluation of a model. Defaults to one that shows nothing.

    Returns:
        Their reports, by name.
    """
    reports: dict[str, EvaluationReport] = {}
    order = list(makers)
    for place, (name, make) in enumerate(makers.items(), 1):
        begun = time.perf_counter()
        model = make()
        if isinstance(model, EvaluationReport):
            reports[name] = model.renamed(name)
            continue
        with waiting(f"Evaluating {name}"):
            reports[name] = plan.run(keras_model(model), name)
        if tell is not None:
            report = reports[name]
            figures = ", ".join(f"{metric} {report[metric]:.4f}" for metric in report.metrics)
            left = f"; left: {', '.join(order[place:])}" if place < len(order) else ""
            tell(f"{name}: {figures}, in {time.perf_counter() - begun:.1f} s{left}")
    return reports
