"""Which features a side of a model reads, and which of them it has learned anything of."""

from typing import Any

import keras
import numpy as np

from kerasrec.data import Features
from kerasrec.layers import FeatureLookup
from kerasrec.layers._representation import Representation


def reads(side: keras.Model, features: Features | None) -> bool:
    """Whether a side reads a table of features, or identities that are all that `features` say.

    A layer without a table reads identities. It was made for a number of entities, or from a matrix with one
    entry a row on the diagonal; the size of the representation behind it tells which.
    """
    lookups = [layer for layer in side.layers if isinstance(layer, FeatureLookup)]
    if any(layer.n_values is not None for layer in lookups):
        return True
    if not lookups or features is None:
        return False
    sizes = {layer.n_features for layer in side.layers if isinstance(layer, Representation)}
    return features.n_features in sizes and _diagonal(features.matrix)


def without_rows(matrix: Any) -> np.ndarray:
    """Numbers of the columns that no entity has, of which training learned nothing."""
    return np.flatnonzero(matrix.getnnz(axis=0) == 0)


def _diagonal(matrix: Any) -> bool:
    n = matrix.shape[0]
    places = np.arange(n + 1)
    return bool(
        np.array_equal(matrix.indptr, places)
        and np.array_equal(matrix.indices, places[:n])
        and (matrix.data == 1).all()
    )
