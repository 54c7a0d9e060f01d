from typing import TYPE_CHECKING

import keras

from kerasrec._arguments import positive_integer
from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._fitted import VALUES_SETTING, Values, factorised, positives
from kerasrec.zoo._results import on_movielens_1m

if TYPE_CHECKING:
    from kerasrec.data import Interactions

# Power iterations of the randomised decomposition.
_POWERS = 15


def PureSVD(
    interactions: "Interactions", n_components: int = 64, values: Values = "binary", seed: int = 0
) -> keras.Model:
    """The best low-rank approximation of the interactions, with missing ones as zeros.

    `X ~ U S V^T`, the truncated singular value decomposition; `score[u, i] = (X V)[u] . V[i]`.

    Args:
        interactions: `Interactions`.
        n_components: int, rank, below the number of users and of items. Defaults to `64`.
        values: what X contains for an interaction with a value above 0: 1 (`"binary"`), its value (`"raw"`),
            log(1 + value) (`"log"`), or its BM25 weight (`"bm25"`). Defaults to `"binary"`.
        seed: int, for the random start of the iteration. Defaults to `0`.

    Returns:
        A fitted `keras.Model`.

    Raises:
        ValueError: if no interaction has a value above 0, `values` is unknown, or `n_components` is not below
            the number of users and of items.

    Example:
        >>> import numpy as np, kerasrec
        >>> from kerasrec.data import Interactions
        >>> x = Interactions([0, 0, 1], [0, 1, 1], user_ids=["ann", "bob"], item_ids=["x", "y"])
        >>> model = kerasrec.zoo.PureSVD(x, n_components=1)
        >>> score = model.predict({"user": np.array([1]), "item": np.array([0])}, verbose=0)
        >>> round(float(score[0, 0]), 4)
        0.4472

    References:
        Cremonesi, Koren and Turrin, "Performance of recommender algorithms on top-n recommendation tasks",
        2010, section 3.3. Halko, Martinsson and Tropp, "Finding structure with randomness: probabilistic
        algorithms for constructing approximate matrix decompositions", 2011.
    """
    from sklearn.utils.extmath import randomized_svd

    n_components = positive_integer("n_components", n_components)
    matrix = positives(interactions, values)
    if n_components >= min(matrix.shape):
        raise ValueError(
            "`n_components` must be below the number of users and of items. "
            f"Received: n_components={n_components}, {matrix.shape[0]} users, {matrix.shape[1]} items."
        )
    left, strengths, right = randomized_svd(matrix, n_components, n_iter=_POWERS, random_state=seed)
    return factorised(CARD, left * strengths, right.T)


CARD = Card(
    name="pure_svd",
    factory=PureSVD,
    task="ranking",
    summary="The best low-rank approximation of the interactions, with missing ones as zeros.",
    reference=(
        'Cremonesi, Koren and Turrin, "Performance of recommender algorithms on top-n recommendation '
        'tasks", 2010, section 3.3.'
    ),
    hyperparameters=(
        Hyperparameter("n_components", "int", 64, low=8, high=512, log=True),
        VALUES_SETTING,
    ),
    optimizer=None,
    loss=None,
    results=on_movielens_1m((0.1392, 0.3195)),
)
