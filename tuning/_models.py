"""Searches over the caller's own models."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras_tuner

from kerasrec.tuning._data import Data
from kerasrec.tuning._fit import fit
from kerasrec.tuning.hyper_recommender import HyperRecommender
from kerasrec.zoo import Recipe


class OwnModels(keras_tuner.HyperModel):
    """The models of a function `build(hp)`, or of a hypermodel that does not define `fit`.

    Args:
        models: the function or the `keras_tuner.HyperModel`.
        seed: int.
    """

    def __init__(self, models: Any, seed: int) -> None:
        self.models, self.seed = models, seed
        super().__init__(name=getattr(models, "name", None) or getattr(models, "__name__", None))

    def build(self, hp: Any) -> Any:
        """A compiled model."""
        return getattr(self.models, "build", self.models)(hp)

    def fit(self, hp: Any, model: Any, interactions: Data, validation: Data, **kwargs: Any) -> Any:
        """Train it on the batches that its loss needs."""
        return fit(model, interactions, validation, Recipe(), self.seed, **kwargs)


def hypermodel(
    model: Any,
    interactions: Data,
    features: Mapping[str, Any],
    space: Mapping[str, Any],
    epochs: int | None,
    seed: int,
    metrics: tuple[str, ...],
) -> Any:
    """The hypermodel for a name, a function or a hypermodel."""
    if isinstance(model, str):
        return HyperRecommender(
            model, interactions, **features, **space, epochs=epochs, seed=seed, metrics=metrics
        )
    given = [name for name, x in {**features, **space}.items() if x is not None]
    if given:
        raise ValueError(
            f"`{given[0]}` only works with models given by name; use it in the code that builds your model. "
            f"Received: model={model!r}."
        )
    if isinstance(model, HyperRecommender):
        return model
    if isinstance(model, keras_tuner.HyperModel):
        own = inspect.unwrap(type(model).fit) is not keras_tuner.HyperModel.fit
        return model if own else OwnModels(model, seed)
    if not callable(model):
        raise ValueError(
            "`model` must be the name of a model, a function `build(hp)` or a `keras_tuner.HyperModel`. "
            f"Received: model={model!r}."
        )
    return OwnModels(model, seed)
