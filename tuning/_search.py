import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from kerasrec import zoo
from kerasrec._arguments import positive_integer
from kerasrec._seeds import check_seed
from kerasrec.data import Impressions
from kerasrec.tuning import _data, _folder, _models, _objectives, _tuner, _workers
from kerasrec.tuning._data import Data
from kerasrec.tuning._display import Display
from kerasrec.tuning._plan import Plan
from kerasrec.tuning._record import Record
from kerasrec.tuning.hyper_recommender import HyperRecommender
from kerasrec.tuning.search_result import SearchResult

_OF_TUNER = ("max_model_size", "optimizer", "loss", "metrics", "distribution_strategy")


def search(
    interactions: Data,
    model: Any = None,
    objective: Any = None,
    tuner: str = "bayesian",
    max_trials: int = 20,
    epochs: int | None = None,
    *,
    user_features: Any = None,
    item_features: Any = None,
    fixed: Mapping[str, Any] | None = None,
    space: Any = None,
    validation: Any = 0.1,
    patience: int | None = 3,
    prune: bool = True,
    keep: int = 3,
    workers: int = 1,
    chief: str | None = None,
    worker: str | None = None,
    directory: Any = "search",
    seed: int = 0,
    n_users: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: bool = True,
    **kwargs: Any,
) -> SearchResult:
    """Search for the hyperparameters of a model with the best metric on held-out interactions.

    The search holds out part of the interactions and measures the objective on it after every epoch. It
    neither needs nor sees a test set. A trial ends after `patience` epochs without a better value, or if its
    best value is worse than the median of earlier trials at the same epoch. The first trial is the model's
    recipe (`kerasrec.zoo.recipe`), except with Hyperband.

    Everything is stored in `directory`. If a search was stopped or killed, calling it again with the same
    arguments resumes it; the running trial continues after its last epoch. If it has finished, the call only
    returns its result.

    Args:
        interactions: `Interactions`, the training data; `Impressions` for click models.
        model: name of a model of the zoo; or a function `build(hp)` that returns a compiled model whose
            inputs are `user` and `item`, or the columns of the impressions; or a `keras_tuner.HyperModel`,
            such as `HyperRecommender`. If a hypermodel defines `fit`, it is called with the arguments of
            `HyperRecommender.fit`. Defaults to `None`: `"hybrid"`, or `"dcn"` for impressions.
        objective: metric to optimise: `"val_ndcg@10"` or another exact metric of `kerasrec.evaluation`, or
            what Keras reports (`"val_loss"`, `"val_mean_squared_error"`). For other metrics give the
            direction too: `("val_x", "max")`. For impressions: `"val_auc"`, `"val_user_auc"`,
            `"val_log_loss"` or `"val_calibration_error"`. Defaults to `None`: `"val_ndcg@10"`, or
            `"val_auc"` for impressions.
        tuner: `"bayesian"`, `"random"`, `"hyperband"` or `"grid"`. Defaults to `"bayesian"`.
        max_trials: int, number of trials; Hyperband computes its own. A search can be resumed with a larger
            number. Defaults to `20`.
        epochs: int, maximum number of epochs of a trial. Defaults to `None`: those of the model's recipe, or
            20.
        user_features: as in `HyperRecommender`. Defaults to `None`.
        item_features: as in `HyperRecommender`. Defaults to `None`.
        fixed: as in `HyperRecommender`. Defaults to `None`.
        space: as in `HyperRecommender`. Defaults to `None`.
        validation: share of the rows to hold out at random, or separate validation data (`Interactions` or
            `Impressions`). Defaults to `0.1`.
        patience: int, epochs without a better value after which a trial ends, or `None` to train for all
            epochs. Defaults to `3`.
        prune: bool, whether trials below the median end early. Hyperband prunes in its own way. Defaults to
            `True`.
        keep: int, number of the best trials whose weights stay on disk. Defaults to `3`.
        workers: int, number of processes on this machine, which share its cores. Defaults to `1`.
        chief: `"HOST:PORT"`, for a search on several machines with a shared folder: the address that this
            process listens on or, with `worker`, the one that it connects to. Defaults to `None`.
        worker: name of this process among the workers of `chief`. Defaults to `None`.
        directory: folder of the search. Defaults to `"search"`.
        seed: int, for splits, initial weights, the order of the rows and the oracle. Defaults to `0`.
        n_users: int, number of users on which exact metrics are measured during training. Defaults to `None`:
            all.
        callbacks: Keras callbacks, copied for each trial. Defaults to `()`.
        verbose: bool, whether progress is shown on standard error. Defaults to `True`.
        **kwargs: further arguments of keras-tuner's oracle (`num_initial_points`, `factor`,
            `max_consecutive_failed_trials`) or tuner (`max_model_size`).

    Returns:
        `SearchResult`.

    Raises:
        ValueError: if an argument, a setting or a range is invalid, or the folder belongs to another search
            or to a newer version of kerasrec.
        RuntimeError: if three trials in a row fail (the message has the reasons), or if no trial gave a
            result.

    Example:
        >>> import tempfile, kerasrec
        >>> data = kerasrec.datasets.synthetic(20, 30, 300).interactions
        >>> result = kerasrec.tuning.search(
        ...     data, "item_knn", tuner="random", max_trials=3, directory=tempfile.mkdtemp(), verbose=False
        ... )
        >>> sorted(result.best_hyperparameters)
        ['n_neighbors', 'shrinkage', 'values', 'weighting']
    """
    plan, arguments = _plan(
        interactions,
        model,
        objective,
        tuner,
        max_trials,
        epochs,
        {"user_features": user_features, "item_features": item_features},
        {"fixed": fixed, "space": space},
        validation,
        patience,
        prune,
        keep,
        directory,
        seed,
        n_users,
        callbacks,
        kwargs,
    )
    workers = positive_integer("workers", workers)
    _workers.check_not_in_a_worker()
    with warnings.catch_warnings():
        # keras-tuner uses a deprecated function to get the current thread.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="keras_tuner")
        if worker is not None:
            _workers.work_for(plan, chief, worker)
            return SearchResult(plan, _loaded(plan))
        _folder.claim(plan.folder, arguments)
        with _folder.locked(plan.folder):
            _folder.extend(plan.folder, plan.max_trials)
            oracle = _run(plan, workers, chief, verbose)
    return SearchResult(plan, oracle)


