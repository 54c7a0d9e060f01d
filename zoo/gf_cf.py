from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from kerasrec._arguments import positive_integer
from kerasrec.layers._lookup import lookup
from kerasrec.layers._sparse_product import sparse_product
from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._fitted import VALUES_SETTING, Values, fitted, positives
from kerasrec.zoo._history import HistoryScore, sizes
from kerasrec.zoo._parts import id_inputs

if TYPE_CHECKING:
    import scipy.sparse

    from kerasrec.data import Interactions

# Power iterations of the randomised decomposition.
_POWERS = 8


def GFCF(
    interactions: "Interactions",
    n_components: int = 256,
    alpha: float = 0.3,
    values: Values = "binary",
    seed: int = 0,
) -> keras.Model:
    """Two filters on the graph of users and items, in closed form.

    With `x` a user's row, `d` the column sums of X, and `N` the matrix X with each entry divided by the
    square roots of its row sum and its column sum,

        score[u] = x N^T N + alpha * x D^-1/2 V V^T D^1/2,    D = diag(d)

    where `V` are the first right singular vectors of N. The first part spreads a user's items over their
    neighbourhood. The second part keeps the smoothest directions of the whole graph. No items-by-items matrix
    is created: the model needs 24 bytes per interaction and `4 * n_components` bytes per item, and its time
    grows in the same way.

    Args:
        interactions: `Interactions`.
        n_components: int, number of singular vectors; at most the number of users and of items. Defaults to
            `256`.
        alpha: float of at least 0, weight of the second filter. Defaults to `0.3`.
        values: what X contains for an interaction with a value above 0: 1 (`"binary"`), its value (`"raw"`),
            log(1 + value) (`"log"`), or its BM25 weight (`"bm25"`). Defaults to `"binary"`.
        seed: int, for the random start of the decomposition. Defaults to `0`.

    Returns:
        A fitted `keras.Model`.

    Raises:
        ValueError: if no interaction has a value above 0, `values` is unknown, `n_components` is not a
            positive integer, or `alpha` is not a finite number of at least 0.

    Example:
        >>> import numpy as np, kerasrec
        >>> from kerasrec.data import Interactions
        >>> x = Interactions([0, 0, 1], [0, 1, 1], user_ids=["ann", "bob"], item_ids=["x", "y"])
        >>> model = kerasrec.zoo.GFCF(x, alpha=0.0)
        >>> scores = model.predict({"user": np.array([[1]]), "item": np.array([[0, 1]])}, verbose=0)
        >>> [round(float(score), 4) for score in scores[0]]
        [0.3536, 0.75]

    References:
        Shen et al., "How powerful is graph convolution for recommendation?", 2021, eq. 13 to 15.
    """
    from sklearn.utils.extmath import randomized_svd

    n_components = positive_integer("n_components", n_components)
    if not 0 <= alpha < float("inf"):
        raise ValueError(f"`alpha` must be a finite number of at least 0. Received: alpha={alpha}.")
    matrix = positives(interactions, values)
    by_user, by_item = (np.asarray(matrix.sum(axis=axis)).ravel() for axis in (1, 0))
    normalized = matrix.copy()
    owner = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    normalized.data = matrix.data / np.sqrt(by_user[owner] * by_item[matrix.indices])
    n_components = min(n_components, *matrix.shape)
    vectors = np.zeros((matrix.shape[1], n_components), np.float32)
    if alpha:
        vectors = randomized_svd(normalized, n_components, n_iter=_POWERS, random_state=seed)[2].T
    user, item = id_inputs()
    layer = GraphFilterScore(*sizes(matrix), n_components, float(alpha), name="graph_filters")
    output = layer(user, item)
    layer.fill(matrix)
    layer.vectors.assign(vectors)
    return fitted(CARD, user, item, output)


