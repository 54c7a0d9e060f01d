"""Shared parts of the hybrid recommenders: two sides of features, representations, a score and a loss."""

import contextlib
import functools
import inspect
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrec import losses
from kerasrec._arguments import positive_integer, positive_number
from kerasrec.layers import (
    CosineScore,
    DeepRepr,
    DotScore,
    EuclideanScore,
    FeatureBias,
    FeatureDropout,
    FeatureLookup,
    FrequencyRegularization,
    LayersRepr,
    PassThroughRepr,
    ReLURepr,
    Score,
    SparseLinearRepr,
    TasteMixture,
    WeightedPassThroughRepr,
)
from kerasrec.layers._representation import Representation
from kerasrec.losses._names import NAMES, takes_catalogue
from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._parts import assemble, id_inputs
from kerasrec.zoo._svd_init import initialize_with_svd

REPRESENTATIONS: dict[str, Callable[[int, int, Any], keras.layers.Layer]] = {
    "linear": lambda n, n_features, l2: SparseLinearRepr(n, n_features, kernel_regularizer=l2),
    "normalized_linear": lambda n, n_features, l2: SparseLinearRepr(
        n, n_features, normalize=True, kernel_regularizer=l2
    ),
    "relu": lambda n, n_features, l2: ReLURepr(n, n_features, kernel_regularizer=l2),
    "deep": lambda n, n_features, l2: DeepRepr(n, (16 * n, 8 * n, 2 * n), n_features, kernel_regularizer=l2),
    "pass_through": lambda n, n_features, l2: PassThroughRepr(n, n_features),
    "weighted_pass_through": lambda n, n_features, l2: WeightedPassThroughRepr(
        n, n_features, weights_regularizer=l2
    ),
}
SCORES: dict[str, type[Score]] = {"dot": DotScore, "cosine": CosineScore, "euclidean": EuclideanScore}
# `CatalogueCrossEntropy` takes vectors, which only sequential models supply.
LOSSES = {name: loss for name, loss in NAMES.items() if loss is not losses.CatalogueCrossEntropy}

N_COMPONENTS = Hyperparameter("n_components", "int", 5, low=2, high=256, log=True)
LOSS = Hyperparameter(
    "loss", "choice", "wmrb", choices=("wmrb", "warp", "bpr", "sampled_softmax", "full_softmax")
)
BIASED = Hyperparameter("biased", "bool", True)
L2 = Hyperparameter("l2", "float", 0.0, low=0.0, high=1e-2)
DECAY = Hyperparameter("decay", "float", 0.0, low=0.0, high=0.5)
LEARNING_RATE = Hyperparameter("learning_rate", "float", 1e-2, low=1e-4, high=1e-1, log=True)
INITS = ("random", "svd")
INIT = Hyperparameter("init", "choice", "random", choices=INITS)


