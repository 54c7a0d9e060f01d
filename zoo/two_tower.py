from collections.abc import Sequence
from typing import Any

import keras

from kerasrec.layers import DeepRepr
from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._hybrid import DECAY, L2, hybrid, seeded, softmax_of
from kerasrec.zoo._hybrid_recipes import from_random
from kerasrec.zoo._recipe import Recipe, Size
from kerasrec.zoo._results import BY_RECIPE


def TwoTower(
    user_features: Any,
    item_features: Any,
    n_components: int = 32,
    hidden: Sequence[int] = (64,),
    dropout: float = 0.0,
    temperature: float = 1.0,
    score: Any = "dot",
    loss: Any = None,
    biased: bool = False,
    *,
    l2: float = 0.0,
    decay: float = 0.0,
    interactions: Any = None,
    learning_rate: Any = 1e-3,
    seed: int | None = None,
) -> keras.Model:
    """A network on the user's features and one on the item's, compared by a dot product.

    `score(u, i) = network_u(x_u) . network_i(x_i)`, trained by a softmax over sampled items. Train it on
    `RankingBatches(..., log_q=True)` or `CatalogueBatches(..., log_q=True)`, so that the loss corrects for
    the sampling probabilities (logQ correction).

    Args:
        user_features: `Features`, a matrix `[U, F]`, or the number of users, whose only feature is then their
            identity.
        item_features: `Features`, a matrix `[I, F]`, or the number of items.
        n_components: int, size of a representation. Defaults to `32`.
        hidden: sizes of the hidden layers of both networks, at least one. Defaults to `(64,)`.
        dropout: float, dropout rate of the hidden layers. Defaults to `0.0`.
        temperature: float, divides the scores if `loss` is the name of a softmax; use a value well below 1 if
            `score` is `"cosine"`. Defaults to `1.0`.
        score: as in `HybridRecommender`. Defaults to `"dot"`.
        loss: as in `HybridRecommender`. Defaults to `None`: `"sampled_softmax"`.
        biased: bool, whether each feature has a bias. Defaults to `False`.
        l2: float, weight of the L2 penalty on the weights. Defaults to `0.0`.
        decay: float, as in `HybridRecommender`. Defaults to `0.0`.
        interactions: `Interactions`, needed for `decay`; `create` passes them. Defaults to `None`.
        learning_rate: float or learning rate schedule of Adam. Defaults to `1e-3`.
        seed: int, for the initial weights. Defaults to `None`: Keras's global generator.

    Call arguments:
        inputs: `{"user": codes [B, 1], "item": codes [B, L]}`; a list `[1, L]` is shared by the batch.

    Returns:
        A compiled `keras.Model` with unbounded outputs `[B, L]`.

    Raises:
        ValueError: if a size is not a positive integer, features are empty or not finite, `dropout` or
            `temperature` is out of range, or `score` or `loss` is unknown.

    Example:
        >>> import kerasrec
        >>> model = kerasrec.zoo.TwoTower(user_features=10, item_features=20, n_components=8, hidden=(16, 8))
        >>> model.towers.user.output_shape
        (None, 8)

    References:
        Covington, Adams and Sargin, "Deep neural networks for YouTube recommendations", 2016; Yi et al.,
        "Sampling-bias-corrected neural modeling for large corpus item recommendations", 2019.
    """
    with seeded(seed):
        user_repr, item_repr = (
            DeepRepr(
                n_components,
                hidden,
                output_activation="linear",
                dropout=dropout,
                kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
                name=name,
            )
            for name in ("user_repr", "item_repr")
        )
    return hybrid(
        CARD,
        user_features,
        item_features,
        n_components=n_components,
        user_repr=user_repr,
        item_repr=item_repr,
        score=score,
        loss=softmax_of("sampled_softmax" if loss is None else loss, temperature),
        biased=biased,
        l2=l2,
        decay=decay,
        interactions=interactions,
        learning_rate=learning_rate,
        seed=seed,
    )


def _recipe(size: Size, loss: Any = None) -> Recipe:
    """Cosines over a low temperature: with dot products, networks learn little but what is popular."""
    networks = {"hidden": (128,), "score": "cosine", "temperature": 0.1}
    return from_random(size, loss, n_components=64, decay=0.0, **networks)


CARD = Card(
    name="two_tower",
    factory=TwoTower,
    task="ranking",
    summary=(
        "A network of the user's features and one of the item's, compared by a dot product and trained by a "
        "softmax over sampled items."
    ),
    reference=(
        'Covington, Adams and Sargin, "Deep neural networks for YouTube recommendations", 2016; Yi et al., '
        '"Sampling-bias-corrected neural modeling for large corpus item recommendations", 2019.'
    ),
    hyperparameters=(
        Hyperparameter("n_components", "int", 32, low=8, high=256, log=True),
        Hyperparameter("hidden", "choice", (64,), choices=((64,), (128,), (128, 64), (256, 128))),
        Hyperparameter("dropout", "float", 0.0, low=0.0, high=0.5),
        Hyperparameter("temperature", "float", 1.0, low=0.02, high=1.0, log=True),
        L2,
        DECAY,
        Hyperparameter("learning_rate", "float", 1e-3, low=1e-4, high=1e-1, log=True),
    ),
    loss="sampled_softmax",
    recipe=_recipe,
    results=BY_RECIPE,
)
