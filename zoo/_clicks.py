"""Shared parts of the click models: inputs made from columns, field embeddings, a linear and a deep part."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from kerasrec._arguments import positive_integer, share
from kerasrec._outputs import EXPECTED, is_of_watch_time
from kerasrec.layers import Catalogue, FastDropout, FieldEmbedding, HostNormal
from kerasrec.trainers import Model
from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._parts import seeds
from kerasrec.zoo._recipe import Recipe, Size

if TYPE_CHECKING:
    from kerasrec.data import Impressions, InputColumns

_STDDEV = 0.01
# Momentum of batch normalisation; an epoch of a small table has few steps.
_MOMENTUM = 0.9
# Target number of steps in an epoch of a small table, and maximum and minimum number of rows per step.
_STEPS, _LARGEST, _SMALLEST = 40, 4096, 32

N_COMPONENTS = Hyperparameter("n_components", "int", 10, low=4, high=64, log=True)
HIDDEN = Hyperparameter(
    "hidden", "choice", (400, 400, 400), choices=((64, 32), (200, 200), (400, 400, 400), (1000, 1000))
)
DROPOUT = Hyperparameter("dropout", "float", 0.2, low=0.0, high=0.6)
L2 = Hyperparameter("l2", "float", 0.0, low=0.0, high=0.1)
LINEAR_L2 = Hyperparameter("l2", "float", 0.0, low=0.0, high=1e-4)
LEARNING_RATE = Hyperparameter("learning_rate", "float", 1e-3, low=1e-4, high=1e-2, log=True)


def recipe(size: Size, loss: Any = None) -> Recipe:
    """Large batches for large tables; held-out rows stop a model that overfits after a few epochs.

    Args:
        size: `Size`.
        loss: not used. Defaults to `None`.
    """
    rows = 1 << (max(1, size.n_interactions // _STEPS).bit_length() - 1)
    return Recipe(batch_size=min(_LARGEST, max(_SMALLEST, rows)), epochs=50, patience=2)


def linear_recipe(size: Size, loss: Any = None) -> Recipe:
    """A high rate and a prior worth one row, which models with one weight per category need on few rows.

    Args:
        size: `Size`.
        loss: not used. Defaults to `None`.
    """
    settings = {"learning_rate": 1e-2, "l2": 0.5 / max(1, size.n_interactions)}
    return dataclasses.replace(recipe(size), settings=settings, epochs=100, patience=6)


class Fields:
    """The symbolic inputs of a click model, and the representations made from them.

    Args:
        columns: fitted `InputColumns`.
        l2: float, weight of the L2 penalty on the embeddings.
        seed: int or `None`, seed of the tables.
    """

    def __init__(self, columns: "InputColumns", l2: float = 0.0, seed: int | None = None) -> None:
        if not hasattr(columns, "categories"):
            raise TypeError(
                "`columns` must be fitted `kerasrec.data.InputColumns`, such as `impressions.columns`. "
                f"Received: {type(columns).__name__}."
            )
        self.columns = columns
        self.categories, self.numbers = columns.categories, columns.numbers
        self.inputs = {
            name: keras.Input((kind.width,), name=name, dtype="int32")
            for name, kind in self.categories.items()
        } | {name: keras.Input((kind.width,), name=name) for name, kind in self.numbers.items()}
        self.n_numbers = sum(kind.width for kind in self.numbers.values())
        self._ids = _side_by_side([self.inputs[name] for name in self.categories], "codes")
        self.all_numbers = _side_by_side([self.inputs[name] for name in self.numbers], "numbers")
        self._l2 = keras.regularizers.L2(l2) if l2 else None
        self._seeds = seeds(seed)

    @property
    def n_fields(self) -> int:
        """Number of vectors in `vectors`: one per category, and one per number."""
        return len(self.categories) + self.n_numbers

    def table(self, size: int, name: str, stddev: float = _STDDEV) -> Any:
        """One vector per category, `[B, F, size]`; `None` without categories."""
        if self._ids is None:
            return None
        kinds = self.categories.values()
        return FieldEmbedding(
            [kind.n for kind in kinds],
            size,
            [kind.width for kind in kinds],
            HostNormal(0.0, stddev, next(self._seeds)) if stddev else "zeros",
            self._l2,
            name=name,
        )(self._ids)

    def vectors(self, n_components: int) -> Any:
        """One vector per field, `[B, F, C]`: the category's vector, or a number times its column's vector."""
        n_components = positive_integer("n_components", n_components)
        parts = [self.table(n_components, "field_embedding")]
        if self.all_numbers is not None:
            parts.append(
                keras.layers.EinsumDense(
                    "bn,nc->bnc",
                    (self.n_numbers, n_components),
                    kernel_initializer=HostNormal(0.0, _STDDEV, next(self._seeds)),
                    kernel_regularizer=self._l2,
                    name="number_embedding",
                )(self.all_numbers)
            )
        parts = [part for part in parts if part is not None]
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1)

    def linear(self) -> Any:
        """The sum of one weight per category and number, `[B, 1]`."""
        weights = self.table(1, "linear_weights", stddev=0.0)
        parts = [] if weights is None else [ops.sum(weights, axis=1)]
        if self.all_numbers is not None:
            of_numbers = keras.layers.Dense(
                1,
                use_bias=False,
                kernel_initializer="zeros",
                kernel_regularizer=self._l2,
                name="linear_numbers",
            )
            parts.append(of_numbers(self.all_numbers))
        return parts[0] if len(parts) == 1 else ops.add(*parts)

    def flat(self, vectors: Any) -> Any:
        """All vectors side by side, `[B, F * C]`."""
        return keras.layers.Flatten(name="side_by_side")(vectors)


@keras.saving.register_keras_serializable("kerasrec")
class Intercept(keras.layers.Layer):
    """Adds a trainable number.

    Args:
        name: name of the layer. Defaults to `"intercept"`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: `[B, 1]`.

    Returns:
        `[B, 1]`.
    """

    def __init__(self, name: str = "intercept", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def build(self, input_shape: Any) -> None:
        """Create the number, initially 0."""
        self.intercept = self.add_weight(shape=(1,), initializer="zeros", name="intercept")

    def call(self, inputs: Any) -> Any:
        """Add the number."""
        return inputs + self.intercept

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the input."""
        return input_shape


