"""Everything that the processes of a search need to know."""

import copy
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from kerasrec._seeds import set_random_seed
from kerasrec.tuning import _oracles
from kerasrec.tuning._data import Data
from kerasrec.tuning._objectives import Objective
from kerasrec.tuning._record import Record
from kerasrec.tuning._trial_callback import TrialCallback
from kerasrec.tuning._tuner import Tuner
from kerasrec.tuning.hyper_recommender import HyperRecommender


@dataclass
class Plan:
    """A search, before anything has been tried.

    Args:
        hypermodel: `keras_tuner.HyperModel`.
        interactions: `Interactions` or `Impressions` to train on.
        validation: the validation data, of the same type.
        whole: both together.
        objective: `Objective`.
        tuner: name.
        max_trials: int.
        epochs: int.
        patience: int or `None`.
        prune: bool.
        keep: int.
        seed: int.
        folder: folder of the search.
        callbacks: the caller's callbacks.
        n_users: int or `None`.
        of_oracle: further arguments of the oracle.
        of_tuner: further arguments of the tuner.
    """

    hypermodel: Any
    interactions: Data
    validation: Data
    whole: Data
    objective: Objective
    tuner: str
    max_trials: int
    epochs: int
    patience: int | None
    prune: bool
    keep: int
    seed: int
    folder: Path
    callbacks: Sequence[keras.callbacks.Callback] = ()
    n_users: int | None = None
    of_oracle: dict[str, Any] = field(default_factory=dict)
    of_tuner: dict[str, Any] = field(default_factory=dict)

    def make_oracle(self) -> Any:
        """The oracle, which chooses the trials."""
        return _oracles.oracle(
            self.tuner, self.objective, self.max_trials, self.epochs, self.seed, self.of_oracle
        )

    def make_tuner(self, oracle: Any, tick: Callable[[], None] = lambda: None) -> Tuner:
        """The tuner, which runs the trials in this process."""
        return Tuner(
            oracle,
            self.hypermodel,
            self.folder,
            self.objective,
            self.epochs,
            self.patience,
            self.prune and self.tuner != "hyperband",
            self.seed,
            self.callbacks,
            self.n_users,
            tick,
            **self.of_tuner,
        )

    def models_of(self, interactions: Data, seed: int) -> Any:
        """The hypermodel for these interactions and this seed, if it depends on them."""
        models = self.hypermodel
        models = models.on(interactions) if isinstance(models, HyperRecommender) else copy.copy(models)
        models.seed = seed
        return models

    def settings(self, hp: Any) -> dict[str, Any]:
        """The searched hyperparameters and their values, in readable form."""
        if isinstance(self.hypermodel, HyperRecommender):
            return self.hypermodel.settings(hp.copy())
        return {name: x for name, x in hp.values.items() if not name.startswith("tuner/")}

    def best_epoch(self, hp: Any) -> int:
        """The best epoch on the validation data of a training with these hyperparameters."""
        with tempfile.TemporaryDirectory() as folder:
            record = Record(Path(folder), "0")
            watch = TrialCallback(record, self.objective, self.epochs, self.patience, None, self.seed)
            exact = self.objective.callback(self.validation, self.interactions, self.n_users)
            callbacks = [*([exact] if exact else []), watch]
            model = self.hypermodel.build(hp.copy())
            data = (self.interactions, self.validation)
            self.hypermodel.fit(
                hp.copy(), model, *data, callbacks=callbacks, epochs=self.epochs, initial_epoch=0
            )
            return watch.best_epoch

    def retrained(self, hp: Any, epochs: int, seed: int) -> keras.Model:
        """A model with these hyperparameters, trained on all data for `epochs` epochs."""
        set_random_seed(seed)
        models = self.models_of(self.whole, seed)
        model = models.build(hp.copy())
        models.fit(hp.copy(), model, self.whole, None, callbacks=[], epochs=epochs, initial_epoch=0)
        return model
