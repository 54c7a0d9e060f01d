from typing import Any

import keras

from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._hybrid import BIASED, L2, LEARNING_RATE, LOSS, hybrid


def DeepReprRecommender(
    user_features: Any,
    item_features: Any,
    n_components: int = 20,
    user_repr: Any = "deep",
    item_repr: Any = "deep",
    score: Any = "dot",
    loss: Any = "wmrb",
    biased: bool = True,
    *,
    l2: float = 0.0,
    learning_rate: Any = 1e-2,
    seed: int | None = None,
) -> keras.Model:
    """The hybrid recommender with a network for the users, for the items, or for both.

    `score(u, i) = user_repr(x_u) . item_repr(x_i) + user_bias(x_u) + item_bias(x_i)`, each representation
    linear or deep: rectified layers of 16, 8 and 2 times `n_components`, then `n_components` through tanh.
    Which of the four combinations is best differs between known and new users; see the card.

    Args:
        user_features: `Features`, a matrix `[U, F]`, or the number of users, whose features are then their
            identity.
        item_features: `Features`, a matrix `[I, F]`, or the number of items.
        n_components: int, size of a representation. Defaults to `20`.
        user_repr: `"linear"`, `"normalized_linear"`, `"deep"`, or what else `HybridRecommender` takes.
            Defaults to `"deep"`.
        item_repr: the same for items. Defaults to `"deep"`.
        score: as in `HybridRecommender`. Defaults to `"dot"`.
        loss: as in `HybridRecommender`. Defaults to `"wmrb"`.
        biased: bool, whether features have a bias each. Defaults to `True`.
        l2: float, weight of the squared weights in the loss. Defaults to `0.0`.
        learning_rate: float or learning rate schedule of Adam. Defaults to `1e-2`.
        seed: int, for the initial weights. Defaults to `None`: Keras's global generator.

    Call arguments:
        inputs: `{"user": codes [B, 1], "item": codes [B, L]}`; a list `[1, L]` is shared by the batch.

    Returns:
        A compiled `keras.Model` with outputs `[B, L]`, not bounded.

    Raises:
        ValueError: if a size is not a positive integer, features are empty or not finite, or a part has no
            such name.

    Example:
        >>> import kerasrec
        >>> model = kerasrec.zoo.DeepReprRecommender(user_features=10, item_features=20, n_components=2)
        >>> model.get_layer("user_repr").hidden
        (32, 16, 4)

    References:
        Kirk, "Deep learning recommendations with TensorRec", 2018.
    """
    return hybrid(
        CARD,
        user_features,
        item_features,
        n_components=n_components,
        user_repr=user_repr,
        item_repr=item_repr,
        score=score,
        loss=loss,
        biased=biased,
        l2=l2,
        learning_rate=learning_rate,
        seed=seed,
    )


_REPRESENTATIONS = ("linear", "normalized_linear", "deep")

CARD = Card(
    name="deep_repr",
    factory=DeepReprRecommender,
    task="ranking",
    summary=(
        "The hybrid recommender whose representations of users, of items, or of both are networks of the "
        "features."
    ),
    reference='Kirk, "Deep learning recommendations with TensorRec", 2018.',
    hyperparameters=(
        Hyperparameter("n_components", "int", 20, low=2, high=128, log=True),
        Hyperparameter("user_repr", "choice", "deep", choices=_REPRESENTATIONS),
        Hyperparameter("item_repr", "choice", "deep", choices=_REPRESENTATIONS),
        LOSS,
        BIASED,
        L2,
        LEARNING_RATE,
    ),
    loss="wmrb",
)
