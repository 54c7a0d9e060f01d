"""The features that a side of a model reads, and those that training learned something about."""

from typing import Any

import keras
import numpy as np

from kerasrec.data import Features
from kerasrec.layers import FeatureLookup
from kerasrec.layers._representation import Representation


def reads(side: keras.Model, features: Features | None) -> bool:
    """Whether a side reads a table of features, and not only identities.

    A layer without a table was made either for a number of entities or from a diagonal feature matrix; the
    size of its representation tells which.
    """
    lookups = [layer for layer in side.layers if isinstance(layer, FeatureLookup)]
    if any(layer.n_values is not None for layer in lookups):
        return True
    if not lookups or features is None:
        return False
    sizes = {layer.n_features for layer in side.layers if isinstance(layer, Representation)}
    return features.n_features in sizes and _diagonal(features.matrix)


def check_features(layer: FeatureLookup, matrix: Any, side: str) -> None:
    """Refuse features other than the table that a layer reads.

    Args:
        layer: layer with a table.
        matrix: `[n, F]` in compressed rows.
        side: `"user"` or `"item"`.
    """
    starts, indices, values = map(keras.ops.convert_to_numpy, (layer.starts, layer.indices, layer.values))
    same = np.array_equal(np.diff(starts), np.minimum(np.diff(matrix.indptr), layer.width))
    if layer.n_values == matrix.nnz:  # the table has no limited width
        same = same and np.array_equal(indices, matrix.indices) and np.array_equal(values, matrix.data)
    if not same:
        raise ValueError(
            f"`{side}_features` must be those that the model was made with. "
            f"Received: features that differ from the table of layer {layer.name!r}."
        )


def without_rows(matrix: Any) -> np.ndarray:
    """The columns that no entity has, about which training learned nothing."""
    return np.flatnonzero(matrix.getnnz(axis=0) == 0)


def _diagonal(matrix: Any) -> bool:
    n = matrix.shape[0]
    places = np.arange(n + 1)
    return bool(
        np.array_equal(matrix.indptr, places)
        and np.array_equal(matrix.indices, places[:n])
        and (matrix.data == 1).all()
    )
