import dataclasses
from typing import Any

import keras

from kerasrec.zoo._card import Card
from kerasrec.zoo._hybrid import BIASED, DECAY, L2, LEARNING_RATE, LOSS, hybrid
from kerasrec.zoo._hybrid_recipes import from_random
from kerasrec.zoo._recipe import Recipe, Size
from kerasrec.zoo._results import BY_RECIPE


def ContentRecommender(
    user_features: Any,
    item_features: Any,
    user_repr: Any = "linear",
    item_repr: Any = "pass_through",
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
    """The hybrid recommender with the features of an item as its representation.

    `score(u, i) = user_repr(x_u) . x_i + user_bias(x_u) + item_bias(x_i)`: a user has one weight per item
    feature, so an item that nobody has is scored like any other.

    Args:
        user_features: `Features`, a matrix `[U, F]`, or the number of users, whose only feature is then their
            identity.
        item_features: `Features` or a matrix `[I, F]`; a user has `F` weights, so `F` should be small.
        user_repr: as in `HybridRecommender`, of `F` components. Defaults to `"linear"`.
        item_repr: `"pass_through"`, or `"weighted_pass_through"`, which learns a weight for each feature.
            Defaults to `"pass_through"`.
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
        ValueError: if there are no item features, features are empty or not finite, or the name of a part is
            unknown.

    Example:
        >>> import numpy as np, kerasrec
        >>> genres = np.eye(3)[[0, 1, 2, 2]]
        >>> model = kerasrec.zoo.ContentRecommender(user_features=10, item_features=genres)
        >>> model.get_layer("user_repr").n_components
        3

    References:
        Pazzani and Billsus, "Content-based recommendation systems", 2007; Kirk, "TensorRec", 2018.
    """
    matrix = getattr(item_features, "matrix", item_features)
    if not hasattr(matrix, "shape"):
        raise ValueError(
            "`item_features` must be given: they are what the model knows of an item. "
            f"Received: item_features={item_features}."
        )
    return hybrid(
        CARD,
        user_features,
        item_features,
        n_components=matrix.shape[1],
        user_repr=user_repr,
        item_repr=item_repr,
        score=score,
        loss=loss,
        biased=biased,
        l2=l2,
        decay=decay,
        interactions=interactions,
        learning_rate=learning_rate,
        seed=seed,
        identity=("user",),
    )


def _recipe(size: Size, loss: Any = None) -> Recipe:
    """The recipe of a matrix factorisation, with as many components as there are features."""
    found = from_random(size, loss)
    return dataclasses.replace(
        found, settings={name: x for name, x in found.settings.items() if name != "n_components"}
    )


CARD = Card(
    name="content",
    factory=ContentRecommender,
    task="ranking",
    summary="One weight per user for each feature of the items, whose features are used as they are.",
    reference='Pazzani and Billsus, "Content-based recommendation systems", 2007; Kirk, "TensorRec", 2018.',
    hyperparameters=(LOSS, BIASED, L2, DECAY, LEARNING_RATE),
    loss="wmrb",
    recipe=_recipe,
    results="""\
MovieLens latest-small (September 2018), genres, WMRB with 1 % of the films sampled, compared with popularity.
Published: 0.0471 in train, 0.0130 in test. The card of hybrid has the protocol and the other models.
                    train recall     test recall  recall, unseen    ndcg, unseen
popularity                0.0751          0.0733          0.1003          0.1631
content                   0.0188          0.0095          0.0112          0.0213

"""
    + BY_RECIPE,
)
