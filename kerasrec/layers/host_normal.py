from typing import Any

import keras
import numpy as np

from kerasrec.layers._host_draws import normal


@keras.saving.register_keras_serializable("kerasrec")
class HostNormal(keras.initializers.RandomNormal):
    """`keras.initializers.RandomNormal`, drawn by NumPy on the host.

    A seed gives the same numbers on every backend, and JAX has nothing to compile: its own draws take most of
    a second for each new shape of a table.

    Args:
        mean: float. Defaults to `0.0`.
        stddev: float, standard deviation. Defaults to `0.05`.
        seed: int, or a `keras.random.SeedGenerator`, with which Keras draws; `None` for one from Keras's
            global generator. Defaults to `None`.

    Call arguments:
        shape: of the result.
        dtype: dtype of the result.

    Returns:
        Tensor of that shape.

    Example:
        >>> import keras, kerasrec
        >>> values = kerasrec.layers.HostNormal(stddev=2.0, seed=0)((1000, 30))
        >>> round(float(keras.ops.std(values)), 1)
        2.0
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(mean=mean, stddev=stddev, seed=seed)

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        """Draw a tensor."""
        if not isinstance(self.seed, int):
            return super().__call__(shape, dtype)
        return keras.ops.convert_to_tensor(self._draw(shape), dtype or keras.config.floatx())

    def _draw(self, shape: Any) -> np.ndarray:
        values = normal(shape, self.stddev, self.seed)
        values += self.mean
        return values
