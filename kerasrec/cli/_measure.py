"""Metrics of a model on held-out rows, next to those of baselines."""

from typing import TYPE_CHECKING, Any

import numpy as np

METRICS = ("ndcg", "recall", "coverage")
_K = 10
# Maximum number of scores in an evaluation; if it would need more, only some users are evaluated.
_SCORES = 20_000_000_000

if TYPE_CHECKING:
    import keras

    from kerasrec.cli._report import Report
    from kerasrec.data import Interactions


def errors(predicted: Any, values: np.ndarray) -> dict[str, float]:
    """The root mean squared error and the mean absolute error."""
    differences = np.asarray(predicted, np.float64) - values
    return {
        "RMSE": float(np.sqrt(np.mean(differences**2))),
        "MAE": float(np.mean(np.abs(differences))),
    }


def compared(
    model: "keras.Model", train: "Interactions", test: "Interactions", report: "Report"
) -> tuple[list[dict[str, Any]], str]:
    """The errors of a model and of two baselines, one row each, and a warning if the mean is better."""
    from kerasrec import zoo
    from kerasrec.cli._fit import predict
    from kerasrec.recommender._training import worse

    biases = zoo.create("global_bias", train)
    predictions = {
        model.name: predict(model, test, report),
        "global mean": np.full(len(test), train.values.mean(dtype="float64")),
        "user and item biases": predict(biases, test, report),
    }
    rows = [{"predictor": name, **errors(x, test.values)} for name, x in predictions.items()]
    return rows, worse(model.name, "RMSE", rows[0]["RMSE"], rows[1]["RMSE"])


def check_ranking(train: "Interactions", test: "Interactions") -> None:
    """Refuse data that `ranked` cannot evaluate, before anything is trained."""
    from kerasrec import evaluation

    evaluation.RankingMetrics(test, train, k=_K, metrics=METRICS)


def ranked(
    model: "keras.Model", train: "Interactions", test: "Interactions", report: "Report"
) -> tuple[list[dict[str, Any]], str]:
    """The ranking metrics of a model and of popularity, and a warning if popularity is better.

    With very many users and items only some users are evaluated; a printed line says how many.
    """
    from kerasrec import zoo
    from kerasrec.evaluation import evaluate
    from kerasrec.recommender._training import worse

    models = {model.name: model}
    if model.name != "popularity":
        models["popularity"] = zoo.create("popularity", train)
    figure = f"ndcg@{_K}"
    users, there = None, np.unique(test.users)
    most = max(1, _SCORES // test.n_items)
    if len(there) > most:
        users = test.user_ids[np.sort(np.random.default_rng(0).choice(there, most, replace=False))]
        report.line(f"Evaluated on {most:,} of {len(there):,} users with held-out rows, drawn at random")
    with report.waiting("Evaluating"):
        found = {
            name: evaluate(one, test, train, k=_K, metrics=METRICS, users=users)
            for name, one in models.items()
        }
    rows = [{"model": name, **{x: one[x] for x in one.metrics}} for name, one in found.items()]
    return rows, worse(model.name, "NDCG@10", found[model.name][figure], found["popularity"][figure])
