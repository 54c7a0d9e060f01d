"""Shared parts of the factories."""

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerasrec.layers import Catalogue, FeatureEmbedding, HostHeNormal
from kerasrec.trainers import Model
from kerasrec.zoo._card import Card


def id_inputs() -> tuple[Any, Any]:
    """Inputs `user` `[B, 1]` and `item` `[B, L]`; pairs are lists of one item."""
    user = keras.Input((1,), name="user", dtype="int32")
    item = keras.Input((None,), name="item", dtype="int32")
    return user, item


def seeds(seed: int | None) -> Iterator[int | None]:
    """A different seed for each part; tables drawn from one seed would begin with the same numbers."""
    if seed is None:
        return itertools.repeat(None)
    generator = np.random.default_rng(seed)
    return (int(generator.integers(2**31)) for _ in itertools.count())


def table(n: int, size: int, l2: float, seed: int | None, name: str) -> FeatureEmbedding:
    """A table with He-normal weights and an L2 penalty."""
    return FeatureEmbedding(
        n,
        size,
        embeddings_initializer=HostHeNormal(seed),
        embeddings_regularizer=keras.regularizers.L2(l2) if l2 else None,
        name=name,
    )


def assemble(card: Card, user: Any, item: Any, output: Any, learning_rate: Any, **kwargs: Any) -> keras.Model:
    """The compiled model with an empty catalogue after its output, which is named after the task.

    `kwargs` are passed to `card.compile`.
    """
    output = Catalogue(name="rating" if card.task == "rating" else "score")(output)
    model = Model({"user": user, "item": item}, output, name=card.name)
    card.compile(model, learning_rate, **kwargs)
    return model
