"""Layers that keep what they computed from their weights, and so must compute it again after training."""

from typing import Any

import keras


class Refreshing(keras.callbacks.Callback):
    """Calls `refresh` of every layer that has it, before others see the end of an epoch.

    Args:
        layers: those layers.
    """

    def __init__(self, layers: list[Any]) -> None:
        super().__init__()
        self._layers = layers
        self._training = False

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin to look after them."""
        self._training = True

    def on_test_begin(self, logs: Any = None) -> None:
        """Before validation data are scored."""
        if self._training:
            self._refresh()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """After an epoch."""
        self._refresh()

    def on_train_end(self, logs: Any = None) -> None:
        """At the end."""
        self._refresh()
        self._training = False

    def _refresh(self) -> None:
        self.model.jax_state_sync()  # what training has, where it holds the weights itself
        for layer in self._layers:
            layer.refresh()


def refreshing_layers(model: Any) -> list[Any]:
    """The layers of a model that keep what they computed."""
    return [layer for layer in model._flatten_layers() if hasattr(layer, "refresh")]