class Side:
    """The users or the items of a hybrid: their codes, features, representations and bias.

    Args:
        name: `"user"` or `"item"`.
        codes: the input.
        features: `Features`, a matrix `[n, F]`, or the number of entities if identity is their only feature.
        l2: regularizer of the named parts, or `None`.
        dropout: `FeatureDropout`, or `None`.
    """

    def __init__(self, name: str, codes: Any, features: Any, l2: Any, dropout: Any = None) -> None:
        self.name = name
        self.codes = codes
        self.l2 = l2
        self.decay: Callable[[], FrequencyRegularization] | None = None
        self.layers: list[keras.layers.Layer] = []
        matrix = getattr(features, "matrix", features)
        self.matrix = matrix if hasattr(matrix, "shape") else None
        if self.matrix is not None:
            lookup = FeatureLookup.from_matrix(matrix, name=f"{name}_features")
            self.n_features = int(matrix.shape[1])
            self.has_identity = getattr(features, "has_identity", None)
            if self.has_identity is None:
                self.has_identity = _has_indicators(matrix)
        else:
            if not isinstance(features, (int, np.integer)):
                raise ValueError(
                    f"`{name}_features` must be `Features`, a matrix with one row per {name}, or the number "
                    f"of {name}s; `kerasrec.zoo.create` takes interactions. "
                    f"Received: {name}_features={features!r}."
                )
            self.n_features = positive_integer(f"{name}_features", features)
            lookup = FeatureLookup(self.n_features, name=f"{name}_features")
            self.has_identity = True
        self.n = lookup.n
        self.bag = lookup(codes)
        if dropout is not None:
            if not isinstance(dropout, FeatureDropout):
                raise ValueError(
                    f"`{name}_feature_dropout` must be a `FeatureDropout`. "
                    f"Received: {name}_feature_dropout={dropout!r}."
                )
            self.bag = dropout(self.bag)

    def represent(
        self, given: Any, n_components: int, part: str = "repr", n_tastes: int | None = None
    ) -> Any:
        """Representations `[B, C]`, or `[B, L, C]` of items; `[B, T, C]` with `n_tastes`."""
        argument = "attention" if part == "attention" else f"{self.name}_{part}"
        name = f"{self.name}_{part}"
        several = isinstance(given, Sequence) and not isinstance(given, str)
        if several and len(given) != n_tastes:
            raise ValueError(
                f"`{argument}` must be one layer per taste if there are several; to chain layers, "
                f"use `LayersRepr`. Received: {len(given)} layers, n_tastes={n_tastes or 1}."
            )
        tastes = []
        for taste in range(n_tastes or 1):
            own = given[taste] if several else given
            if not several and taste and isinstance(own, keras.layers.Layer):
                own = own.from_config({**own.get_config(), "name": f"{own.name}_{taste}"})
            layer = self._layer(own, argument, n_components, f"{name}_{taste}" if taste else name)
            self.layers.append(layer)
            vectors = layer(self.bag)
            if self.decay is not None:
                vectors = self.decay()(vectors, self.codes)
            tastes.append(vectors)
        return tastes[0] if n_tastes is None else ops.stack(tastes, axis=1)

    def bias(self) -> Any:
        """The sum of one weight per feature."""
        return FeatureBias(self.n_features, bias_regularizer=self.l2, name=f"{self.name}_bias")(self.bag)

    def _layer(self, given: Any, argument: str, n_components: int, name: str) -> keras.layers.Layer:
        if isinstance(given, str) and given in REPRESENTATIONS:
            layer = REPRESENTATIONS[given](n_components, self.n_features, self.l2)
            layer.name = name
            return layer
        if isinstance(given, Representation):
            if not given.built and given.n_features is None:
                given.n_features = self.n_features
            return given
        if isinstance(given, keras.layers.Layer):
            return LayersRepr([given], self.n_features, name=name)
        raise ValueError(
            f"`{argument}` must be a Keras layer or one of {', '.join(REPRESENTATIONS)}. "
            f"Received: {argument}={given!r}."
        )


def hybrid(
    card: Card,
    user_features: Any,
    item_features: Any,
    *,
    n_components: int,
    loss: Any,
    biased: bool,
    l2: float,
    learning_rate: Any,
    seed: int | None,
    n_tastes: int = 1,
    user_repr: Any = "linear",
    item_repr: Any = "linear",
    attention: Any = None,
    score: Any = "dot",
    decay: float = 0.0,
    init: Any = "random",
    interactions: Any = None,
    identity: Sequence[str] = ("user", "item"),
    user_feature_dropout: Any = None,
    item_feature_dropout: Any = None,
) -> keras.Model:
    """The compiled model. `identity` names the sides that should have indicator columns."""
    n_components = positive_integer("n_components", n_components)
    n_tastes = positive_integer("n_tastes", n_tastes)
    if attention is not None and n_tastes == 1:
        raise ValueError(
            "`attention` weighs tastes against each other and needs at least two. "
            f"Received: n_tastes=1, attention={attention!r}."
        )
    if init not in INITS:
        raise ValueError(f"`init` must be one of {', '.join(INITS)}. Received: init={init!r}.")
    if init == "svd":
        _check_given("init", init, interactions)
    codes = id_inputs()
    with seeded(seed):
        regularizer = keras.regularizers.L2(l2) if l2 else None
        user = Side("user", codes[0], user_features, regularizer, user_feature_dropout)
        item = Side("item", codes[1], item_features, regularizer, item_feature_dropout)
        warn_without_identity(card, [side for side in (user, item) if side.name in identity])
        decay_by_count((user, item), decay, interactions, loss)
        compare = score_layer(score)
        arguments = {
            "user": user.represent(user_repr, n_components, n_tastes=n_tastes if n_tastes > 1 else None),
            "item": item.represent(item_repr, n_components),
        }
        sizes = [arguments[name].shape[-1] for name in ("user", "item")]
        if sizes[0] != sizes[1]:
            raise ValueError(
                "Representations of users and items must have the same size, `n_components` if a part is "
                f"given by name. Received: user_repr of {sizes[0]} and item_repr of {sizes[1]} components."
            )
        if n_tastes > 1:
            compare = TasteMixture(compare, name="tastes", dtype="float32")
            if attention is not None:
                arguments["attention"] = user.represent(attention, n_components, "attention", n_tastes)
        if biased:
            arguments |= {"user_bias": user.bias(), "item_bias": item.bias()}
        model = assemble(card, *codes, compare(**arguments), learning_rate, loss=loss_of(loss, item.n))
    if init == "svd" and type(compare) is DotScore:
        initialize_with_svd((user, item), interactions, seed)
    return model


