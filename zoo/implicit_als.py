from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import keras
import numpy as np

from kerasrec._arguments import positive_integer, positive_number
from kerasrec._threads import map_blocks, n_threads
from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._fitted import VALUES_SETTING, Values, factorised, positives
from kerasrec.zoo._recipe import Recipe
from kerasrec.zoo._results import COMPARED, on_movielens_1m

if TYPE_CHECKING:
    import scipy.sparse

    from kerasrec.data import Interactions

# Interactions solved for at once: few enough for their vectors to stay in the cache, and enough for threads
# not to wait for each other between short operations.
_ENTRIES = 16384
# Steps of conjugate gradients per iteration, from the last solution.
_STEPS = 3
_TINY = np.float32(1e-30)


def ImplicitALS(
    interactions: "Interactions",
    n_components: int = 64,
    alpha: float = 8.0,
    l2: float = 20.0,
    iterations: int = 15,
    values: Values = "binary",
    seed: int = 0,
) -> keras.Model:
    """Weighted matrix factorisation of all user-item pairs by alternating least squares.

    Minimises `sum_(u,i) c[u, i] (p[u, i] - x[u] . y[i])^2 + l2 (sum_u |x[u]|^2 + sum_i |y[i]|^2)` over all
    pairs: `p = 1` and `c = 1 + alpha * value` if there is an interaction, else `p = 0` and `c = 1`. With the
    items fixed, the vector of each user solves `C` equations with the matrix
    `Y^T Y + l2 I + alpha sum_i value[u, i] y[i] y[i]^T`, so the cost is proportional to the number of
    interactions.

    Args:
        interactions: `Interactions`.
        n_components: int, size of a vector. Defaults to `64`.
        alpha: float, how much more an interaction of value 1 counts than a missing one. Defaults to `8.0`.
        l2: float, weight of the L2 penalty on the vectors. Defaults to `20.0`.
        iterations: int, number of times that all users and then all items are solved for. Defaults to `15`.
        values: what an interaction with a value above 0 counts: 1 (`"binary"`), its value (`"raw"`), log(1 +
            value) (`"log"`), or its BM25 weight (`"bm25"`). Defaults to `"binary"`.
        seed: int, for the initial item vectors. Defaults to `0`.

    Returns:
        A fitted `keras.Model`.

    Raises:
        ValueError: if no interaction has a value above 0, `values` is unknown, or a setting is not positive.

    Example:
        >>> import numpy as np, kerasrec
        >>> from kerasrec.data import Interactions
        >>> x = Interactions([0, 0, 1], [0, 1, 1], user_ids=["ann", "bob"], item_ids=["x", "y"])
        >>> model = kerasrec.zoo.ImplicitALS(x, n_components=2, l2=0.1)
        >>> model.predict({"user": np.array([[0]]), "item": np.array([[0, 1]])}, verbose=0).round().tolist()
        [[1.0, 1.0]]

    References:
        Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets", 2008, eq. 3 to 5.
    """
    n_components = positive_integer("n_components", n_components)
    iterations = positive_integer("iterations", iterations)
    alpha, l2 = positive_number("alpha", alpha), positive_number("l2", l2)
    by_user = positives(interactions, values)
    by_item = by_user.T.tocsr()
    generator = np.random.default_rng(seed)
    items = generator.normal(0, 0.1 / n_components**0.5, (interactions.n_items, n_components))
    items = items.astype(np.float32)
    items[np.diff(by_item.indptr) == 0] = 0  # items without interactions are never solved for
    users = np.zeros((interactions.n_users, n_components), np.float32)
    sides = _Side(by_user, alpha, l2), _Side(by_item, alpha, l2)
    for _ in range(iterations):
        sides[0].solve(items, users)
        sides[1].solve(users, items)
    return factorised(CARD, users, items)


