"""The training of a trial."""

from collections.abc import Sequence
from typing import Any

import keras

from kerasrec.data import Impressions, Interactions, pairs
from kerasrec.recommender._batches import batches_for
from kerasrec.recommender._click_training import targets
from kerasrec.tuning._data import Data
from kerasrec.tuning._epoch_batches import ClickBatches, EpochBatches, PairBatches, TellEpoch
from kerasrec.zoo import FallingRate, Recipe

_VALIDATION_BATCH = 8192


def fit(
    model: keras.Model,
    interactions: Data,
    validation: Data | None,
    recipe: Recipe,
    seed: int,
    callbacks: Sequence[keras.callbacks.Callback],
    epochs: int,
    initial_epoch: int = 0,
    first_rate: float | None = None,
    **kwargs: Any,
) -> Any:
    """Train any model on the batches that its loss needs: users and items, or clicks."""
    if recipe.optimizer is None:
        return _one_epoch(model, callbacks)
    batches = _batches(model, interactions, recipe, seed)
    if isinstance(validation, Interactions) and isinstance(batches, PairBatches):
        x, y = pairs(validation)
        inputs = {name: codes[:, None] for name, codes in x.items()}
        kwargs = {"validation_data": (inputs, y), "validation_batch_size": _VALIDATION_BATCH} | kwargs
    batches = EpochBatches(batches, initial_epoch)
    falling = [] if recipe.schedule == "constant" else [FallingRate(recipe, first_rate)]
    callbacks = [TellEpoch(batches), *falling, *callbacks]
    # The batches shuffle themselves.
    how = {"epochs": epochs, "initial_epoch": initial_epoch, "shuffle": False, "verbose": 0}
    return model.fit(batches, callbacks=callbacks, **how | kwargs)


def _batches(model: keras.Model, interactions: Data, recipe: Recipe, seed: int) -> Any:
    if isinstance(interactions, Impressions):
        return ClickBatches(interactions, targets(model, interactions), recipe.batch_size, seed)
    found = batches_for(model, interactions, recipe, seed)
    return PairBatches(interactions, recipe.batch_size, seed) if found is None else found


def _one_epoch(model: keras.Model, callbacks: Sequence[keras.callbacks.Callback]) -> Any:
    """Call the callbacks for one epoch, as training would, for a model that needs no training."""
    history = keras.callbacks.History()
    logs: dict[str, Any] = {}
    everyone = [*callbacks, history]
    for callback in everyone:
        callback.set_params({"epochs": 1, "steps": 0, "verbose": 0})
        callback.set_model(model)
        callback.on_train_begin()
    for callback in everyone:
        callback.on_epoch_begin(0)
        callback.on_epoch_end(0, logs)
    for callback in everyone:
        callback.on_train_end(logs)
    return history
