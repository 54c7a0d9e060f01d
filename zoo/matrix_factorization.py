from typing import Any, Literal

import keras

from kerasrec.zoo._card import Card
from kerasrec.zoo._hybrid import BIASED, DECAY, INIT, L2, LEARNING_RATE, LOSS, N_COMPONENTS, hybrid
from kerasrec.zoo._hybrid_recipes import recipe
from kerasrec.zoo._results import COMPARED


def MatrixFactorization(
    n_users: int,
    n_items: int,
    n_components: int = 5,
    loss: Any = "wmrb",
    biased: bool = True,
    *,
    l2: float = 0.0,
    decay: float = 0.0,
    init: Literal["random", "svd"] = "random",
    interactions: Any = None,
    learning_rate: Any = 1e-2,
    seed: int | None = None,
) -> keras.Model:
    """The hybrid recommender without metadata: one vector per user and item, compared by a dot product.

    `score = sum_c user[c] * item[c] + user_bias + item_bias`, trained by a ranking loss. For ratings see
    `RecommenderV2`.

    Args:
        n_users: int, number of users.
        n_items: int, number of items.
        n_components: int, size of a vector. Defaults to `5`.
        loss: as in `HybridRecommender`. Defaults to `"wmrb"`.
        biased: bool, whether each user and item has a bias. Defaults to `True`.
        l2: float, weight of the L2 penalty on the weights. Defaults to `0.0`.
        decay: float, weight of the L2 penalty on the representations. For an item it is multiplied by the
            square root of the item's share of the positives. With a loss over the whole catalogue
            (`"full_softmax"`), where a row is a user, the penalty of a user is multiplied by the user's
            number of positives, and both are penalties of a whole epoch. With other losses, a vector is
            penalised each time that it is read. Defaults to `0.0`.
        init: initial weights: `"random"`, or `"svd"`, which initialises linear representations that are
            compared by a dot product with a truncated singular value decomposition of the interactions,
            scaled for a softmax. Everything else is initialised at random. Defaults to `"random"`.
        interactions: `Interactions`, needed for `decay` and `init`; `create` passes them. Defaults to `None`.
        learning_rate: float or learning rate schedule of Adam. Defaults to `1e-2`.
        seed: int, for the initial weights. Defaults to `None`: Keras's global generator.

    Call arguments:
        inputs: `{"user": codes [B, 1], "item": codes [B, L]}`; a list `[1, L]` is shared by the batch.

    Returns:
        A compiled `keras.Model` with unbounded outputs `[B, L]`.

    Raises:
        ValueError: if a size is not a positive integer, `loss` or `init` is unknown, or `interactions` are
            needed but missing.

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
        loss=loss,
        biased=biased,
        l2=l2,
        decay=decay,
        init=init,
        interactions=interactions,
        learning_rate=learning_rate,
        seed=seed,
    )


CARD = Card(
    name="matrix_factorization",
    factory=MatrixFactorization,
    task="ranking",
    summary="One vector per user and item, compared by a dot product and trained by a ranking loss.",
    reference=(
        'Koren, Bell and Volinsky, "Matrix factorization techniques for recommender systems", 2009, eq. 4; '
        'Kirk, "TensorRec", 2018.'
    ),
    hyperparameters=(N_COMPONENTS, LOSS, BIASED, L2, DECAY, INIT, LEARNING_RATE),
    loss="wmrb",
    results="""\
MovieLens latest-small (September 2018), 5 components, WMRB with 1 % of the films sampled, compared with
popularity and a rating loss. The card of hybrid has the protocol and the other models.
                    train recall     test recall  recall, unseen    ndcg, unseen
popularity                0.0751          0.0733          0.1003          0.1631
rating-loss MF            0.0058          0.0041          0.0041          0.0022
WMRB MF                   0.1020          0.0829          0.1405          0.2076

MovieLens 1M, implicit, with the protocol on the card of ease except for items that occur in neither table.
The settings were found by `kerasrec tune matrix_factorization` on JAX 0.10 and Keras 3.15 in 12 trials, by
recall@10 on a tenth of the training rows. The model was then trained once on all training rows and tested
once. Intervals are 95 %; p is for the difference in recall from the tuned model (paired randomisation test
over users, Holm's correction).
                         recall@10        interval  ndcg@10       p
tuned                       0.1621  0.1586, 0.1656   0.3613
EASE, tuned in 12 trials    0.1620  0.1587, 0.1654   0.3644  0.9049
item_knn                    0.1329  0.1299, 0.1360   0.3142  0.0004
popularity                  0.0652  0.0631, 0.0675   0.1822  0.0004
Tuned settings: softmax over the catalogue, 32 components, decay 0.078, `init="svd"`, learning rate 0.09 with
cosine decay over 20 epochs. The untuned recipe reaches 0.1631 and 0.3618 on the test items that occur in
training.

"""
    + COMPARED,
    recipe=recipe,
)
