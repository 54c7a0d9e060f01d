from typing import Any

import keras
from keras import ops

from kerasrec._arguments import positive_integer
from kerasrec._precision import at_least_float32
from kerasrec.layers import HostNormal, SparseLinearRepr
from kerasrec.layers._features import as_bag, as_ids, linear
from kerasrec.layers._lookup import lookup
from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._hybrid import (
    DECAY,
    L2,
    LEARNING_RATE,
    LOSS,
    Side,
    decay_by_count,
    loss_of,
    score_layer,
    seeded,
    warn_without_identity,
)
from kerasrec.zoo._hybrid_recipes import from_random
from kerasrec.zoo._parts import assemble, id_inputs
from kerasrec.zoo._recipe import Recipe, Size
from kerasrec.zoo._results import BY_RECIPE


def FactorizationMachine(
    user_features: Any,
    item_features: Any,
    n_components: int = 8,
    loss: Any = "bpr",
    *,
    l2: float = 0.0,
    decay: float = 0.0,
    interactions: Any = None,
    learning_rate: Any = 1e-2,
    seed: int | None = None,
) -> keras.Model:
    """A weight for each feature, and the dot product of the vectors of each pair of features.

    With `x` the concatenated features of the user and the item,

        score = sum_f w_f x_f + sum_{f < g} (v_f . v_g) x_f x_g

    over all pairs of features, whether of the user, of the item or of both. The model factorises: with
    `v(x) = sum_f v_f x_f`, the pairs of a user feature and an item feature add up to `v(x_u) . v(x_i)`, and
    the other pairs are part of the biases. There is no constant, because it does not change a ranking.

    Args:
        user_features: `Features`, a matrix `[U, F]`, or the number of users, whose only feature is then their
            identity.
        item_features: `Features`, a matrix `[I, F]`, or the number of items.
        n_components: int, size of the vector of a feature. Defaults to `8`.
        loss: as in `HybridRecommender`. Defaults to `"bpr"`.
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
        ValueError: if a size is not a positive integer, features are empty or not finite, or the loss is
            unknown.

    Example:
        >>> import kerasrec
        >>> model = kerasrec.zoo.FactorizationMachine(user_features=3, item_features=2)
        >>> model.count_params()  # 5 * (8 + 1)
        45

    References:
        Rendle, "Factorization machines", 2010, eq. 1 and lemma 3.1.
    """
    n_components = positive_integer("n_components", n_components)
    codes = id_inputs()
    arguments = {}
    with seeded(seed):
        regularizer = keras.regularizers.L2(l2) if l2 else None
        sides = (
            Side("user", codes[0], user_features, regularizer),
            Side("item", codes[1], item_features, regularizer),
        )
        warn_without_identity(CARD, sides)
        decay_by_count(sides, decay, interactions, loss)
        for side in sides:
            vectors, pairs = PairsOfFeatures(
                n_components,
                side.n_features,
                kernel_initializer=HostNormal(stddev=0.1),
                kernel_regularizer=regularizer,
                name=f"{side.name}_repr",
            )(side.bag)
            arguments[side.name] = vectors if side.decay is None else side.decay()(vectors, side.codes)
            arguments[f"{side.name}_bias"] = keras.layers.Add(dtype="float32")([side.bias(), pairs])
        output = score_layer("dot")(**arguments)
        return assemble(CARD, *codes, output, learning_rate, loss=loss_of(loss, sides[1].n))


@keras.saving.register_keras_serializable("kerasrec")
class PairsOfFeatures(SparseLinearRepr):
    """A weighted sum of the vectors of features, and the dot products of all pairs of these vectors.

    `vectors = sum_f x_f v_f` and `pairs = sum_{f < g} x_f x_g (v_f . v_g)`, the latter computed as half the
    difference between the square of the sum and the sum of the squares.

    Args:
        *args: as in `SparseLinearRepr`, without `normalize`.
        **kwargs: the same.

    Call arguments:
        inputs: a padded bag of distinct features, indices and weights `[B, W]` or, for lists, `[B, L, W]`.

    Returns:
        Vectors `[B, C]` and pairs `[B, 1]`; for lists `[B, L, C]` and `[B, L, 1]`.
    """

    def call(self, inputs: Any) -> Any:
        """The sum, and the sum over pairs in at least float32."""
        bag = as_bag(inputs)
        if bag is None:
            raise TypeError(
                f"`inputs` must be a bag of features, indices and weights. Received: {type(inputs).__name__}."
            )
        indices, weights = bag
        vectors = linear(inputs, self.kernel, self.compute_dtype)
        rows, weights = lookup(self.kernel, as_ids(indices)), at_least_float32(weights)
        squares = ops.sum(ops.square(weights) * ops.sum(ops.square(rows), axis=-1), axis=-1, keepdims=True)
        square = ops.sum(ops.square(at_least_float32(vectors)), axis=-1, keepdims=True)
        return vectors, (square - squares) / 2

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shapes of the vectors and of the pairs."""
        vectors = super().compute_output_shape(input_shape)
        return vectors, (*vectors[:-1], 1)


def _recipe(size: Size, loss: Any = None) -> Recipe:
    """The recipe of a matrix factorisation."""
    return from_random(size, loss)


CARD = Card(
    name="factorization_machine",
    factory=FactorizationMachine,
    task="ranking",
    summary="A weight for each feature, and the dot product of the vectors of each pair of features.",
    reference='Rendle, "Factorization machines", 2010, eq. 1 and lemma 3.1.',
    hyperparameters=(
        Hyperparameter("n_components", "int", 8, low=2, high=256, log=True),
        Hyperparameter("loss", "choice", "bpr", choices=LOSS.choices),
        L2,
        DECAY,
        LEARNING_RATE,
    ),
    loss="bpr",
    recipe=_recipe,
    results=BY_RECIPE,
)
