"""Representations that begin at a truncated decomposition of the interactions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from kerasrec.layers import DeepRepr, SparseLinearRepr
from kerasrec.zoo._spectral import spectral_vectors, table

if TYPE_CHECKING:
    from kerasrec.zoo._hybrid import Side


def initialize_with_svd(sides: Sequence["Side"], interactions: Any, seed: int | None) -> None:
    """Give representations the vectors of a decomposition, if they can represent any vectors.

    These are linear ones, and networks of ReLUs without an output activation, which are initially linear.
    Others stay as they are.

    Args:
        sides: the users and the items, with one representation each.
        interactions: `Interactions`.
        seed: int, or `None`.
    """
    layers = [side.layers[0] for side in sides]
    rank = min(interactions.n_users, interactions.n_items, *(_rank(layer) for layer in layers))
    if rank == 0:
        return
    there = interactions.liked
    codes = interactions.users, interactions.items
    found = spectral_vectors(interactions, rank, seed or 0)
    for side, layer, vectors, column in zip(sides, layers, found, codes, strict=True):
        known = np.bincount(column[there], minlength=side.n) > 0
        rows = table(side.matrix, vectors, known)
        if isinstance(layer, DeepRepr):
            _begin_linear(layer, rows)
        else:
            _set_columns(layer.kernel, rows)


def _rank(layer: keras.layers.Layer) -> int:
    """The number of components of a decomposition that a representation can begin at."""
    if type(layer) is SparseLinearRepr and not layer.normalize:
        return int(layer.n_components)
    if (
        type(layer) is DeepRepr
        and layer.activation is keras.activations.relu
        and layer.output_activation is keras.activations.linear
    ):
        return min(layer.n_components, min(layer.hidden) // 2)
    return 0


def _begin_linear(layer: DeepRepr, rows: np.ndarray) -> None:
    """Make a network of ReLUs a linear map: `x = relu(x) - relu(-x)` (Balduzzi et al., 2017).

    Each layer has a unit for a component and one for its negative. These components initially ignore the
    units that are left over.
    """
    rank = rows.shape[1]
    _set_columns(layer.kernel, np.hstack([rows, -rows]))
    identity = np.eye(rank, dtype=np.float32)
    difference = np.vstack([identity, -identity])
    for dense in [*layer._dense, layer._last]:
        columns = difference if dense is layer._last else np.hstack([difference, -difference])
        whole = np.zeros((dense.kernel.shape[0], columns.shape[1]), np.float32)
        whole[: 2 * rank] = columns
        _set_columns(dense.kernel, whole)


def _set_columns(variable: Any, columns: np.ndarray) -> None:
    """Set the first columns of a matrix; the others stay."""
    value = np.array(ops.convert_to_numpy(variable))
    value[:, : columns.shape[1]] = columns
    variable.assign(value)
