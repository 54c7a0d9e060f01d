from typing import Any

import keras

from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._hybrid import hybrid


def MatrixFactorization(
    n_users: int,
    n_items: int,
    n_components: int = 5,
    loss: Any = "wmrb",
    biased: bool = True,
    *,
    l2: float = 0.0,
    learning_rate: Any = 1e-2,
    seed: int | None = None,
) -> keras.Model:
    """The hybrid recommender on identity alone: one vector a user and an item, compared by a dot product.

    `score = sum_c user[c] * item[c] + user_bias + item_bias`, trained by a ranking loss. For ratings see
    `RecommenderV2`.

    Args:
        n_users: int, number of users.
        n_items: int, number of items.
        n_components: int, size of a vector. Defaults to `5`.
        loss: as in `HybridRecommender`. Defaults to `"wmrb"`.
        biased: bool, whether users and items have a bias each. Defaults to `True`.
        l2: float, weight of the squared weights in the loss. Defaults to `0.0`.
        learning_rate: float or learning rate schedule of Adam. Defaults to `1e-2`.
        seed: int, for the initial weights. Defaults to `None`: Keras's global generator.

    Call arguments:
        inputs: `{"user": codes [B, 1], "item": codes [B, L]}`; a list `[1, L]` is shared by the batch.

    Returns:
        A compiled `keras.Model` with outputs `[B, L]`, not bounded.

    Raises:
        ValueError: if a size is not a positive integer or there is no such loss.

    Example:
        >>> import kerasrec
        >>> kerasrec.zoo.MatrixFactorization(n_users=30, n_items=40).count_params()  # 70 * (5 + 1)
        420

    References:
        Koren, Bell and Volinsky, "Matrix factorization techniques for recommender systems", 2009, eq. 4;
        Kirk, "TensorRec", 2018.
    """
    return hybrid(
        CARD,
        n_users,
        n_items,
        n_components=n_components,
        n_tastes=1,
        user_repr="linear",
        item_repr="linear",
        attention=None,
        score="dot",
        loss=loss,
        biased=biased,
        l2=l2,
        learning_rate=learning_rate,
        seed=seed,
    )


CARD = Card(
    name="matrix_factorization",
    factory=MatrixFactorization,
    task="ranking",
    summary="One vector a user and an item, compared by a dot product and trained by a ranking loss.",
    reference=(
        'Koren, Bell and Volinsky, "Matrix factorization techniques for recommender systems", 2009, eq. 4; '
        'Kirk, "TensorRec", 2018.'
    ),
    hyperparameters=(
        Hyperparameter("n_components", "int", 5, low=2, high=256, log=True),
        Hyperparameter("loss", "choice", "wmrb", choices=("wmrb", "bpr", "warp", "sampled_softmax")),
        Hyperparameter("biased", "bool", True),
        Hyperparameter("l2", "float", 0.0, low=0.0, high=1e-2),
        Hyperparameter("learning_rate", "float", 1e-2, low=1e-4, high=1e-1, log=True),
    ),
    loss="wmrb",
)
