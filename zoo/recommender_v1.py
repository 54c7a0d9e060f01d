from typing import Any

import keras

from kerasrec.layers import DotScore
from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._parts import assemble, id_inputs, seeds, table
from kerasrec.zoo._results import RATED_BY_RECIPE


def RecommenderV1(
    n_users: int,
    n_items: int,
    n_components: int = 50,
    *,
    l2: float = 1e-6,
    learning_rate: Any = 1e-3,
    seed: int | None = None,
) -> keras.Model:
    """Matrix factorisation: the dot product of a user's and an item's vector.

    `rating = sum_c user[c] * item[c]`.

    Args:
        n_users: int, number of users.
        n_items: int, number of items.
        n_components: int, size of a vector. Defaults to `50`.
        l2: float, weight of the L2 penalty on the vectors. Defaults to `1e-6`.
        learning_rate: float or learning rate schedule of Adam. Defaults to `1e-3`.
        seed: int, for the initial weights. Defaults to `None`: Keras's global generator.

    Call arguments:
        inputs: `{"user": codes [B, 1], "item": codes [B, L]}`; codes of shape `[B]` are taken as `[B, 1]`.

    Returns:
        A compiled `keras.Model` with outputs `[B, L]` (`[B, 1]` for pairs), not bounded.

    Raises:
        ValueError: if a size is not a positive integer.

    Example:
        >>> import kerasrec
        >>> kerasrec.zoo.RecommenderV1(n_users=671, n_items=9066).count_params()
        486850

    References:
        Wittenauer, "Deep learning with Keras: recommender systems", 2019; after Funk,
        "Netflix update: try this at home", 2006.
    """
    user, item = id_inputs()
    seed_of = seeds(seed)
    # In half precision, ratings would be rounded to about 0.004.
    score = DotScore(name="dot", dtype="float32")(
        table(n_users, n_components, l2, next(seed_of), "user_embedding")(user),
        table(n_items, n_components, l2, next(seed_of), "item_embedding")(item),
    )
    return assemble(CARD, user, item, score, learning_rate)


CARD = Card(
    name="recommender_v1",
    factory=RecommenderV1,
    task="rating",
    summary="Matrix factorisation: the dot product of a user's and an item's vector.",
    reference=(
        'Wittenauer, "Deep learning with Keras: recommender systems", 2019; after Funk, "Netflix update: '
        'try this at home", 2006.'
    ),
    hyperparameters=(
        Hyperparameter("n_components", "int", 50, low=8, high=256, log=True),
        Hyperparameter("l2", "float", 1e-6, low=1e-7, high=1e-3, log=True),
        Hyperparameter("learning_rate", "float", 1e-3, low=1e-4, high=1e-1, log=True),
    ),
    metrics=("root_mean_squared_error",),
    results="""\
MovieLens latest-small (October 2016), 90 % train and 10 % test, batches of 64, Adam 0.001, three seeds;
test mean squared error by epoch on TensorFlow. "By rows" is kerasrec's default of sparse updates, "whole
tables" is `row_sparse=False`. JAX gives the same digits by rows.
epoch               1      2      3      4      5
published        3.46   1.65   1.35   1.26   1.22
whole tables     3.47   1.65   1.34   1.25   1.21
by rows          3.57   1.65   1.33   1.24   1.21

"""
    + RATED_BY_RECIPE,
)