def _check_given(name: str, value: Any, interactions: Any) -> None:
    if interactions is None:
        raise ValueError(
            f"`interactions` must be given for `{name}`, which depends on them. "
            f"Received: {name}={value!r}, interactions=None."
        )


def decay_by_count(sides: tuple[Side, Side], decay: float, interactions: Any, loss: Any) -> None:
    """Add weight decay to the future representations of users and items; 0 adds none.

    With a loss over the catalogue, a batch has one row per user, so a user is read once per epoch and an item
    in every step. The decay of a user is then proportional to its number of positives, and the decay of an
    item to the square root of its share of positives. With other losses, a row is one positive, and a user is
    read once for each of its positives, so its decay is the same each time.

    Args:
        sides: the users and the items.
        decay: float, weight in the loss.
        interactions: `Interactions`, or `None`.
        loss: as the factories take it.
    """
    if not decay:
        return
    _check_given("decay", decay, interactions)
    user, item = sides
    there = interactions.liked
    by_user = np.bincount(interactions.users[there], minlength=user.n)
    by_item = np.bincount(interactions.items[there], minlength=item.n)
    if not takes_catalogue(loss):
        user.decay = functools.partial(FrequencyRegularization, user.n, decay)
        item.decay = functools.partial(FrequencyRegularization.from_counts, by_item, decay, 0.5)
        return
    l2 = decay * by_user.mean()
    user.decay = functools.partial(FrequencyRegularization.from_counts, by_user, l2)
    item.decay = functools.partial(FrequencyRegularization.from_counts, by_item, l2 / user.n, 0.5)


def score_layer(score: Any) -> Score:
    """A score layer by name, or the layer itself."""
    if isinstance(score, Score):
        return score
    if not isinstance(score, str) or score not in SCORES:
        raise ValueError(
            f"`score` must be a score layer or one of {', '.join(SCORES)}. Received: score={score!r}."
        )
    # In half precision, scores would be rounded to about 0.004.
    return SCORES[score](name=score, dtype="float32")


def loss_of(loss: Any, n_items: int) -> Any:
    """A loss of kerasrec or Keras by name, with the size of the catalogue, or the loss itself."""
    if isinstance(loss, losses.CatalogueCrossEntropy) or loss == "catalogue_cross_entropy":
        raise ValueError(
            "`loss` must compare scores; CatalogueCrossEntropy compares vectors and is for sequential "
            f"models, such as 'sasrec'. Use 'full_softmax'. Received: loss={loss!r}."
        )
    if not isinstance(loss, str):
        if callable(loss):
            return loss
    elif loss in LOSSES:
        takes_n_items = "n_items" in inspect.signature(LOSSES[loss]).parameters
        return LOSSES[loss](n_items=n_items) if takes_n_items else LOSSES[loss]()
    else:
        with contextlib.suppress(ValueError):
            return keras.losses.get(loss)
    raise ValueError(
        f"`loss` must be a loss, a function of labels and scores, a Keras name, or one of "
        f"{', '.join(LOSSES)}. Received: loss={loss!r}."
    )


def softmax_of(loss: Any, temperature: float) -> Any:
    """A softmax loss given by name, with a temperature; any other loss unchanged."""
    temperature = positive_number("temperature", temperature)
    known = {"sampled_softmax": losses.SampledSoftmax, "full_softmax": losses.FullSoftmax}
    return known[loss](temperature) if isinstance(loss, str) and loss in known else loss


@contextlib.contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """A context in which every new layer draws its weights from this seed."""
    if seed is None:
        yield
        return
    # Keras's initializers draw their seeds from Python's `random`.
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def _has_indicators(matrix: Any) -> bool:
    """Whether every row has a column that no other row has."""
    import scipy.sparse

    matrix = scipy.sparse.csc_matrix(matrix)
    alone = matrix[:, matrix.getnnz(axis=0) == 1]
    return len(set(alone.indices)) == matrix.shape[0]


def warn_without_identity(card: Card, sides: Sequence[Side]) -> None:
    """Warn that entities with equal features cannot be distinguished."""
    sides = [side for side in sides if not side.has_identity]
    if sides:
        names = " and ".join(f"{side.name}s" for side in sides)
        indicators = " and ".join(f"Features.indicator(data.{side.name}_ids)" for side in sides)
        warnings.warn(
            f"{card.name} has no indicator columns of {names}, so it cannot distinguish those with equal "
            f"features. Stack {indicators} unless this is intended.",
            stacklevel=4,
        )
