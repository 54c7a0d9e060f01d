"""The callback of a trial: it records the objective, decides when to stop, and saves the state."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasrec._seeds import set_random_seed
from kerasrec.tuning._objectives import Objective, UnknownObjective, missing
from kerasrec.tuning._record import Progress, Record

# Number of trials before pruning starts, and epochs that every trial gets.
_UNPRUNED_TRIALS = 4
_UNPRUNED_EPOCHS = 2


class FailedTrial(Exception):
    """A trial has no result; the message says why."""


class TrialCallback(keras.callbacks.Callback):
    """Keeps the values of the objective, the state after each epoch and the best weights; ends the trial.

    A trial ends after `patience` epochs without a better value, below the median of earlier trials, or if a
    value is not finite. This depends only on the values, so a resumed trial ends where it would have ended.

    Args:
        record: `Record`, the trial's folder.
        objective: `Objective`.
        epochs: int, maximum number of epochs.
        patience: int or `None`.
        earlier: function that returns the values of earlier trials by epoch; `None` for no pruning.
        seed: int.
        tick: called after each epoch.
    """

    def __init__(
        self,
        record: Record,
        objective: Objective,
        epochs: int,
        patience: int | None,
        earlier: Callable[[], list[list[float]]] | None,
        seed: int,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self.record, self.objective = record, objective
        self.patience, self.earlier = patience, earlier
        self.seed, self.tick = seed, tick
        self.progress = Progress(epochs=epochs)
        self._since: float | None = None

    @property
    def best_epoch(self) -> int:
        """The first epoch with the best value."""
        values = np.array(self.progress.values)
        return int(np.argmax(values) if self.objective.direction == "max" else np.argmin(values))

    @property
    def best_value(self) -> float:
        """Its value."""
        return self.progress.values[self.best_epoch]

    def take_up(self, model: keras.Model) -> None:
        """Resume after the last recorded epoch, if there is one."""
        found = self.record.restore(model)
        if found is not None and found.status != "failed":
            epochs = self.progress.epochs
            self.progress = Progress(found.values, epochs, found.status, "", found.seconds, found.outside)
            if self.progress.status == "completed" and self._not_yet_stopped():
                self.progress.status = "running"  # it now has more epochs than before
        self.record.write(self.progress)

    def _not_yet_stopped(self) -> bool:
        return len(self.progress.values) < self.progress.epochs and not self._without_hope()

    def begin(self) -> None:
        """Start the clock: tracing and compiling before the first epoch count as training."""
        self._since = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Seed everything random by the seed and the epoch."""
        self._since = self._since or time.monotonic()
        set_random_seed((self.seed + epoch) % 2**32)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Record the value, save the state, and decide whether to continue."""
        logs = logs or {}
        loss = logs.get("loss", 0.0)
        if not np.isfinite(loss):
            raise FailedTrial(f"the loss became {float(loss)} in epoch {epoch + 1}")
        if self.objective.name not in logs:
            raise UnknownObjective(missing(self.objective.name, logs))
        value = float(logs[self.objective.name])
        if not np.isfinite(value):
            raise FailedTrial(f"{self.objective.name} became {value} in epoch {epoch + 1}")
        progress = self.progress
        progress.values = [*progress.values, value]
        if self._below_median():
            progress.status = "pruned"
        elif len(progress.values) >= progress.epochs or self._without_hope():
            progress.status = "completed"
        progress.seconds += time.monotonic() - (self._since or time.monotonic())
        self._since = None
        if self.model is not None:
            self.record.save(self.model, progress, best=self.best_epoch == len(progress.values) - 1)
            self.model.stop_training = progress.status != "running"
        self.tick()

    def _without_hope(self) -> bool:
        waited = len(self.progress.values) - 1 - self.best_epoch
        return self.patience is not None and waited >= self.patience

    def _below_median(self) -> bool:
        """Whether the best value so far is worse than the median of earlier trials' best by this epoch."""
        n = len(self.progress.values)
        if self.earlier is None or n < _UNPRUNED_EPOCHS or n >= self.progress.epochs:
            return False
        best = max if self.objective.direction == "max" else min
        others = [best(values[:n]) for values in self.earlier() if len(values) >= n]
        if len(others) < _UNPRUNED_TRIALS:
            return False
        return bool(self.objective.better_than(statistics.median(others), self.best_value))
