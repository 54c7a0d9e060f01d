"""Propagation along a graph of users and items in plain NumPy, on a dense users-by-items array of edges."""

import numpy as np


def propagated(x, users, items, n_layers=3, alpha=0.5, beta=0.5, first_weight=None):
    """He et al., 2020, eq. 7 and 8, with the exponents of Lee et al., 2024."""
    n_users = len(x)
    a = np.block([[np.zeros((n_users, n_users)), x], [x.T, np.zeros((x.shape[1], x.shape[1]))]])
    degrees = np.maximum(a.sum(axis=1), 1)
    a = degrees[:, None] ** -alpha * a * degrees**-beta
    vectors = np.concatenate([users, items])
    layers = [vectors]
    for _ in range(n_layers):
        layers.append(a @ layers[-1])
    first = 1 / (n_layers + 1) if first_weight is None else first_weight
    weights = [first] + n_layers * [(1 - first) / max(n_layers, 1)]
    found = sum(weight * layer for weight, layer in zip(weights, layers, strict=True))
    return found[:n_users], found[n_users:]
