from typing import Any

import keras

from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._hybrid import BIASED, DECAY, L2, LEARNING_RATE, LOSS, N_COMPONENTS, hybrid
from kerasrec.zoo._hybrid_recipes import from_random
from kerasrec.zoo._recipe import Recipe, Size
from kerasrec.zoo._results import BY_RECIPE


def MixtureOfTastes(
    user_features: Any,
    item_features: Any,
    n_components: int = 5,
    n_tastes: int = 3,
    user_repr: Any = "linear",
    item_repr: Any = "linear",
    attention: Any = "linear",
    score: Any = "dot",
    loss: Any = "wmrb",
    biased: bool = True,
    *,
    l2: float = 0.0,
    decay: float = 0.0,
    interactions: Any = None,
    learning_rate: Any = 1e-2,
    seed: int | None = None,
) -> keras.Model:
    """The hybrid recommender with several tastes per user, weighted by attention for each item.

    `score = sum_t (u_t . i) * softmax_t(a_t . i) + user_bias + item_bias`, where `u_t` and `a_t` are the
    representation and the attention of taste `t`. Without attention it uses the largest `u_t . i`.

    Args:
        user_features: `Features`, a matrix `[U, F]`, or the number of users, whose only feature is then their
            identity.
        item_features: `Features`, a matrix `[I, F]`, or the number of items.
        n_components: int, size of a representation. Defaults to `5`.
        n_tastes: int, tastes of a user. Defaults to `3`.
        user_repr: as in `HybridRecommender`, for each taste. Defaults to `"linear"`.
        item_repr: as in `HybridRecommender`. Defaults to `"linear"`.
        attention: as in `HybridRecommender`, for each taste; `None` takes the largest score. Defaults to
            `"linear"`.
        score: as in `HybridRecommender`. Defaults to `"dot"`.
        loss: as in `HybridRecommender`. Defaults to `"wmrb"`.
        biased: bool, whether each feature has a bias. Defaults to `True`.
        l2: float, weight of the L2 penalty on the weights. Defaults to `0.0`.
        decay: float, as in `HybridRecommender`. Defaults to `0.0`.
        interactions: `Interactions`, needed for `decay`; `create` passes them. Defaults to `None`.
        learning_rate: float or learning rate schedule of Adam. Defaults to `1e-2`.
        seed: int, for the initial weights. Defaults to `None`: Keras's global generator.

    Call arguments:
        inputs: `{"user": codes [B, 1], "item": codes [B, L]}`; a list `[1, L]` is shared by the batch.

    Returns:
        A compiled `keras.Model` with unbounded outputs `[B, L]`.

    Raises:
        ValueError: if a size is not a positive integer, attention is used with one taste, features are empty
            or not finite, or the name of a part is unknown.

    Example:
        >>> import kerasrec
        >>> model = kerasrec.zoo.MixtureOfTastes(user_features=10, item_features=20)
        >>> model.count_params()  # 10 * (3 * 5 + 3 * 5 + 1) + 20 * (5 + 1)
        430

    References:
        Kula, "Mixture-of-tastes models for representing users with diverse interests", 2017, eq. 4 and 5.
    """
    return hybrid(
        CARD,
        user_features,
        item_features,
        n_components=n_components,
        n_tastes=n_tastes,
        user_repr=user_repr,
        item_repr=item_repr,
        attention=attention,
        score=score,
        loss=loss,
        biased=biased,
        l2=l2,
        decay=decay,
        interactions=interactions,
        learning_rate=learning_rate,
        seed=seed,
    )


def _recipe(size: Size, loss: Any = None) -> Recipe:
    """Smaller vectors, because a user has several, and a lower rate."""
    return from_random(size, loss, n_components=64, decay=0.1, learning_rate=0.01)


CARD = Card(
    name="mixture_of_tastes",
    factory=MixtureOfTastes,
    task="ranking",
    summary="The hybrid recommender with several tastes per user, weighted by attention for each item.",
    reference=(
        'Kula, "Mixture-of-tastes models for representing users with diverse interests", 2017, eq. 4 and 5.'
    ),
    hyperparameters=(
        N_COMPONENTS,
        Hyperparameter("n_tastes", "int", 3, low=2, high=8),
        LOSS,
        BIASED,
        L2,
        DECAY,
        LEARNING_RATE,
    ),
    loss="wmrb",
    recipe=_recipe,
    results=BY_RECIPE,
)
