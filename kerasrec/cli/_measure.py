"""Errors of predictions, beside those of what a model must beat."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from kerasrec.data import Interactions

_SHRINKAGE = 5.0


def errors(predicted: Any, values: np.ndarray) -> dict[str, float]:
    """The root of the mean squared error, and the mean absolute error."""
    differences = np.asarray(predicted, np.float64) - values
    return {
        "RMSE": float(np.sqrt(np.mean(differences**2))),
        "MAE": float(np.mean(np.abs(differences))),
    }


def compared(name: str, predicted: Any, train: "Interactions", test: "Interactions") -> list[dict[str, Any]]:
    """The errors of a model and of two baselines for the rows of `test`, one row a predictor."""
    predictions = {name: predicted, **baselines(train, test)}
    return [{"predictor": name, **errors(rows, test.values)} for name, rows in predictions.items()]


def baselines(train: "Interactions", test: "Interactions") -> dict[str, np.ndarray]:
    """Predictions for the rows of `test` from means alone.

    The global mean; and that plus the mean deviation of the item and then of the user, each shrunk towards 0
    as if there were five ratings more without deviation.
    """
    mean = train.values.mean(dtype="float64")
    left = train.values - mean
    item = _shrunk_means(train.items, left, train.n_items)
    user = _shrunk_means(train.users, left - item[train.items], train.n_users)
    return {
        "global mean": np.full(len(test), mean),
        "user and item biases": mean + item[test.items] + user[test.users],
    }


def _shrunk_means(codes: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    return np.bincount(codes, values, minlength=n) / (_SHRINKAGE + np.bincount(codes, minlength=n))
