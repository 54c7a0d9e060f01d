"""One process of a search: it asks the oracle for trials, trains them and reports the results."""

import copy
import errno
import functools
import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import keras_tuner
from keras_tuner.src.engine.trial import Trial, TrialStatus

from kerasrec._seeds import set_random_seed
from kerasrec.tuning._data import Data
from kerasrec.tuning._objectives import Objective, UnknownObjective
from kerasrec.tuning._record import Record
from kerasrec.tuning._trial_callback import FailedTrial, TrialCallback

_WAIT = 0.2
# Seconds of work per second of garbage collection.
_COLLECT_SHARE = 50
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Errors that every other trial would have, too.
_FATAL = (keras_tuner.errors.FatalError, UnknownObjective)


class Tuner(keras_tuner.Tuner):
    """keras-tuner's tuner, with trials that resume after their last epoch.

    Args:
        oracle: an oracle of `_oracles`, or keras-tuner's client of one in another process.
        hypermodel: `keras_tuner.HyperModel`, whose `fit` takes interactions.
        folder: folder of the search.
        objective: `Objective`.
        epochs: int, maximum number of epochs of a trial.
        patience: int or `None`.
        prune: bool.
        seed: int.
        callbacks: the caller's callbacks, copied for each trial.
        n_users: int or `None`, number of users on which exact metrics are measured.
        tick: called after each epoch and trial.
        **kwargs: further arguments of `keras_tuner.Tuner`.
    """

    def __init__(
        self,
        oracle: Any,
        hypermodel: Any,
        folder: Path,
        objective: Objective,
        epochs: int,
        patience: int | None,
        prune: bool,
        seed: int,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        n_users: int | None = None,
        tick: Callable[[], None] = lambda: None,
        **kwargs: Any,
    ) -> None:
        self.folder = folder
        self.objective = objective
        self.epochs, self.patience, self.prune = epochs, patience, prune
        self.seed = seed
        self.callbacks, self.n_users, self.tick = list(callbacks), n_users, tick
        self._collected, self._collecting = time.monotonic(), 0.2
        # keras-tuner creates its project folder here: the folder of the search.
        place = {"directory": str(folder.parent), "project_name": folder.name}
        super().__init__(oracle=oracle, hypermodel=hypermodel, **place, **kwargs)

    def search(self, interactions: Data, validation: Data) -> None:
        """Run trials until the oracle has enough."""
        while True:
            since = time.monotonic()
            trial = self.oracle.create_trial(self.tuner_id)
            if trial.status == TrialStatus.STOPPED:
                return
            if trial.status == TrialStatus.IDLE:
                time.sleep(_WAIT)  # until another process has finished its trial
                continue
            self.tick()
            record = Record(self.folder, trial.trial_id)
            before = record.read().seconds
            self._try_run_and_update_trial(trial, interactions, validation)
            self.oracle.end_trial(trial)
            self._stop_on_error()
            self.tick()
            progress = record.read()
            progress.outside += time.monotonic() - since - (progress.seconds - before)
            record.write(progress)

    def run_trial(self, trial: Trial, interactions: Data, validation: Data) -> tuple[float, int]:
        """Train one trial, from the beginning or from where it stopped.

        Returns:
            The best value of the objective and its epoch.
        """
        hp = trial.hyperparameters
        model = self._try_build(hp)
        watch = self._watch(trial)
        watch.take_up(model)
        if watch.progress.status == "running":
            exact = self.objective.callback(validation, interactions, self.n_users)
            callbacks = [*copy.deepcopy(self.callbacks), *([exact] if exact else []), watch]
            watch.begin()
            self.hypermodel.fit(
                hp,
                model,
                interactions,
                validation,
                callbacks=callbacks,
                epochs=watch.progress.epochs,
                initial_epoch=len(watch.progress.values),
            )
            if (
                watch.progress.status == "running"
            ):  # the caller's callback, or the hypermodel's `fit`, ended it
                watch.progress.status = "completed"
                watch.record.write(watch.progress)
        return watch.best_value, watch.best_epoch

    def _try_build(self, hp: Any) -> keras.Model:
        # keras-tuner collects garbage twice before each trial, which takes longer than a short trial.
        keras.utils.clear_session(free_memory=False)
        self._collect()
        set_random_seed(self.seed)
        model = self._build_hypermodel(hp)
        if not isinstance(model, keras.Model):
            raise keras_tuner.errors.FatalTypeError(
                f"`build` must return a `keras.Model`. Received: {type(model).__name__}."
            )
        if self.max_model_size is not None and model.count_params() > self.max_model_size:
            raise FailedTrial(f"the model has {model.count_params():,} parameters, over `max_model_size`")
        return model

    def _collect(self) -> None:
        """Free earlier models, unless that would take a noticeable share of the time."""
        since = time.monotonic()
        if since - self._collected >= _COLLECT_SHARE * self._collecting:
            gc.collect()
            self._collected = time.monotonic()
            self._collecting = self._collected - since

    def _watch(self, trial: Trial) -> TrialCallback:
        hp = trial.hyperparameters
        epochs = self.epochs
        if hasattr(self.hypermodel, "epochs_of"):
            epochs = self.hypermodel.epochs_of(self.hypermodel.settings(hp.copy()))
        epochs = hp.values.get("tuner/epochs", epochs)
        record = Record(self.folder, trial.trial_id)
        if "tuner/trial_id" in hp.values:
            record.inherit(Record(self.folder, hp.values["tuner/trial_id"]))
        earlier = functools.partial(self._earlier, trial.trial_id) if self.prune else None
        return TrialCallback(record, self.objective, epochs, self.patience, earlier, self.seed, self.tick)

    def _earlier(self, trial_id: str) -> list[list[float]]:
        """The values so far of the trials that were started before."""
        ids = [f"{i:0{len(trial_id)}d}" for i in range(int(trial_id))]
        found = [Record(self.folder, other).read() for other in ids]
        return [progress.values for progress in found if progress.status != "failed"]

    def _try_run_and_update_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> None:
        try:
            value, epoch = self.run_trial(trial, *args, **kwargs)
            self.oracle.update_trial(trial.trial_id, {self.objective.name: value}, step=epoch)
            trial.status = TrialStatus.COMPLETED
        except _FATAL:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            self._fail(trial, error)

    def _fail(self, trial: Trial, error: Exception) -> None:
        trial.status = TrialStatus.INVALID
        trial.message = " ".join(f"{type(error).__name__}: {error}".split())
        record = Record(self.folder, trial.trial_id)
        progress = record.read()
        progress.status, progress.reason = "failed", trial.message.removeprefix("FailedTrial: ")
        record.write(progress)
        record.forget(best=True, last=True)

    def _stop_on_error(self) -> None:
        error = getattr(self.oracle, "error", None)
        if error is not None:
            raise error

    def _populate_initial_space(self) -> None:
        if hasattr(type(self.hypermodel), "settings"):  # it declares them without building a model
            hp = self.oracle.get_space()
            self.hypermodel.declare_hyperparameters(hp)
            self.oracle.update_space(hp)
        else:
            super()._populate_initial_space()

    def _get_tuner_fname(self) -> str:
        # keras-tuner's own file is not needed: the oracle's file has everything.
        return str(self.folder / "none")

    def save(self) -> None:
        """Do nothing: a tuner has no state."""
