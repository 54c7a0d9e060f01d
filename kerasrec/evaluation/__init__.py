"""Exact full-catalogue evaluation, its report, comparison of models, and the callback for training."""

from kerasrec.evaluation._evaluate import evaluate as evaluate
from kerasrec.evaluation.report import EvaluationReport as EvaluationReport
