from typing import TYPE_CHECKING

import keras
import numpy as np

from kerasrec._arguments import positive_number
from kerasrec._memory import check_memory
from kerasrec._threads import map_blocks, n_threads
from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._fitted import VALUES_SETTING, Values, fitted, positives
from kerasrec.zoo._history import ItemWeightsScore, sizes
from kerasrec.zoo._inverse import diagonal, gram, invert, mirrored
from kerasrec.zoo._parts import id_inputs
from kerasrec.zoo._results import COMPARED, on_movielens_1m

if TYPE_CHECKING:
    import scipy.sparse

    from kerasrec.data import Interactions

# Number of items whose weights are computed at once.
_BLOCK = 256
# Number of dense matrix operations that take as long as one sparse operation.
_SPARSE = 50


def EASE(
    interactions: "Interactions",
    ridge: float = 400.0,
    values: Values = "binary",
    max_bytes: float = 8e9,
) -> keras.Model:
    """A linear item-to-item model in closed form.

    `score[u, i] = sum_j x[u, j] B[j, i]`, where B minimises `|X - X B|^2 + ridge |B|^2` with a diagonal of
    zeros: `B[j, i] = -P[j, i] / P[i, i]` for `j != i`, `P = (X^T X + ridge I)^-1`. The time grows with the
    cube of the number of items, or of the number of users if that is far smaller.

    Args:
        interactions: `Interactions`.
        ridge: float, weight of the squared entries of B; sparser data need more. Defaults to `400.0`.
        values: what X contains for an interaction with a value above 0: 1 (`"binary"`), its value (`"raw"`),
            log(1 + value) (`"log"`), or its BM25 weight (`"bm25"`). Defaults to `"binary"`.
        max_bytes: float, memory that the fit may use; it needs 12 bytes per pair of items. Defaults to `8e9`.

    Returns:
        A fitted `keras.Model`.

    Raises:
        ValueError: if the catalogue is too large for `max_bytes`, no interaction has a value above 0,
            `values` is unknown, or `ridge` is not positive.

    Example:
        >>> import numpy as np, kerasrec
        >>> from kerasrec.data import Interactions
        >>> x = Interactions([0, 0, 1], [0, 1, 1], user_ids=["ann", "bob"], item_ids=["x", "y"])
        >>> model = kerasrec.zoo.EASE(x, ridge=1.0)
        >>> scores = model.predict({"user": np.array([[0]]), "item": np.array([[0, 1]])}, verbose=0)
        >>> [round(float(score), 3) for score in scores[0]]
        [0.333, 0.5]

    References:
        Steck, "Embarrassingly shallow autoencoders for sparse data", 2019, eq. 8.
    """
    ridge = positive_number("ridge", ridge)
    if message := too_large(interactions.n_items, max_bytes):
        raise ValueError(message)
    check_memory(12 * interactions.n_items**2, "every pair of items, as EASE holds them")
    matrix = positives(interactions, values)
    user, item = id_inputs()
    layer = ItemWeightsScore(*sizes(matrix), name="item_weights")
    layer.give(_item_weights(matrix, ridge))
    output = layer(user, item)
    layer.fill(matrix)
    return fitted(CARD, user, item, output)


def too_large(n_items: int, max_bytes: float = 8e9) -> str:
    """The reason why a catalogue cannot be fitted; empty if it can.

    Args:
        n_items: int.
        max_bytes: float. Defaults to `8e9`.
    """
    needed = 12 * n_items**2
    # Places of pairs of items are int32 in the graph.
    if needed <= max_bytes and n_items**2 < 2**31:
        return ""
    return (
        f"EASE must hold every pair of items in `max_bytes`={max_bytes:,.0f} bytes, 46,340 items at most; "
        f"filter rare items or use item_knn. Received: {n_items:,} items, which need {needed:,} bytes."
    )


def _item_weights(matrix: "scipy.sparse.csr_matrix", ridge: float) -> np.ndarray:
    n_users, n_items = matrix.shape
    by_users = n_users**3 + _SPARSE * matrix.nnz * n_items
    if 2 * n_users <= n_items and by_users < n_items**3:
        weights = _by_users(matrix, ridge)
    else:
        weights = _by_items(matrix, ridge)
    np.fill_diagonal(weights, 0)
    return weights


def _by_items(matrix: "scipy.sparse.csr_matrix", ridge: float) -> np.ndarray:
    strips = gram(matrix.T.tocsr(), ridge)
    invert(strips)
    scale = -diagonal(strips)
    weights = mirrored(strips, np.float32)
    weights /= scale
    return weights


def _by_users(matrix: "scipy.sparse.csr_matrix", ridge: float) -> np.ndarray:
    """Compute `ridge P = I - X^T (X X^T + ridge I)^-1 X`, with an inverse of one row per user."""
    n_items = matrix.shape[1]
    strips = gram(matrix, ridge)
    invert(strips)
    inverse = mirrored(strips, np.float64)  # negative
    by_item = matrix.T.tocsr().astype(np.float64)
    weights = np.empty((n_items, n_items), np.float32)

    def work(block: slice) -> None:
        found = by_item @ np.ascontiguousarray((by_item[block] @ inverse).T)  # [I, b]
        scale = 1 + found[block].diagonal()
        weights[:, block] = found / -scale

    for _ in map_blocks(
        work, (slice(i, min(i + _BLOCK, n_items)) for i in range(0, n_items, _BLOCK)), n_threads()
    ):
        pass
    return weights


CARD = Card(
    name="ease",
    factory=EASE,
    task="ranking",
    summary="A linear item-to-item model with a zero diagonal, in closed form.",
    reference='Steck, "Embarrassingly shallow autoencoders for sparse data", 2019, eq. 8.',
    hyperparameters=(
        Hyperparameter("ridge", "float", 400.0, low=1.0, high=10_000.0, log=True),
        VALUES_SETTING,
    ),
    optimizer=None,
    loss=None,
    results=on_movielens_1m((0.1602, 0.3595)) + "\n\n" + COMPARED,
)
