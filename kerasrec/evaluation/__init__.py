"""Exact full-catalogue evaluation, its report, comparison of models, and the callback for training."""

from kerasrec.evaluation._compare import compare as compare
from kerasrec.evaluation._evaluate import evaluate as evaluate
from kerasrec.evaluation.comparison import Comparison as Comparison
from kerasrec.evaluation.ranking_metrics import RankingMetrics as RankingMetrics
from kerasrec.evaluation.report import EvaluationReport as EvaluationReport
