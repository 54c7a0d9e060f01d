"""Shared parts of the two nearest-neighbour models."""

from typing import TYPE_CHECKING

import keras
import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._fitted import VALUES_SETTING, bm25, fitted, positives, tfidf
from kerasrec.zoo._history import NeighborScore, sizes
from kerasrec.zoo._parts import id_inputs

if TYPE_CHECKING:
    import scipy.sparse

    from kerasrec.data import Interactions

WEIGHTINGS = ("cosine", "tfidf", "bm25")
# Bytes of similarities with all other entities that are held at once.
_BLOCK_BYTES = 64 << 20
# If a smaller share of the pairs has a similarity above 0, only those are sorted.
_SPARSE = 0.05

HYPERPARAMETERS = (
    Hyperparameter("n_neighbors", "int", 100, low=5, high=1000, log=True),
    Hyperparameter("weighting", "choice", "cosine", choices=WEIGHTINGS),
    Hyperparameter("shrinkage", "float", 0.0, low=0.0, high=100.0),
    VALUES_SETTING,
)


def neighbor_model(
    card: Card,
    of: str,
    interactions: "Interactions",
    n_neighbors: int,
    weighting: str,
    shrinkage: float,
    values: str,
) -> keras.Model:
    """The fitted model of item neighbours or user neighbours."""
    n_neighbors = positive_integer("n_neighbors", n_neighbors)
    if weighting not in WEIGHTINGS:
        raise ValueError(
            f"`weighting` must be one of {', '.join(WEIGHTINGS)}. Received: weighting={weighting!r}."
        )
    if not 0 <= shrinkage < float("inf"):
        raise ValueError(
            f"`shrinkage` must be a finite number of at least 0. Received: shrinkage={shrinkage}."
        )
    matrix = positives(interactions, values)
    rows = matrix.T.tocsr() if of == "item" else matrix
    n_neighbors = max(1, min(n_neighbors, rows.shape[0] - 1))
    near, similarities = nearest(rows, n_neighbors, weighting, shrinkage)
    user, item = id_inputs()
    layer = NeighborScore(*sizes(matrix), of, n_neighbors, name="neighbors")
    output = layer(user, item)
    layer.fill(matrix)
    layer.neighbors.assign(near)
    layer.similarities.assign(similarities)
    return fitted(card, user, item, output)


def nearest(
    rows: "scipy.sparse.csr_matrix", n_neighbors: int, weighting: str, shrinkage: float
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest other rows of each row, and their similarities, `[n, n_neighbors]`; 0 if there are fewer.

    `similarity = a . b / (|a| |b| + shrinkage)` of weighted rows a and b. Among equally near rows, the first
    ones are taken.
    """
    import scipy.sparse

    weighted = {"cosine": lambda x: x, "tfidf": tfidf, "bm25": bm25}[weighting](rows)
    weighted = weighted.astype(np.float64)
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    inverse = np.divide(1, lengths, where=lengths > 0, out=np.zeros_like(lengths))
    unit = (scipy.sparse.diags(inverse) @ weighted).tocsr()
    n = rows.shape[0]
    near = np.zeros((n, n_neighbors), np.int32)
    similarities = np.zeros((n, n_neighbors), np.float32)
    by_column = unit.T.tocsr()
    step = max(1, _BLOCK_BYTES // (8 * n))
    for start in range(0, n, step):
        block = np.arange(start, min(start + step, n))
        found = (unit[block] @ by_column).tocsr()
        if shrinkage:
            products = lengths[block][_rows(found)] * lengths[found.indices]
            found.data *= products / (products + shrinkage)
        found.data = found.data.astype(np.float32)  # removes differences due to rounding
        found.data[found.indices == block[_rows(found)]] = 0  # no row is its own neighbour
        first = _first if found.nnz > _SPARSE * len(block) * n else _first_of_few
        near[block], similarities[block] = first(found, n_neighbors)
    return near, similarities


def _rows(found: "scipy.sparse.csr_matrix") -> np.ndarray:
    """The row of each entry."""
    return np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))


def _first(entries: "scipy.sparse.csr_matrix", k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k largest entries of each row, with the first ones among equals, and their columns."""
    found = entries.toarray()
    cut = np.partition(found, found.shape[1] - k, axis=1)[:, found.shape[1] - k, None]
    # Entries above the cut, then entries equal to it as long as there is room.
    above, equal = found > cut, found == cut
    room = k - above.sum(axis=1, keepdims=True)
    kept = above | (equal & (np.cumsum(equal, axis=1) <= room))
    columns = np.nonzero(kept)[1].reshape(len(found), k)
    return columns, np.take_along_axis(found, columns, axis=1)


def _first_of_few(entries: "scipy.sparse.csr_matrix", k: int) -> tuple[np.ndarray, np.ndarray]:
    """The same as `_first` if most entries are 0; unused places of a row have column and entry 0."""
    rows = _rows(entries)
    order = np.lexsort((entries.indices, -entries.data, rows))
    place = np.arange(len(order)) - entries.indptr[rows]  # rows stay where they are
    order, place = order[place < k], place[place < k]
    columns = np.zeros((entries.shape[0], k), np.int32)
    first = np.zeros((entries.shape[0], k), np.float32)
    columns[rows[order], place], first[rows[order], place] = entries.indices[order], entries.data[order]
    return columns, first
