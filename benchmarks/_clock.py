"""Seconds of each epoch of a `fit`."""

import time
from typing import Any

import keras


class EpochClock(keras.callbacks.Callback):
    """Seconds of each epoch, in `seconds`."""

    def on_train_begin(self, logs: Any = None) -> None:
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        float(logs["loss"])  # JAX has computed the epoch once this is known
        self.seconds.append(time.perf_counter() - self.start)