def deep(x: Any, hidden: Sequence[int], dropout: float, batch_norm: bool, name: str = "hidden") -> Any:
    """A network without an output layer; each layer has dense, batch normalisation, ReLU and dropout.

    Args:
        x: `[B, D]`.
        hidden: sizes of the layers.
        dropout: float, share of the units to drop.
        batch_norm: bool, whether to normalise before the activation.
        name: name of the layers.
    """
    share("dropout", dropout)
    if isinstance(hidden, (int, float)) or not len(hidden):
        raise ValueError(f"`hidden` must have the sizes of at least one layer. Received: hidden={hidden!r}.")
    for place, size in enumerate(hidden):
        units = positive_integer("hidden", size)
        x = keras.layers.Dense(units, use_bias=not batch_norm, name=f"{name}_{place}")(x)
        if batch_norm:
            x = keras.layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_{place}_norm")(x)
        x = keras.layers.ReLU(name=f"{name}_{place}_relu")(x)
        if dropout:
            x = FastDropout(dropout, name=f"{name}_{place}_dropout")(x)
    return x


def pairs_of_fields(vectors: Any) -> Any:
    """The sum of the dot products of all pairs of fields, `[B, 1]`.

    Args:
        vectors: `[B, F, C]`.
    """
    total, squares = ops.sum(vectors, axis=1), ops.sum(ops.square(vectors), axis=1)
    return ops.sum(ops.square(total) - squares, axis=-1, keepdims=True) * 0.5


def logit(x: Any, name: str = "weigh") -> Any:
    """One number per row, in float32.

    Args:
        x: `[B, D]`.
        name: name of the layer.
    """
    return keras.layers.Dense(1, name=name, dtype="float32")(x)


def click_model(
    card: Card, fields: Fields, logits: Any, learning_rate: Any, activation: str = "sigmoid", **kwargs: Any
) -> keras.Model:
    """The compiled model, which carries its columns.

    Args:
        card: `Card`.
        fields: `Fields`.
        logits: `[B, 1]`.
        learning_rate: float or learning rate schedule.
        activation: activation of the logits. Defaults to `"sigmoid"`.
        **kwargs: arguments of `card.compile`.
    """
    output = keras.layers.Activation(activation, dtype="float32", name="output_of_logits")(logits)
    catalogue = Catalogue(name="probability" if activation == "sigmoid" else EXPECTED)
    model = Model(fields.inputs, catalogue(output), name=card.name)
    # Its codes are those of the columns, so it needs no raw ids.
    catalogue.user_ids = catalogue.item_ids = np.empty(0, np.int64)
    catalogue.value_range = (0.0, 1.0)
    catalogue.attachments = {"columns": fields.columns.to_arrays()}
    card.compile(model, learning_rate, **kwargs)
    return model


def set_initial_mean(model: keras.Model, impressions: "Impressions") -> None:
    """Let an untrained model predict about the mean label for every row, which saves training steps.

    Args:
        model: model from `click_model`.
        impressions: `Impressions` that it will be trained on.
    """
    weights = impressions.weights if impressions.weights is not None else np.ones(len(impressions))
    clicked, other = weights @ impressions.labels, weights @ (1 - impressions.labels)
    if is_of_watch_time(model) and impressions.watch_time is not None:
        clicked, other = weights @ impressions.watch_time, weights.sum()
    layers = {layer.name: layer for layer in model.layers}
    constant = layers["weigh"].bias if "weigh" in layers else layers["intercept"].intercept
    if clicked > 0 and other > 0:
        constant.assign(np.full(1, np.log(clicked / other), np.float32))


def _side_by_side(tensors: list[Any], name: str) -> Any:
    if not tensors:
        return None
    return tensors[0] if len(tensors) == 1 else keras.layers.Concatenate(name=name)(tensors)
