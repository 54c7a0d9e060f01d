from typing import Any

import keras
import numpy as np


class StopOnNaN(keras.callbacks.Callback):
    """Stop training when the loss becomes NaN or infinite, and say where.

    The loss is checked after every compiled call, so the error names the range of steps of one call. With
    `steps_per_execution=1` it names the exact step.

    Raises:
        FloatingPointError: from `fit`, with the epoch, the steps and the first layer whose weights are not
            finite.

    Example:
        >>> import kerasrec
        >>> callbacks = [kerasrec.trainers.StopOnNaN()]
    """

    def __init__(self) -> None:
        super().__init__()
        self._epoch = 0
        self._from = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember the epoch."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Remember the first step of the call."""
        self._from = batch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Check the loss."""
        loss = (logs or {}).get("loss")
        if loss is None or np.isfinite(float(loss)):
            return
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        layer = next((name for name, weights in _weights(self.model) if not np.isfinite(weights).all()), None)
        where = (
            f"the weights of layer '{layer}' are no longer finite"
            if layer
            else "all weights are still finite"
        )
        steps = f"step {batch}" if batch == self._from else f"steps {self._from} to {batch}"
        raise FloatingPointError(
            f"The loss became {float(loss)} in {steps} of epoch {self._epoch}; {where}. "
            "Lower the learning rate, clip gradients, or check the data of these steps."
        )


def _weights(model: Any) -> Any:
    for layer in model._flatten_layers(include_self=False):
        for variable in layer._trainable_variables:
            yield layer.name, keras.ops.convert_to_numpy(variable.value)
