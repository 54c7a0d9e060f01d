"""One case for every public metric."""

from contracts.check_metric import MetricCase

METRICS: list[MetricCase] = []
