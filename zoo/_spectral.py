"""Initial vectors from a truncated singular value decomposition of the interactions."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.zoo._fitted import positives

if TYPE_CHECKING:
    import scipy.sparse

    from kerasrec.data import Interactions

# Entries are divided by the numbers of entries of their row and column to this power.
_EXPONENT = 0.3
_POWERS = 2
# Candidate factors of the scores, number of users to try them on, and maximum number of their scores.
_FACTORS = 2.0 ** np.arange(-4, 13)
_USERS, _SCORES = 256, 20_000_000


def spectral_vectors(
    interactions: "Interactions", n_components: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of users and items whose dot products are a smoothed interaction matrix `f U S V^T`.

    `U S V^T` is the truncated singular value decomposition of `D_u^-0.3 X D_i^-0.3`, where `D_u` and `D_i`
    are the numbers of entries of rows and columns. The factor `f` minimises the softmax loss over the
    catalogue.

    Args:
        interactions: `Interactions`.
        n_components: int, at most the number of users and of items.
        seed: int. Defaults to `0`.

    Returns:
        float32 `[U, C]` and `[I, C]`.
    """
    import scipy.sparse
    from sklearn.utils.extmath import randomized_svd

    matrix = positives(interactions, "log" if interactions.kind == "counts" else "binary")
    by_row, by_column = (np.maximum(matrix.getnnz(axis), 1) ** -_EXPONENT for axis in (1, 0))
    scaled = scipy.sparse.diags(by_row) @ matrix @ scipy.sparse.diags(by_column)
    left, strengths, right = randomized_svd(
        scaled.tocsr().astype(np.float32), n_components, n_iter=_POWERS, random_state=seed
    )
    users, items = left * strengths, right.T * strengths
    root = _factor(users, items, matrix, seed) ** 0.5
    return (users * root).astype(np.float32), (items * root).astype(np.float32)


def table(matrix: Any, vectors: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Vectors of features whose sums approximate the given vectors of entities.

    Features that several entities share are fitted by ridge regression. A feature that only one entity has
    gets the residual of this entity's vector.

    Args:
        matrix: features `[n, F]`, or `None` for identity.
        vectors: `[n, C]`.
        known: bool `[n]`, whether a vector is meaningful.

    Returns:
        float32 `[F, C]`.
    """
    if matrix is None:
        return vectors
    import scipy.sparse
    from sklearn.linear_model import Ridge

    matrix = scipy.sparse.csc_matrix(matrix).astype(np.float32)
    alone = matrix.getnnz(axis=0) == 1
    out = np.zeros((matrix.shape[1], vectors.shape[1]), np.float32)
    shared = matrix[:, ~alone].tocsr()
    if shared.nnz and known.any():
        ridge = Ridge(alpha=1.0, fit_intercept=False, solver="sparse_cg", tol=1e-3)
        out[~alone] = np.atleast_2d(ridge.fit(shared[known], vectors[known]).coef_).T
        vectors = np.where(known[:, None], vectors - shared @ out[~alone], 0)
    own = matrix[:, alone].tocoo()
    # If an entity has several columns of its own, use the first one.
    rows, first = np.unique(own.row, return_index=True)
    out[np.flatnonzero(alone)[own.col[first]]] = vectors[rows] / own.data[first][:, None]
    return out


def _factor(users: np.ndarray, items: np.ndarray, matrix: "scipy.sparse.csr_matrix", seed: int) -> float:
    """The factor of the scores that minimises the softmax loss over the catalogue, for some of the users."""
    there = np.flatnonzero(matrix.getnnz(axis=1))
    n_users = min(len(there), _USERS, max(1, _SCORES // len(items)))
    chosen = np.random.default_rng(seed).choice(there, n_users, replace=False)
    scores = users[chosen] @ items.T
    entries = matrix[chosen].tocoo()
    of_positives = float((entries.data * scores[entries.row, entries.col]).sum())
    weights = np.bincount(entries.row, entries.data, len(chosen))
    scores -= (largest := scores.max(axis=1))[:, None]
    losses = [
        weights @ (np.log(np.exp(factor * scores).sum(axis=1)) + factor * largest) - factor * of_positives
        for factor in _FACTORS
    ]
    return float(_FACTORS[int(np.argmin(losses))])
