from typing import TYPE_CHECKING, Literal

import keras

from kerasrec.zoo._card import Card
from kerasrec.zoo._fitted import Values
from kerasrec.zoo._neighbors import HYPERPARAMETERS, neighbor_model
from kerasrec.zoo._results import on_movielens_1m

if TYPE_CHECKING:
    from kerasrec.data import Interactions


def UserKNN(
    interactions: "Interactions",
    n_neighbors: int = 100,
    weighting: Literal["cosine", "tfidf", "bm25"] = "cosine",
    shrinkage: float = 0.0,
    values: Values = "binary",
) -> keras.Model:
    """Scores an item by the similar users who have it; users with the same items are similar.

    `score[u, i] = sum_v w[u, v] x[v, i]` over the users v most similar to u, with
    `w = a . b / (|a| |b| + shrinkage)`, where a and b are the weighted interactions of the two users.

    Args:
        interactions: `Interactions`.
        n_neighbors: int, neighbours of each user. Defaults to `100`.
        weighting: `"cosine"` uses the interactions as they are; `"tfidf"` and `"bm25"` weight them by the
            inverse frequency of their items. Defaults to `"cosine"`.
        shrinkage: float, moves similarities from little data towards 0. Defaults to `0.0`.
        values: what an interaction with a value above 0 counts: 1 (`"binary"`), its value (`"raw"`), log(1 +
            value) (`"log"`), or its BM25 weight (`"bm25"`). Defaults to `"binary"`.

    Returns:
        A fitted `keras.Model`.

    Raises:
        ValueError: if no interaction has a value above 0, `weighting` or `values` is unknown, `n_neighbors`
            is not positive or `shrinkage` is negative.

    Example:
        >>> import numpy as np, kerasrec
        >>> from kerasrec.data import Interactions
        >>> x = Interactions([0, 0, 1], [0, 1, 1], user_ids=["ann", "bob"], item_ids=["x", "y"])
        >>> model = kerasrec.zoo.UserKNN(x)
        >>> scores = model.predict({"user": np.array([[0]]), "item": np.array([[0, 1]])}, verbose=0)
        >>> [round(float(score), 3) for score in scores[0]]
        [0.0, 0.707]

    References:
        Herlocker, Konstan, Borchers and Riedl, "An algorithmic framework for performing
        collaborative filtering", 1999.
    """
    return neighbor_model(CARD, "user", interactions, n_neighbors, weighting, shrinkage, values)


CARD = Card(
    name="user_knn",
    factory=UserKNN,
    task="ranking",
    summary="Scores an item by the similar users who have it; users are similar if they have the same items.",
    reference=(
        'Herlocker, Konstan, Borchers and Riedl, "An algorithmic framework for performing '
        'collaborative filtering", 1999.'
    ),
    hyperparameters=HYPERPARAMETERS,
    optimizer=None,
    loss=None,
    results=on_movielens_1m((0.1473, 0.3286)),
)