@keras.saving.register_keras_serializable("kerasrec")
class GraphFilterScore(HistoryScore):
    """The score of `GFCF`: `score[u] = x N^T N + alpha * x D^-1/2 V V^T D^1/2`.

    Args:
        n_users: int.
        n_items: int.
        n_entries: int, entries of the users-by-items matrix x.
        longest: int, entries of its longest row.
        n_components: int, vectors of V.
        alpha: float, weight of the second part.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        user: codes `[B, 1]`.
        item: codes `[B, L]`.

    Returns:
        Scores `[B, L]`.
    """

    def __init__(
        self,
        n_users: int,
        n_items: int,
        n_entries: int,
        longest: int,
        n_components: int,
        alpha: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(n_users, n_items, n_entries, longest, **kwargs)
        self.n_components = n_components
        self.alpha = alpha

    def build(self, user_shape: Any, item_shape: Any = None) -> None:
        """Create the matrix by user and by item, its row and column sums, and the vectors."""
        super().build(user_shape, item_shape)
        self.item_starts = self._integers((self.n_items + 1,), "item_starts")
        self.users = self._integers((self.n_entries,), "users")
        self.item_values = self._floats((self.n_entries,), "item_values")
        self.user_sums = self._floats((self.n_users,), "user_sums")
        self.item_sums = self._floats((self.n_items,), "item_sums")
        self.vectors = self._floats((self.n_items, self.n_components), "vectors")

    def fill(self, matrix: "scipy.sparse.csr_matrix") -> None:
        """Set the matrix, whose rows are sorted."""
        super().fill(matrix)
        by_item = matrix.tocsc()
        self.item_starts.assign(by_item.indptr.astype(np.int32))
        self.users.assign(by_item.indices.astype(np.int32))
        self.item_values.assign(by_item.data.astype(np.float32))
        self.user_sums.assign(np.asarray(matrix.sum(axis=1), np.float32).ravel())
        self.item_sums.assign(np.asarray(matrix.sum(axis=0), np.float32).ravel())

    def score(self, user: Any, item: Any) -> Any:
        """`[B, 1]` with `[B, L]` to `[B, L]`, through rows of the whole catalogue `[I, B]`."""
        own, values = self.row(user)  # [B, H]
        n_rows, roots = ops.shape(own)[0], _rooted(ops.convert_to_tensor(self.item_sums))
        places = own + self.n_items * ops.arange(n_rows, dtype="int32")[:, None]
        flat = ops.segment_sum(
            ops.reshape(values * lookup(roots, own), (-1,)),
            ops.reshape(places, (-1,)),
            num_segments=self.n_items * n_rows,
        )
        rows = ops.transpose(ops.reshape(flat, (n_rows, self.n_items)))  # [I, B]
        by_user = sparse_product(self.starts, self.items, self.values, rows)  # [U, B]
        by_user = by_user * ops.square(_rooted(ops.convert_to_tensor(self.user_sums)))[:, None]
        near = sparse_product(self.item_starts, self.users, self.item_values, by_user)
        near = ops.transpose(near * roots[:, None])  # [B, I]
        item = ops.broadcast_to(item, (n_rows, ops.shape(item)[1]))
        scores = ops.take_along_axis(near, item, axis=1)
        smooth = ops.matmul(ops.transpose(rows), self.vectors)  # [B, C]
        vectors = lookup(self.vectors, item) * ops.sqrt(lookup(self.item_sums, item))[:, :, None]
        return scores + self.alpha * ops.sum(smooth[:, None, :] * vectors, axis=-1)

    def catalogue_scorer(self) -> Callable[[np.ndarray], np.ndarray]:
        """A function of user codes `[B]` that gives their scores of the whole catalogue `[B, I]`."""
        matrix, scores = self.matrix(), self._filters()
        return lambda users: scores(matrix[users])

    def score_histories(self, histories: "scipy.sparse.csr_matrix") -> np.ndarray:
        """Scores `[B, I]` of the whole catalogue for users who were not in training.

        Args:
            histories: `[B, I]`, ones where a user has an item.
        """
        return self._filters()(self.valued(histories))

    def contributions(self, user: int, item: int) -> tuple[str, np.ndarray, np.ndarray]:
        """The contribution of each of the user's items to a score.

        Args:
            user: code.
            item: code.

        Returns:
            `"item"`, the codes of the user's items, and what each contributes.
        """
        matrix, weights = self.matrix(), self._weights()
        own = matrix[user]
        holders = matrix[:, [item]].toarray()[:, 0] * weights["user"] * weights["item"][item]
        links = (matrix.T @ holders)[own.indices]
        links += (
            self.alpha * (weights["vectors"][own.indices] @ weights["vectors"][item]) * weights["out"][item]
        )
        return "item", own.indices, own.data * weights["item"][own.indices] * links

    def _weights(self) -> dict[str, np.ndarray]:
        by_user, by_item, vectors = (
            ops.convert_to_numpy(x) for x in (self.user_sums, self.item_sums, self.vectors)
        )
        user, item = (np.divide(1, x, where=x > 0, out=np.zeros_like(x)) for x in (by_user, np.sqrt(by_item)))
        return {"user": user, "item": item, "out": np.sqrt(by_item), "vectors": vectors}

    def _filters(self) -> Callable[["scipy.sparse.csr_matrix"], np.ndarray]:
        """A function of rows `[B, I]` that gives their scores `[B, I]`."""
        import scipy.sparse

        weights = self._weights()
        matrix = self.matrix()
        by_item = matrix.T.tocsr()
        outwards = self.alpha * weights["vectors"].T * weights["out"]  # [C, I]

        def scores(rows: "scipy.sparse.csr_matrix") -> np.ndarray:
            scaled = rows @ scipy.sparse.diags(weights["item"])
            found = (scaled @ weights["vectors"]) @ outwards
            by_user = (matrix @ scaled.T.toarray()) * weights["user"][:, None]  # [U, B]
            found += ((by_item @ by_user) * weights["item"][:, None]).T
            return found

        return scores

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {**super().get_config(), "n_components": self.n_components, "alpha": self.alpha}


def _rooted(sums: Any) -> Any:
    """One over the square roots of sums; 0 for a sum of 0."""
    return ops.where(sums > 0, ops.rsqrt(ops.maximum(sums, 1e-30)), 0.0)


CARD = Card(
    name="gf_cf",
    factory=GFCF,
    task="ranking",
    summary="Two filters on the graph of users and items, a local and a smooth one, in closed form.",
    reference='Shen et al., "How powerful is graph convolution for recommendation?", 2021, eq. 13 to 15.',
    hyperparameters=(
        Hyperparameter("n_components", "int", 256, low=8, high=1024, log=True),
        Hyperparameter("alpha", "float", 0.3, low=0.01, high=10.0, log=True),
        VALUES_SETTING,
    ),
    optimizer=None,
    loss=None,
    results="""\
Gowalla, LightGCN's split: 810,128 training check-ins, 217,242 held out, all 29,858 users. The whole catalogue
of 40,981 items is ranked without the training items; ties are broken at random (seed 0). The ideal list of
NDCG has min(20, test items) items. Published: GF-CF 0.1849 and 0.1518, LightGCN 0.1820 and 0.1547, EASE
0.1765 and 0.1467 (leaderboard of BARS).
                  recall@20  ndcg@20
default settings     0.1863   0.1531
No pair of items is stored: the model needs 41 MB for singular vectors and 20 MB for the graph instead of
6.7 GB.""",
)
