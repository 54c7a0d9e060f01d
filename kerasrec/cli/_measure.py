"""Errors of predictions, beside those of what a model must beat."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

    from kerasrec.cli._report import Report
    from kerasrec.data import Interactions


def errors(predicted: Any, values: np.ndarray) -> dict[str, float]:
    """The root of the mean squared error, and the mean absolute error."""
    differences = np.asarray(predicted, np.float64) - values
    return {
        "RMSE": float(np.sqrt(np.mean(differences**2))),
        "MAE": float(np.mean(np.abs(differences))),
    }


def compared(
    model: "keras.Model", train: "Interactions", test: "Interactions", report: "Report"
) -> list[dict[str, Any]]:
    """The errors of a model and of two baselines for the rows of `test`, one row a predictor."""
    from kerasrec import zoo
    from kerasrec.cli._fit import predict

    biases = zoo.create("global_bias", train)
    predictions = {
        model.name: predict(model, test, report),
        "global mean": np.full(len(test), train.values.mean(dtype="float64")),
        "user and item biases": predict(biases, test, report),
    }
    return [{"predictor": name, **errors(rows, test.values)} for name, rows in predictions.items()]