class _Side:
    """The linear systems of all users or all items; rows of about the same length are solved together."""

    def __init__(self, matrix: "scipy.sparse.csr_matrix", alpha: float, l2: float) -> None:
        self.l2 = l2
        self.blocks = [
            (rows, places, np.float32(alpha) * values[:, :, None]) for rows, places, values in _blocks(matrix)
        ]

    def solve(self, others: np.ndarray, own: np.ndarray) -> None:
        """Improve `own` for given vectors of the other side; rows without entries stay 0."""
        gram = others.T @ others + self.l2 * np.eye(others.shape[1], dtype=np.float32)
        padded = np.concatenate([others, np.zeros((1, others.shape[1]), np.float32)])

        def work(block: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
            rows, places, weights = block
            vectors = padded.take(places, axis=0)

            def scores(x: np.ndarray) -> np.ndarray:
                return vectors @ x[:, :, None]

            def times(x: np.ndarray) -> np.ndarray:
                """The matrix of each row times its x, `[B, C]`; the matrices themselves are never made."""
                return x @ gram + _sums(vectors, weights * scores(x))

            x = own[rows]
            # The residual of the targets `sum (1 + w) y`, in one pass over the vectors.
            residual = _sums(vectors, 1 + weights * (1 - scores(x))) - x @ gram
            own[rows] = _conjugate_gradients(times, x, residual)

        for _ in map_blocks(work, self.blocks, n_threads()):
            pass


def _sums(vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted sums `[B, C]` of vectors `[B, n, C]`."""
    return (np.swapaxes(weights, 1, 2) @ vectors)[:, 0]


def _conjugate_gradients(
    times: Callable[[np.ndarray], np.ndarray], x: np.ndarray, residual: np.ndarray
) -> np.ndarray:
    """Steps from x, `[B, C]`, towards the solutions of `times(x) = targets` with the initial `residual`."""
    direction = residual
    size = _dots(residual, residual)
    for left in reversed(range(_STEPS)):
        product = times(direction)
        # A solved row has a direction of zero, so it does not change.
        step = size / np.maximum(_dots(direction, product), _TINY)
        x = x + step * direction
        if left:
            residual = residual - step * product
            before, size = size, _dots(residual, residual)
            direction = residual + size / np.maximum(before, _TINY) * direction
    return x


def _dots(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Dot products of rows, `[B, 1]`."""
    return np.einsum("bc,bc->b", one, other)[:, None]


def _blocks(matrix: "scipy.sparse.csr_matrix") -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows of about the same length, and their entries: padded columns (the last one empty) and values."""
    counts = np.diff(matrix.indptr)
    order = np.argsort(counts, kind="stable")
    order = order[counts[order] > 0]
    start = 0
    while start < len(order):
        longest = counts[order[start:]]
        # As many rows as fit if all are as long as the last one.
        fits = np.flatnonzero(longest * np.arange(1, len(longest) + 1) <= _ENTRIES)
        end = start + (int(fits[-1]) + 1 if len(fits) else 1)
        rows = order[start:end]
        width = counts[rows[-1]]
        there = np.arange(width) < counts[rows, None]
        index = np.minimum(matrix.indptr[rows, None] + np.arange(width), matrix.nnz - 1)
        places = np.where(there, matrix.indices[index], matrix.shape[1])
        yield rows, places, np.where(there, matrix.data[index], np.float32(0))
        start = end


CARD = Card(
    name="implicit_als",
    factory=ImplicitALS,
    task="ranking",
    summary=(
        "Weighted matrix factorisation of all pairs, with a higher weight for interactions, by "
        "alternating least squares."
    ),
    reference=(
        'Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets", 2008, eq. 3 to 5.'
    ),
    hyperparameters=(
        Hyperparameter("n_components", "int", 64, low=8, high=512, log=True),
        Hyperparameter("alpha", "float", 8.0, low=0.1, high=100.0, log=True),
        Hyperparameter("l2", "float", 20.0, low=0.01, high=1000.0, log=True),
        VALUES_SETTING,
    ),
    optimizer=None,
    loss=None,
    results=on_movielens_1m((0.1534, 0.3278), tuned=(0.1604, 0.3598)) + "\n\n" + COMPARED,
    recipe=Recipe({"alpha": 4.0, "l2": 60.0}),
)
