"""Losses of ratings in plain NumPy, from their definitions. Arrays of one shape; weight 0 leaves out."""

import math

import numpy as np


def rmse(values, scores, weights=None):
    values, scores = np.asarray(values, "float64"), np.asarray(scores, "float64")
    return float(np.sqrt(np.average((values - scores) ** 2, weights=weights)))


def separation(values, scores, weights=None):
    values, scores = np.asarray(values, "float64").ravel(), np.asarray(scores, "float64").ravel()
    weights = np.ones_like(values) if weights is None else np.asarray(weights, "float64").ravel()
    moments = []
    for side in (values > 0, values <= 0):
        mean = np.average(scores[side], weights=weights[side])
        moments.append((mean, np.average((scores[side] - mean) ** 2, weights=weights[side])))
    (mean_pos, var_pos), (mean_neg, var_neg) = moments
    z = (0 - (mean_neg - mean_pos)) / math.sqrt(var_neg + var_pos)
    return 1 - 0.5 * math.erfc(-z / math.sqrt(2))
