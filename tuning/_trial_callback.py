"""What watches a trial: its objective, when it is to stop, and what has to outlast a kill."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasrec._seeds import set_random_seed
from kerasrec.tuning._objectives import Objective, UnknownObjective, missing
from kerasrec.tuning._record import Progress, Record

# Trials without a median to be measured by, and epochs that every trial gets.
_UNPRUNED_TRIALS = 4
_UNPRUNED_EPOCHS = 2


class FailedTrial(Exception):
    """A trial that has no result, and why."""


class TrialCallback(keras.callbacks.Callback):
    """Keeps the values of the objective, the state after each epoch and the best weights; ends the trial.

    It ends without a better value for `patience` epochs, below the median of earlier trials, or where a value
    is no number. All follows from the values, so that a trial that is taken up again ends as it would have.

    Args:
        record: `Record`, the trial's folder.
        objective: `Objective`.
        epochs: int, most epochs.
        patience: int or `None`.
        earlier: gives the values of earlier trials by epoch; `None` for no pruning.
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
        """Go on where the record stops, if there is one."""
        found = self.record.restore(model)
        if found is not None and found.status != "failed":
            epochs = self.progress.epochs
            self.progress = Progress(found.values, epochs, found.status, "", found.seconds, found.outside)
            if self.progress.status == "completed" and self._not_yet_stopped():
                self.progress.status = "running"  # more epochs than it was given at first
        self.record.write(self.progress)

    def _not_yet_stopped(self) -> bool:
        return len(self.progress.values) < self.progress.epochs and not self._without_hope()

    def begin(self) -> None:
        """Count from now as training: before its first epoch, a model is traced and compiled."""
        self._since = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Let everything random depend on the epoch alone."""
        self._since = self._since or time.monotonic()
        set_random_seed((self.seed + epoch) % 2**32)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at the value, keep the state, decide whether to go on."""
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
        """Whether the best value so far is worse than the median of that of earlier trials by this epoch."""
        n = len(self.progress.values)
        if self.earlier is None or n < _UNPRUNED_EPOCHS or n >= self.progress.epochs:
            return False
        best = max if self.objective.direction == "max" else min
        others = [best(values[:n]) for values in self.earlier() if len(values) >= n]
        if len(others) < _UNPRUNED_TRIALS:
            return False
        return bool(self.objective.better_than(statistics.median(others), self.best_value))
