"""Objectives are the metrics that an evaluation has, each in its own direction."""

import pytest

from kerasrec import zoo
from kerasrec.evaluation._plan_arguments import METRICS
from kerasrec.tuning._objectives import objective

LOWER = {"gini", "popularity_bias", "rmse", "mae"}


@pytest.mark.parametrize("metric", [metric for metric in METRICS if metric != "diversity"])
def test_every_metric_is_an_objective(metric):
    """Except diversity, which needs features of the items."""
    of_ratings = metric in ("rmse", "mae")
    card = zoo.card("recommender_v2" if of_ratings else "ease")
    name = f"val_{metric}" if of_ratings or metric == "auc" else f"val_{metric}@7"
    found = objective(name, card)
    assert found.direction == ("min" if metric in LOWER else "max")
    assert (found.metric, found.k) == (metric, 7 if "@" in name else 10)


@pytest.mark.parametrize("name", ["val_diversity@10", "val_rmse@10", "val_ndcg", "val_rmse"])
def test_other_figures_are_refused(name):
    with pytest.raises(ValueError, match="`objective` must be a metric that matrix_factorization reports"):
        objective(name, zoo.card("matrix_factorization"))
