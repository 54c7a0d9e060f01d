"""Layers that cache results of their weights, and must recompute them after training."""

from typing import Any

import keras


class Refreshing(keras.callbacks.Callback):
    """Calls `refresh` of the given layers before other callbacks see the end of an epoch.

    Args:
        layers: layers with a method `refresh`.
    """

    def __init__(self, layers: list[Any]) -> None:
        super().__init__()
        self._layers = layers
        self._training = False

    def on_train_begin(self, logs: Any = None) -> None:
        """Mark the start of training."""
        self._training = True

    def on_test_begin(self, logs: Any = None) -> None:
        """Refresh before validation data are scored."""
        if self._training:
            self._refresh()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Refresh after an epoch."""
        self._refresh()

    def on_train_end(self, logs: Any = None) -> None:
        """Refresh after training."""
        self._refresh()
        self._training = False

    def _refresh(self) -> None:
        self.model.jax_state_sync()  # on JAX, training holds the weights itself
        for layer in self._layers:
            layer.refresh()


def refreshing_layers(model: Any) -> list[Any]:
    """The layers of a model with a method `refresh`."""
    return [layer for layer in model._flatten_layers() if hasattr(layer, "refresh")]
