"""Exact evaluation over the whole catalogue: reports, comparisons of models, and a callback for training."""

import importlib
from typing import TYPE_CHECKING, Any

from kerasrec.evaluation import click_figures as click_figures

if TYPE_CHECKING:
    from kerasrec.evaluation._compare import compare as compare
    from kerasrec.evaluation._evaluate import evaluate as evaluate
    from kerasrec.evaluation._merge import merge as merge
    from kerasrec.evaluation.click_comparison import ClickComparison as ClickComparison
    from kerasrec.evaluation.click_metrics import ClickMetrics as ClickMetrics
    from kerasrec.evaluation.click_report import ClickReport as ClickReport
    from kerasrec.evaluation.comparison import Comparison as Comparison
    from kerasrec.evaluation.ranking_metrics import RankingMetrics as RankingMetrics
    from kerasrec.evaluation.report import EvaluationReport as EvaluationReport

# Imported on first use, because ranking itself does not need Keras.
_MODULES = {
    "compare": "_compare",
    "evaluate": "_evaluate",
    "ClickComparison": "click_comparison",
    "merge": "_merge",
    "ClickMetrics": "click_metrics",
    "ClickReport": "click_report",
    "Comparison": "comparison",
    "RankingMetrics": "ranking_metrics",
    "EvaluationReport": "report",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"kerasrec.evaluation.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'kerasrec.evaluation' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
