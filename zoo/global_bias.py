from typing import TYPE_CHECKING

import keras
import numpy as np

from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._fitted import factorised

if TYPE_CHECKING:
    from kerasrec.data import Interactions


def GlobalBias(
    interactions: "Interactions", item_shrinkage: float = 5.0, user_shrinkage: float = 5.0
) -> keras.Model:
    """Ratings from means: the global mean, plus an item offset, plus a user offset.

    `item[i] = sum_u (x[u, i] - mean) / (item_shrinkage + n_i)`,
    `user[u] = sum_i (x[u, i] - mean - item[i]) / (user_shrinkage + n_u)`,
    `rating[u, i] = mean + user[u] + item[i]`.

    Args:
        interactions: `Interactions` with ratings as values, of any sign.
        item_shrinkage: float, number of ratings equal to the mean that are added to those of every item.
            Defaults to `5.0`.
        user_shrinkage: float, the same for users. Defaults to `5.0`.

    Returns:
        A fitted `keras.Model`.

    Raises:
        ValueError: if a shrinkage is negative or there are no interactions.

    Example:
        >>> import numpy as np, kerasrec
        >>> from kerasrec.data import Interactions
        >>> x = Interactions([0, 1], [0, 0], [5.0, 3.0], user_ids=["ann", "bob"], item_ids=["x", "y"])
        >>> model = kerasrec.zoo.GlobalBias(x, user_shrinkage=1.0)
        >>> model.predict({"user": np.array([0, 1]), "item": np.array([0, 1])}, verbose=0).tolist()
        [[4.5], [3.5]]

    References:
        Koren, "Factor in the neighbors: scalable and accurate collaborative filtering", 2010, section 2.1.
    """
    for name, shrinkage in (("item_shrinkage", item_shrinkage), ("user_shrinkage", user_shrinkage)):
        if not 0 <= shrinkage < float("inf"):
            raise ValueError(f"`{name}` must be a finite number of at least 0. Received: {name}={shrinkage}.")
    if not len(interactions):
        raise ValueError("`interactions` must not be empty. Received: 0 interactions.")
    users, items = interactions.users, interactions.items
    values = interactions.values.astype(np.float64)
    mean = values.mean()
    item_offset = _offsets(items, values - mean, interactions.n_items, item_shrinkage)
    user_offset = _offsets(users, values - mean - item_offset[items], interactions.n_users, user_shrinkage)
    # A score layer compares vectors, so give it vectors of zeros.
    nothing = np.zeros((interactions.n_users, 1)), np.zeros((interactions.n_items, 1))
    return factorised(CARD, *nothing, user_bias=mean + user_offset, item_bias=item_offset)


def _offsets(codes: np.ndarray, deviations: np.ndarray, n: int, shrinkage: float) -> np.ndarray:
    counts = np.bincount(codes, minlength=n)
    sums = np.bincount(codes, deviations, minlength=n)
    return sums / np.where(counts > 0, shrinkage + counts, 1.0)


CARD = Card(
    name="global_bias",
    factory=GlobalBias,
    task="rating",
    summary="Ratings from means: the global mean, plus an item offset, plus a user offset.",
    reference=(
        'Koren, "Factor in the neighbors: scalable and accurate collaborative filtering", 2010, section 2.1.'
    ),
    hyperparameters=(
        Hyperparameter("item_shrinkage", "float", 5.0, low=0.0, high=50.0),
        Hyperparameter("user_shrinkage", "float", 5.0, low=0.0, high=50.0),
    ),
    optimizer=None,
    metrics=("root_mean_squared_error",),
)
