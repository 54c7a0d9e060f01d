"""The expected duration of a training, reported at its start."""

import time
from collections.abc import Callable
from typing import Any

import keras

from kerasrec.data import Interactions

# Shortest training that is reported, in seconds, and seconds of steps that are measured.
_LONG, _MEASURED = 60.0, 2.0


class Forecast(keras.callbacks.Callback):
    """Reports once the size of a training and its approximate duration, from its first steps.

    Args:
        interactions: `Interactions` to train on.
        twice: whether this training only chooses the number of epochs for a second one on all rows.
        tell: function that prints a line, or `None`.
    """

    def __init__(
        self, interactions: Interactions, twice: bool, tell: Callable[[str], None] | None = None
    ) -> None:
        super().__init__()
        self._sizes = (
            f"{len(interactions):,} interactions of {interactions.n_users:,} users and "
            f"{interactions.n_items:,} items"
        )
        self._twice, self._tell = twice, tell
        self._begun: tuple[int, float] | None = None
        self._epoch_begun = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the time."""
        self._begun, self._epoch_begun = None, time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Measure the steps after the first one, which compiles."""
        if self._tell is None:
            return
        now = time.perf_counter()
        if self._begun is None:
            self._begun = batch, now
        elif now - self._begun[1] >= _MEASURED:
            first, begun = self._begun
            self._say((now - begun) / (batch - first) * self.params["steps"])

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measure a short epoch as a whole."""
        if self._tell is not None and epoch:
            self._say(time.perf_counter() - self._epoch_begun)

    def _say(self, seconds: float) -> None:
        tell, self._tell = self._tell, None
        epochs, steps = self.params["epochs"], self.params["steps"]
        seconds *= epochs * (2 if self._twice else 1)
        if tell is None or seconds < _LONG:
            return
        rounds = (
            f"at most {epochs} epochs of {steps:,} steps to find the best number, and as many on all rows"
            if self._twice
            else f"{epochs} epochs of {steps:,} steps"
        )
        tell(f"Training {self.model.name} on {self._sizes}: {rounds}; about {_in_words(seconds)} in all.")


def _in_words(seconds: float) -> str:
    minutes = seconds / 60
    if minutes < 90:
        return f"{max(1, round(minutes))} minute{'' if round(minutes) <= 1 else 's'}"
    return f"{minutes / 60:.1f} hours"