def _run(plan: Plan, workers: int, chief: str | None, verbose: bool) -> Any:
    """Run the search and return its oracle."""
    oracle = plan.make_oracle()
    max_trials = oracle.max_trials
    # This also gives the oracle the folder and the space.
    tuner = plan.make_tuner(oracle)
    oracle.reload()
    _folder.clean(plan.folder, oracle, plan.keep)
    with Display(oracle, plan.folder, max_trials, verbose) as display:

        def tick() -> None:
            _folder.clean(plan.folder, oracle, plan.keep)
            display.tick()

        try:
            if workers > 1 or chief is not None:
                _workers.serve(plan, oracle, workers, chief, tick)
            else:
                tuner.tick = tick
                tuner.search(plan.interactions, plan.validation)
        except OSError as error:
            if error.errno not in _tuner.FULL:
                raise
            raise OSError(
                error.errno,
                f"{os.strerror(error.errno)}; make room and start the search again with the same "
                "arguments to resume it",
                str(plan.folder),
            ) from error
    if oracle.given_up():
        reasons = [f"{x}: {Record(plan.folder, x).read().reason}" for x in oracle.failures()]
        raise RuntimeError(
            f"The search stopped because {len(reasons)} trials in a row failed. " + "; ".join(reasons) + "."
        )
    _folder.clean(plan.folder, oracle, plan.keep, over=True)
    return oracle


def _loaded(plan: Plan) -> Any:
    oracle = plan.make_oracle()
    plan.make_tuner(oracle)
    oracle.reload()
    return oracle


def _plan(
    interactions: Any,
    model: Any,
    objective: Any,
    tuner: str,
    max_trials: int,
    epochs: int | None,
    features: dict[str, Any],
    space: dict[str, Any],
    validation: Any,
    patience: int | None,
    prune: bool,
    keep: int,
    directory: Any,
    seed: int,
    n_users: int | None,
    callbacks: Sequence[keras.callbacks.Callback],
    kwargs: dict[str, Any],
) -> tuple[Plan, dict[str, Any]]:
    """Check the arguments; return the search, and the arguments that identify its folder."""
    interactions = _data.checked(interactions)
    clicks = isinstance(interactions, Impressions)
    model = ("dcn" if clicks else "hybrid") if model is None else model
    objective = ("val_auc" if clicks else "val_ndcg@10") if objective is None else objective
    max_trials = positive_integer("max_trials", max_trials)
    seed = check_seed(seed)
    keep = positive_integer("keep", keep)
    patience = None if patience is None else positive_integer("patience", patience)
    card = zoo.card(model) if isinstance(model, str) else getattr(model, "card", None)
    _data.check_model(card, interactions, features | {"n_users": n_users})
    if epochs is None:
        known = isinstance(model, str) and len(interactions)
        epochs = zoo.recipe(model, interactions).epochs if known else zoo.Recipe().epochs
    epochs = positive_integer("epochs", epochs)
    wanted = _objectives.objective(objective, card, clicks)
    metrics = (wanted.keras_metric,) if wanted.keras_metric else ()
    hypermodel = _models.hypermodel(model, interactions, features, space, epochs, seed, metrics)
    fitted, held_out, whole = _data.parts(interactions, validation, seed)
    wanted.callback(held_out, fitted, n_users)  # refuses what cannot be measured
    if isinstance(hypermodel, HyperRecommender):
        hypermodel = hypermodel.on(fitted)
    of_tuner = {name: x for name, x in kwargs.items() if name in _OF_TUNER}
    of_oracle = {name: x for name, x in kwargs.items() if name not in _OF_TUNER}
    plan = Plan(
        hypermodel,
        fitted,
        held_out,
        whole,
        wanted,
        tuner,
        max_trials,
        epochs,
        patience,
        prune,
        keep,
        seed,
        Path(directory).absolute(),
        callbacks,
        n_users,
        of_oracle,
        of_tuner,
    )
    plan.make_oracle()
    arguments = {
        "interactions": _folder.fingerprint(interactions),
        "model": _name(model),
        "objective": str(wanted),
        "tuner": tuner,
        "max_trials": max_trials,
        "epochs": epochs,
        **{name: _fingerprints(x) for name, x in features.items()},
        **space,
        "validation": _folder.fingerprint(held_out) if validation is held_out else validation,
        "patience": patience,
        "prune": prune,
        "seed": seed,
        "n_users": n_users,
        "backend": keras.backend.backend(),
        **kwargs,
    }
    return plan, arguments


def _fingerprints(features: Any) -> Any:
    if isinstance(features, Mapping):
        return {name: _folder.fingerprint(x) for name, x in features.items()}
    return None if features is None else _folder.fingerprint(features)


def _name(model: Any) -> str:
    if isinstance(model, str):
        return zoo.card(model).name
    if isinstance(model, HyperRecommender):
        return f"{model.card.name}, {model.fixed}, {model.space}"
    whose = type(model) if isinstance(model, keras_tuner.HyperModel) else model
    return getattr(whose, "__qualname__", type(whose).__qualname__)
