"""Trains a click model by its recipe until the metric on held-out rows stops improving."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerasrec._arguments import share
from kerasrec._forks import check_fork
from kerasrec._outputs import is_of_watch_time
from kerasrec._seeds import check_seed, set_random_seed
from kerasrec.data import Impressions
from kerasrec.evaluation import ClickMetrics
from kerasrec.recommender._leaks import warn_of_leaks
from kerasrec.recommender._training import Training

VALIDATION = 0.1
OBJECTIVES = {"auc": "max", "user_auc": "max", "log_loss": "min", "calibration_error": "min"}
# Factor by which the learning rate falls on a plateau.
_FALL = 0.1
_FEWEST = 20


def trained_on_clicks(
    impressions: Impressions,
    name: str,
    *,
    epochs: int | None = None,
    batch_size: int | None = None,
    hyperparameters: dict[str, Any] | None = None,
    validation: float | Impressions | None = None,
    patience: int | None = None,
    objective: str = "auc",
    seed: int = 0,
    verbose: Any = 0,
    callbacks: Callable[[str], Sequence[keras.callbacks.Callback]] = lambda phase: (),
) -> Training:
    """A click model, with the weights of its best epoch.

    Args:
        impressions: `Impressions`.
        name: of the model.
        epochs: int, most passes over the rows. Defaults to `None`: the recipe's.
        batch_size: int. Defaults to `None`: the recipe's.
        hyperparameters: arguments of the factory. Defaults to `None`.
        validation: share of the rows to hold out, or held-out impressions. Defaults to `None`: a tenth, or
            none if `epochs` is given.
        patience: int, epochs without improvement before training stops. Defaults to `None`: the recipe's.
        objective: metric on held-out rows by which training stops. Defaults to `"auc"`.
        seed: int, of the split, the weights and the order. Defaults to `0`.
        verbose: as in `keras.Model.fit`. Defaults to `0`.
        callbacks: function that gives the Keras callbacks for `"training"`. Defaults to none.
    """
    from kerasrec import zoo

    if not isinstance(impressions, Impressions):
        raise TypeError(
            "`impressions` must be `kerasrec.data.Impressions`; make them with `Impressions.from_frame`. "
            f"Received: {type(impressions).__name__}."
        )
    impressions.check_classes()
    check_click_model(name)
    if hasattr(validation, "columns") and not isinstance(validation, Impressions):
        raise TypeError(
            "`validation` must be a share of the rows or `kerasrec.data.Impressions`; make them with "
            "`Impressions.from_frame(frame, label, train.columns)`. "
            f"Received: {type(validation).__name__}."
        )
    if objective not in OBJECTIVES:
        raise ValueError(
            f"`objective` must be one of {', '.join(OBJECTIVES)}. Received: objective={objective!r}."
        )
    check_fork()
    seed = check_seed(seed)
    recipe = zoo.recipe(name, impressions, **hyperparameters or {})
    recipe = recipe.replace(epochs=epochs, batch_size=batch_size, patience=patience)
    fitted, held_out = _parts(impressions, validation, epochs, seed)
    set_random_seed(seed)
    model = zoo.create(name, fitted, **{"seed": seed, **recipe.settings})
    own: list[keras.callbacks.Callback] = []
    stop = None
    if held_out is not None:
        metrics = ClickMetrics(held_out)
        _check_objective(objective, model, held_out)
        metric, mode = f"val_{objective}", OBJECTIVES[objective]
        stop = keras.callbacks.EarlyStopping(
            metric, patience=max(1, recipe.patience), mode=mode, restore_best_weights=True
        )
        falls = keras.callbacks.ReduceLROnPlateau(
            metric, _FALL, patience=max(1, recipe.patience // 2), mode=mode, min_delta=1e-6
        )
        own = [metrics, falls, stop]
    done = model.fit(
        fitted.inputs,
        targets(model, fitted),
        sample_weight=fitted.weights,
        batch_size=min(recipe.batch_size, len(fitted)),
        epochs=recipe.epochs,
        verbose=verbose,
        callbacks=[*own, *callbacks("training")],
    )
    history = {key: [float(x) for x in values] for key, values in done.history.items()}
    if stop is None or not recipe.epochs:
        return Training(model, recipe.epochs, history)
    warn_of_leaks(fitted, metrics.validation)
    best = int(stop.best_epoch)
    return Training(model, best + 1, history, True)


def check_click_model(name: str) -> None:
    """Refuse a model that is not a click model.

    Args:
        name: of the model.
    """
    from kerasrec import zoo

    if zoo.card(name).task != "click":
        clicks = ", ".join(x for x in zoo.names() if zoo.card(x).task == "click")
        raise ValueError(f"`model` must be a click model: {clicks}. Received: model={name!r}.")


def targets(model: keras.Model, impressions: Impressions) -> Any:
    """The targets of a model on impressions: the clicks, or the watch times.

    Args:
        model: `keras.Model`.
        impressions: `Impressions`.
    """
    if not is_of_watch_time(model):
        return impressions.labels
    if impressions.watch_time is None:
        raise ValueError(
            f"{model.name} needs watch times: pass `watch_time=` to `Impressions.from_frame`. Received: "
            "impressions without."
        )
    return impressions.watch_time


def _check_objective(objective: str, model: keras.Model, held_out: Impressions) -> None:
    """Refuse a metric that the model or the held-out rows do not have."""
    if objective == "user_auc" and held_out.users is None:
        raise ValueError(
            "`objective='user_auc'` needs a column of users: pass `user=` to `Impressions.from_frame`. "
            "Received: impressions without."
        )
    if objective in ("log_loss", "calibration_error") and is_of_watch_time(model):
        raise ValueError(
            f"`objective` must be 'auc' or 'user_auc' for {model.name}, which gives no probabilities. "
            f"Received: objective={objective!r}."
        )


def _parts(
    impressions: Impressions, validation: float | Impressions | None, epochs: int | None, seed: int
) -> tuple[Impressions, Impressions | None]:
    if isinstance(validation, Impressions):
        return impressions, validation
    if validation is None:
        validation = VALIDATION if epochs is None and len(impressions) >= _FEWEST else 0.0
    if not share("validation", validation):
        return impressions, None
    return impressions.split(validation, seed)
